/**
 * The weights that may move: the ⌊share · n⌋ with the largest |sum|, 1 in the mask, where `sum` adds up gradients of the forget loss (SalUn,
 * Fan et al., ICLR 2024, equation 4, with the share in place of a threshold). Of equal ones those that come first.
 */
export function salientWeights(sum: Float32Array, share: number): Uint8Array {
  const count = salientCount(sum.length, share)
  const mask = new Uint8Array(sum.length)
  if (count === 0) return mask
  const threshold = sum.map(Math.abs).sort()[sum.length - count]
  let left = count
  for (let i = 0; i < sum.length; i++)
    if (Math.abs(sum[i]) > threshold) {
      mask[i] = 1
      left -= 1
    }
  for (let i = 0; i < sum.length && left > 0; i++)
    if (Math.abs(sum[i]) === threshold) {
      mask[i] = 1
      left -= 1
    }
  return mask
}

/** How many of `length` weights may move. */
export const salientCount = (length: number, share: number) => Math.floor(share * length)
