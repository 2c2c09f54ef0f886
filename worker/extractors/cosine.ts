/** Cosine of the angle between two vectors, in float64; NaN where one of them is zero. */
export function cosine(one: Float32Array, other: Float32Array): number {
  let [product, square, otherSquare] = [0, 0, 0]
  for (let i = 0; i < one.length; i++) {
    product += one[i] * other[i]
    square += one[i] * one[i]
    otherSquare += other[i] * other[i]
  }
  return product / Math.sqrt(square * otherSquare)
}
