import { LetheError } from '../../protocol/errors.ts'
import type { Holdout } from '../../protocol/sources.ts'
import type { Source } from './source.ts'

export interface Choice {
  holdout?: Holdout
  classes?: readonly number[]
}

/** Of a source the part that the job names, and of that the classes, in the order of the source. Throws DATA_FORMAT where nothing is left. */
export function chosenOf(source: Source, { holdout, classes }: Choice): Source {
  const part = holdout ? itemsWhere(source, (item) => (item % holdout.every === holdout.every - 1) === (holdout.part === 'test')) : source
  if (holdout && part.items === 0)
    throw new LetheError('DATA_FORMAT', {
      message: `the part ${holdout.part} of a source holds no images`,
      expected: `at least ${holdout.every} images, of which every ${holdout.every}th is for testing`,
      received: `${source.items}`,
    })
  if (!classes) return part
  const found = itemsWhere(part, (item) => classes.includes(part.labels[item]))
  if (found.items === 0)
    throw new LetheError('DATA_FORMAT', {
      message: 'a source holds no image of the classes that the job takes',
      expected: `labels ${classes.join(', ')}`,
      received: `${[...new Set(part.labels)].sort((a, b) => a - b).join(', ')}`,
    })
  return found
}

function itemsWhere(source: Source, isIn: (item: number) => boolean): Source {
  const imageBytes = source.height * source.width * source.channels
  const taken = Array.from({ length: source.items }, (_, item) => item).filter(isIn)
  const pixels = new Uint8Array(taken.length * imageBytes)
  const labels = new Uint16Array(taken.length)
  for (const [place, item] of taken.entries()) {
    pixels.set(source.pixels.subarray(item * imageBytes, (item + 1) * imageBytes), place * imageBytes)
    labels[place] = source.labels[item]
  }
  return { ...source, items: taken.length, pixels, labels }
}
