import type { Cell, Reading } from '../../protocol/experiment/report.ts'
import { intervalOfMean, mean } from '../measures/means.ts'
import { wilsonInterval } from '../measures/wilson.ts'
import type { Figure } from './columns.ts'

/** What the jobs of one line say, one figure a seed. */
export type Figures = readonly { seed: string; job: string; figure: Figure }[]

/** What a quantity can be: Student's t knows no such ends. */
export interface Range {
  least?: number
  most?: number
}

/**
 * Shares are pooled over seeds. Their interval is the wider of Wilson's, which knows nothing of the spread between seeds, and Student's t over
 * the shares of the seeds, which knows little of it where they are few. Other numbers are averaged, with Student's t over seeds (n − 1
 * degrees of freedom); the interval of a single seed is its own.
 */
export function cellOf(figures: Figures, range: Range = {}): Cell {
  const readings = figures.map(readingOf)
  const isShare = figures.length > 0 && figures.every(({ figure }) => 'part' in figure)
  const cell = isShare ? pooled(readings) : averaged(readings, figures)
  const { least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = range
  return { ...cell, interval: cell.interval && [Math.max(least, cell.interval[0]), Math.min(most, cell.interval[1])] }
}

function readingOf({ seed, job, figure }: Figures[number]): Reading {
  if (!('part' in figure)) return { seed, job, value: figure.value, part: null, samples: figure.samples }
  const { part, samples } = figure
  return { seed, job, value: samples > 0 && part !== null ? part / samples : null, part, samples }
}

function pooled(readings: Reading[]): Cell {
  const shape = { reduction: 'pooled over seeds', readings } as const
  const shares = readings.flatMap(({ value }) => value ?? [])
  // The share of the seeds that have not diverged would flatter.
  if (shares.length < readings.length) return { ...shape, value: null, interval: null, intervalKind: null }
  const sum = (of: (one: Reading) => number | null) => readings.reduce((total, one) => total + (of(one) ?? 0), 0)
  const [part, samples] = [sum((one) => one.part), sum((one) => one.samples)]
  const wilson = wilsonInterval(part, samples)
  const student = intervalOfMean(shares)?.map((end) => Math.min(1, Math.max(0, end))) as [number, number] | undefined
  const isStudent = student !== undefined && widthOf(student) > widthOf(wilson)
  return { ...shape, value: part / samples, interval: isStudent ? student : wilson, intervalKind: isStudent ? 'student' : 'wilson' }
}

const widthOf = ([low, high]: readonly [number, number]) => high - low

function averaged(readings: Reading[], figures: Figures): Cell {
  const known = readings.flatMap(({ value }) => value ?? [])
  // A mean over the seeds that have not diverged would flatter.
  const value = known.length > 0 && known.length === readings.length ? mean(known) : null
  const shape = { value, reduction: 'mean over seeds', readings } as const
  if (value !== null && known.length > 1) return { ...shape, interval: intervalOfMean(known), intervalKind: 'student' }
  const [{ figure }] = figures
  const spread = value === null || 'part' in figure ? null : figure.spread
  return { ...shape, interval: spread?.interval ?? null, intervalKind: spread?.kind ?? null }
}
