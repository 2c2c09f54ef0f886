import { normalQuantile } from './quantiles.ts'

/** Wilson score interval of a share, 95 % (Wilson 1927): sensible at 0 hits too, where the plain interval has no width. */
export function wilsonInterval(hits: number, samples: number): [number, number] {
  const z = normalQuantile
  const share = hits / samples
  const scale = 1 + z ** 2 / samples
  const centre = (share + z ** 2 / (2 * samples)) / scale
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / samples + z ** 2 / (4 * samples ** 2))
  return [hits === 0 ? 0 : Math.max(0, centre - half), hits === samples ? 1 : Math.min(1, centre + half)]
}
