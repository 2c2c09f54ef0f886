/*
 * Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
 * 32-bit integer arithmetic only: the high half of a product is put together from 16-bit halves.
 */

const bumpKey0 = 0x9e3779b9
const bumpKey1 = 0xbb67ae85

/** Words of one block. */
export const wordsPerBlock = 4

/** Writes the block of four uint32 for (counter, key) to `out` from `offset` on. All six inputs are taken modulo 2^32. */
export function philoxBlock(
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  key0: number,
  key1: number,
  out: Uint32Array,
  offset: number,
): void {
  let c0 = counter0 | 0
  let c1 = counter1 | 0
  let c2 = counter2 | 0
  let c3 = counter3 | 0
  let k0 = key0 | 0
  let k1 = key1 | 0
  for (let round = 0; round < 10; round++) {
    const low0 = c0 & 0xffff
    const high0 = c0 >>> 16
    const middle0 = (Math.imul(high0, 0x1f53) + (Math.imul(low0, 0x1f53) >>> 16)) | 0
    const carry0 = (Math.imul(low0, 0xd251) + (middle0 & 0xffff)) | 0
    const product0High = (Math.imul(high0, 0xd251) + (middle0 >>> 16) + (carry0 >>> 16)) | 0
    const product0Low = Math.imul(c0, 0xd2511f53)

    const low2 = c2 & 0xffff
    const high2 = c2 >>> 16
    const middle2 = (Math.imul(high2, 0x8d57) + (Math.imul(low2, 0x8d57) >>> 16)) | 0
    const carry2 = (Math.imul(low2, 0xcd9e) + (middle2 & 0xffff)) | 0
    const product2High = (Math.imul(high2, 0xcd9e) + (middle2 >>> 16) + (carry2 >>> 16)) | 0
    const product2Low = Math.imul(c2, 0xcd9e8d57)

    c0 = product2High ^ c1 ^ k0
    c1 = product2Low
    c2 = product0High ^ c3 ^ k1
    c3 = product0Low
    k0 = (k0 + bumpKey0) | 0
    k1 = (k1 + bumpKey1) | 0
  }
  out[offset] = c0
  out[offset + 1] = c1
  out[offset + 2] = c2
  out[offset + 3] = c3
}

/** Philox4x32-10 of one counter: four uint32. */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  const out = new Uint32Array(wordsPerBlock)
  philoxBlock(...counter, ...key, out, 0)
  return [out[0], out[1], out[2], out[3]]
}
