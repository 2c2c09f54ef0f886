/** L2 distance in pixel units of [0,1] (SISS, "T-shirt frequency") of two images in [−1,1], [C,H,W]; `image` is clipped first. */
export function pixelDistance(image: Float32Array, reference: Float32Array): number {
  let sum = 0
  for (let i = 0; i < image.length; i++) {
    const difference = (Math.min(Math.max(image[i], -1), 1) - reference[i]) / 2
    sum += difference * difference
  }
  return Math.sqrt(sum)
}
