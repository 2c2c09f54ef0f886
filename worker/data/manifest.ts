import { createHash } from 'node:crypto'
import { digestOf } from '../../protocol/digest.ts'

/** What the data are, item by item, without the data: two processes with equal digests hold the same set in the same order. */
export interface Manifest {
  items: number
  height: number
  width: number
  channels: number
  /** SHA-256 of every item, 32 bytes each: over its label as little-endian u16, then its pixel bytes. */
  hashes: Uint8Array
}

export const hashBytes = 32

export function itemHash(label: number, pixels: Uint8Array): Buffer {
  return createHash('sha256')
    .update(Uint8Array.of(label & 0xff, label >> 8))
    .update(pixels)
    .digest()
}

/** SHA-256 (hex) over the shape and all item hashes. */
export function manifestDigest({ hashes, ...shape }: Manifest): string {
  return digestOf({ ...shape, hashes: createHash('sha256').update(hashes).digest('hex') })
}
