import { LetheError } from '../../protocol/errors.ts'
import { partItems } from '../../protocol/items.ts'
import type { Holdout } from '../../protocol/job.ts'
import type { Source } from './source.ts'

/** The part of a source that the job names, in the order of the source. Throws DATA_FORMAT where it is empty. */
export function heldOut(source: Source, holdout: Holdout | undefined): Source {
  if (!holdout) return source
  const { every, part } = holdout
  const items = partItems(source.items, holdout)
  if (items === 0)
    throw new LetheError('DATA_FORMAT', {
      message: `the part ${part} of a source holds no images`,
      expected: `at least ${every} images, of which every ${every}th is for testing`,
      received: `${source.items}`,
    })
  const imageBytes = source.height * source.width * source.channels
  const pixels = new Uint8Array(items * imageBytes)
  const labels = new Uint16Array(items)
  let taken = 0
  for (let item = 0; item < source.items; item++) {
    if ((item % every === every - 1) !== (part === 'test')) continue
    pixels.set(source.pixels.subarray(item * imageBytes, (item + 1) * imageBytes), taken * imageBytes)
    labels[taken] = source.labels[item]
    taken += 1
  }
  return { ...source, items, pixels, labels }
}
