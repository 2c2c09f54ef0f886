import { LetheError } from '../../protocol/errors.ts'
import type { Job } from '../../protocol/job.ts'
import type { SourceOptions } from '../../protocol/sources.ts'
import { chosenOf } from './chosen.ts'
import { openIdx } from './idx.ts'
import { openImage, readGreyPicture } from './image.ts'
import type { Manifest } from './manifest.ts'
import { hashBytes, itemHash, manifestDigest } from './manifest.ts'
import { openMnist } from './mnist.ts'
import type { Source } from './source.ts'

/** The items of all sources, numbered through; the number is the sample index that keys of randomness and messages use. */
export interface DataSet {
  readonly items: number
  readonly height: number
  readonly width: number
  readonly channels: number
  readonly labels: Uint16Array
  readonly manifest: Manifest
  readonly manifestDigest: string
  /** Sample indices to forget and to keep, ascending, disjoint, together all items. */
  readonly forget: Uint32Array
  readonly keep: Uint32Array
  /** Pixel bytes [height, width, channels] of one item, not to be written to. Throws DATA_CHANGED where they are not the manifest's. */
  read(index: number): Uint8Array
}

const maxItems = 10_000_000

/** Opens every source and hashes every item. Throws DATA_*; no message holds content of the forget set. */
export async function openDataSet(data: Job['data']): Promise<DataSet> {
  const sources: Source[] = []
  for (const source of data.sources) sources.push(await openSource(source))
  const [{ height, width, channels }] = sources
  for (const source of sources) {
    if (source.height !== height || source.width !== width || source.channels !== channels) {
      throw new LetheError('DATA_SHAPE', {
        message: 'the sources have images of different size',
        expected: `${width}×${height}`,
        received: `${source.width}×${source.height}`,
        hint: 'All sources of a job need images of one size.',
      })
    }
  }
  const items = sources.reduce((sum, source) => sum + source.items, 0)
  if (items > maxItems)
    throw new LetheError('DATA_FORMAT', {
      message: 'the data set has too many items',
      expected: `at most ${maxItems}`,
      received: `${items}`,
    })

  const labels = new Uint16Array(items)
  const hashes = new Uint8Array(items * hashBytes)
  const pixelsOf = numbered(sources)
  let start = 0
  for (const source of sources) {
    labels.set(source.labels, start)
    start += source.items
  }
  for (let index = 0; index < items; index++) hashes.set(itemHash(labels[index], pixelsOf(index)), index * hashBytes)
  const manifest: Manifest = { items, height, width, channels, hashes }

  const read = (index: number): Uint8Array => {
    if (!Number.isInteger(index) || index < 0 || index >= items) throw new RangeError(`no item ${index} in a data set of ${items}`)
    const pixels = pixelsOf(index)
    const expected = hashes.subarray(index * hashBytes, (index + 1) * hashBytes)
    if (!itemHash(labels[index], pixels).equals(expected))
      throw new LetheError('DATA_CHANGED', { message: `item ${index} changed while the run used it` })
    return pixels
  }
  const chosen = await forgetMask(data.forget, { items, height, width, labels, pixelsOf })
  const numbers = Uint32Array.from({ length: items }, (_, index) => index)
  const forget = numbers.filter((index) => chosen[index] === 1)
  const keep = numbers.filter((index) => chosen[index] === 0)
  if (data.forget && forget.length === 0) throw new LetheError('DATA_FORGET_EMPTY', { message: 'no item of the data is in the forget set' })
  if (keep.length === 0) throw new LetheError('DATA_KEEP_EMPTY', { message: 'every item of the data is in the forget set' })
  return { items, height, width, channels, labels, manifest, manifestDigest: manifestDigest(manifest), forget, keep, read }
}

async function openSource(source: SourceOptions): Promise<Source> {
  switch (source.type) {
    case 'mnist':
      return chosenOf(await openMnist(), source)
    case 'idx':
      return chosenOf(await openIdx(source), source)
    case 'image':
      return openImage(source)
  }
}

/** Item number → its pixels, without a copy. */
function numbered(sources: readonly Source[]): (index: number) => Uint8Array {
  return (index) => {
    let local = index
    for (const { items, height, width, channels, pixels, repeats } of sources) {
      const pixelBytes = height * width * channels
      if (local < items) return repeats ? pixels : pixels.subarray(local * pixelBytes, (local + 1) * pixelBytes)
      local -= items
    }
    throw new RangeError(`no item ${index}`)
  }
}

/** One byte per item, 1 where any of the given rules chooses it. */
async function forgetMask(
  set: Job['data']['forget'],
  {
    items,
    height,
    width,
    labels,
    pixelsOf,
  }: { items: number; height: number; width: number; labels: Uint16Array; pixelsOf(index: number): Uint8Array },
): Promise<Uint8Array> {
  const mask = new Uint8Array(items)
  for (const index of set?.indices ?? []) {
    if (index >= items)
      throw new LetheError('DATA_FORGET_EMPTY', {
        message: 'an index of the forget set is not in the data',
        expected: `0 to ${items - 1}`,
        received: `${index}`,
      })
    mask[index] = 1
  }
  const forgotten = new Set(set?.labels)
  if (forgotten.size > 0)
    labels.forEach((label, index) => {
      if (forgotten.has(label)) mask[index] = 1
    })
  if (set?.file) {
    const picture = await readGreyPicture(set.file)
    if (picture.height !== height || picture.width !== width) {
      throw new LetheError('DATA_SHAPE', {
        message: 'the picture of the forget set has another size than the data',
        expected: `${width}×${height}`,
        received: `${picture.width}×${picture.height}`,
        hint: 'Give the picture in the size of the data.',
      })
    }
    for (let index = 0; index < items; index++) if (Buffer.compare(pixelsOf(index), picture.pixels) === 0) mask[index] = 1
  }
  return mask
}
