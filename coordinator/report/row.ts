import type { RunReport } from '../../protocol/report.ts'

/** One line of the before/after table, as text; '' where a phase was not measured. */
export interface Row {
  label: string
  before: string
  after: string
  change: string
  /** Whether the change is a wanted one; undefined where there is none to judge. */
  better?: boolean
}

/** The parts of a report that the table shows. */
export type Figures = Pick<
  RunReport,
  'kind' | 'forget' | 'keep' | 'accuracy' | 'samples' | 'extractors' | 'likelihood' | 'membership' | 'distance' | 'attack'
>

type Measure<Key extends 'forget' | 'keep' | 'accuracy' | 'samples' | 'likelihood'> = Figures[Key]['after']

/** Those of one phase. */
export interface Measures {
  kind: RunReport['kind']
  forget: Measure<'forget'>
  keep: Measure<'keep'>
  accuracy: Measure<'accuracy'>
  samples: Measure<'samples'>
  likelihood: Measure<'likelihood'>
}

export interface Metric {
  label(measures: Measures): string
  isMeasured(measures: Measures): boolean
  /** Null where it is not finite, or not measured. */
  value(measures: Measures): number | null | undefined
  /** Of a value that is finite. */
  text(measures: Measures): string
  change(before: number, after: number): string
  better(before: number, after: number): boolean | undefined
}

export const lessIsBetter = (before: number, after: number) => (before === after ? undefined : after < before)
export const moreIsBetter = (before: number, after: number) => (before === after ? undefined : after > before)

/** `3.1 (2.8 to 3.4)`, the number alone where there is no interval. */
export function withInterval(
  value: number,
  interval: readonly [number, number] | null | undefined,
  text: (value: number) => string,
): string {
  return interval ? `${text(value)} (${text(interval[0])} to ${text(interval[1])})` : text(value)
}

/** `97.52 % (97.20 to 97.81 %)`. */
export function shareWithInterval(share: number, [low, high]: readonly [number, number], digits: number): string {
  const [middle, from, to] = [share, low, high].map((value) => (100 * value).toFixed(digits))
  return `${middle} % (${from} to ${to} %)`
}

export function signed(value: number, digits: number): string {
  const size = Math.abs(value).toFixed(digits)
  if (Number(size) === 0) return '±0'
  return `${value < 0 ? '−' : '+'}${size}`
}

/** Of shares. */
export const pointsOf = (before: number, after: number, digits: number) => {
  const change = signed(100 * (after - before), digits)
  return change === '±0' ? change : `${change} points`
}
