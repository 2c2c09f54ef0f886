import { gunzipSync } from 'node:zlib'
import { LetheError } from '../../protocol/errors.ts'
import { readDataFile } from './file.ts'
import type { Source } from './source.ts'

/*
 * The IDX format of MNIST and its relatives: two zero bytes, a type byte (8: unsigned bytes), the number of dimensions,
 * one big-endian u32 per dimension, then the values. Source: https://yann.lecun.com/exdb/mnist/
 */

const unsignedByte = 8
const maxDecodedBytes = 2 ** 31 - 1

/** Values of an IDX file of unsigned bytes, plain or gzipped. Throws DATA_FORMAT unless it has `dimensions` and the exact length. */
export function decodeIdx(file: Uint8Array, dimensions: number, name: string): { sizes: number[]; values: Uint8Array } {
  const bytes = unzipped(file, name)
  const headerBytes = 4 + 4 * dimensions
  if (bytes.length < headerBytes)
    throw malformed(`${name} is too short for an IDX file`, `at least ${headerBytes} bytes`, `${bytes.length}`)
  if (bytes.readUInt16BE(0) !== 0 || bytes[2] !== unsignedByte || bytes[3] !== dimensions) {
    throw malformed(
      `${name} is not an IDX file of bytes with ${dimensions} dimension${dimensions > 1 ? 's' : ''}`,
      `0000080${dimensions}`,
      bytes.toString('hex', 0, 4),
    )
  }
  const sizes = Array.from({ length: dimensions }, (_, i) => bytes.readUInt32BE(4 + 4 * i))
  const expected = headerBytes + sizes.reduce((total, size) => total * size, 1)
  if (bytes.length !== expected) throw malformed(`${name} has another length than its header says`, `${expected} bytes`, `${bytes.length}`)
  return { sizes, values: bytes.subarray(headerBytes) }
}

/** Throws DATA_FILE_MISSING, DATA_FORMAT. `limit` keeps the first so many items. */
export async function openIdx(source: { images: string; labels: string; limit?: number }): Promise<Source> {
  const images = decodeIdx(await readDataFile(source.images), 3, source.images)
  const labels = decodeIdx(await readDataFile(source.labels), 1, source.labels)
  const [stored, height, width] = images.sizes
  if (labels.sizes[0] !== stored) throw malformed('images and labels differ in number', `${stored} labels`, `${labels.sizes[0]}`)
  if (stored * height * width === 0) throw malformed(`${source.images} holds no images`)
  const items = Math.min(source.limit ?? stored, stored)
  return {
    items,
    height,
    width,
    channels: 1,
    pixels: images.values.subarray(0, items * height * width),
    repeats: false,
    labels: Uint16Array.from(labels.values.subarray(0, items)),
  }
}

function unzipped(file: Uint8Array, name: string): Buffer {
  if (file[0] !== 0x1f || file[1] !== 0x8b) return Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  try {
    return gunzipSync(file, { maxOutputLength: maxDecodedBytes })
  } catch (cause) {
    throw new LetheError('DATA_FORMAT', { message: `${name} is not a valid gzip file`, cause })
  }
}

function malformed(message: string, expected?: string, received?: string): LetheError {
  return new LetheError('DATA_FORMAT', { message, expected, received })
}
