/** Median, 95th percentile and maximum of measured times, in the unit of the input. */
export interface Spread {
  count: number
  median: number
  p95: number
  max: number
}

/** Null of nothing. Percentiles are of the nearest rank: each is a value that was measured. */
export function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
  return { count: sorted.length, median: rank(0.5), p95: rank(0.95), max: rank(1) }
}

/** Columns as wide as their widest cell; the first one left, the others right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const cells = (row: readonly string[]) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
  return rows.map((row) => cells(row).join('  ').trimEnd()).join('\n')
}

/** `850 ms`, `3.2 s`. */
export function inSeconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}
