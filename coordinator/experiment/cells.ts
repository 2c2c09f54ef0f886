import type { Cell, Reading } from '../../protocol/experiment/report.ts'
import { bootstrapInterval } from '../measures/intervals.ts'
import { wilsonInterval } from '../measures/wilson.ts'
import type { Figure } from './columns.ts'

/** What the jobs of one line say, one figure a seed. */
export type Figures = readonly { seed: string; job: string; figure: Figure }[]

/** Fixed: the same runs give the same table. */
const bootstrapSeed = 0
const normalQuantile = 1.959963984540054

/**
 * Shares are pooled over seeds, with Wilson's interval. Other numbers are averaged; their interval is the bootstrap over seeds, or what
 * the standard error of the only one says.
 */
export async function cellOf(figures: Figures): Promise<Cell> {
  const readings = figures.map(readingOf)
  const isShare = figures.length > 0 && figures.every(({ figure }) => 'part' in figure)
  return isShare ? pooled(readings) : averaged(readings, figures)
}

function readingOf({ seed, job, figure }: Figures[number]): Reading {
  if (!('part' in figure)) return { seed, job, value: figure.value, part: null, samples: figure.samples }
  const { part, samples } = figure
  return { seed, job, value: samples > 0 && part !== null ? part / samples : null, part, samples }
}

function pooled(readings: Reading[]): Cell {
  const sum = (of: (one: Reading) => number | null) => readings.reduce((total, one) => total + (of(one) ?? 0), 0)
  const [part, samples] = [sum((one) => one.part), sum((one) => one.samples)]
  // The share of the seeds that have not diverged would flatter.
  if (readings.some(({ value }) => value === null))
    return { value: null, interval: null, reduction: 'pooled over seeds', intervalKind: null, readings }
  return {
    value: samples > 0 ? part / samples : null,
    interval: samples > 0 ? wilsonInterval(part, samples) : null,
    reduction: 'pooled over seeds',
    intervalKind: samples > 0 ? 'wilson' : null,
    readings,
  }
}

async function averaged(readings: Reading[], figures: Figures): Promise<Cell> {
  const values = readings.map(({ value }) => value)
  const known = values.filter((value) => value !== null)
  // A mean over the seeds that have not diverged would flatter.
  const value = known.length > 0 && known.length === values.length ? mean(known) : null
  const shape = { value, reduction: 'mean over seeds', readings } as const
  if (value === null) return { ...shape, interval: null, intervalKind: null }
  if (known.length > 1) {
    const resampled = (sampled: Uint32Array) => sampled.reduce((sum, i) => sum + known[i], 0) / sampled.length
    return { ...shape, interval: await bootstrapInterval(known.length, resampled, { seed: bootstrapSeed }), intervalKind: 'bootstrap' }
  }
  const [{ figure }] = figures
  const error = 'part' in figure ? null : figure.standardError
  if (error == null) return { ...shape, interval: null, intervalKind: null }
  return { ...shape, interval: [value - normalQuantile * error, value + normalQuantile * error], intervalKind: 'normal' }
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
