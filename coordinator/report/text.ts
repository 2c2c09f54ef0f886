import type { RunReport } from '../../protocol/report.ts'

/* Numbers and text as a reader sees them. */

/** Training says nothing about forgetting: there the images of the forget set are only looked for. */
export function imageName(kind: RunReport['kind']): string {
  return kind === 'train' ? 'watched image' : 'forgotten image'
}

export const notFinite = 'not finite'

/** By how many digits of its SHA-256 the network of a feature space is named. */
export const namedDigits = 12

/** Text that cannot become markup, in elements and in attributes. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)
}

export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '\u202f')
}

export function percent(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`
}

export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${(ms / 1000).toFixed(1)} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** Four significant digits, with an exponent only where it is needed. */
export function significant(value: number): string {
  if (value === 0) return '0'
  return Math.abs(value) >= 1e-3 && Math.abs(value) < 1e6 ? String(Number(value.toPrecision(4))) : value.toExponential(3)
}
