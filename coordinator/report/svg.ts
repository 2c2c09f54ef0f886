import { significant } from './text.ts'

/** A curve of one value per step, drawn as inline SVG. Colours come from the page's CSS: class `curve <name>`. */
export interface Curve {
  /** CSS class that gives the colour. */
  name: string
  title: string
  /** [step, value], steps ascending. */
  points: readonly (readonly [step: number, value: number])[]
}

const width = 400
const height = 210
const margin = { left: 58, right: 12, top: 30, bottom: 26 }
const maxPoints = 400

/** The raw values as a faint line, and a running mean over a twentieth of the run on top of it. */
export function curveSvg({ name, title, points }: Curve): string {
  const thin = thinned(points)
  const values = thin.map(([, value]) => value)
  const ticks = niceTicks(Math.min(...values), Math.max(...values), 4)
  const [low, high] = [ticks[0], ticks[ticks.length - 1]]
  const [first, last] = [points[0][0], Math.max(points[points.length - 1][0], points[0][0] + 1)]
  const x = (step: number) => margin.left + ((step - first) / (last - first)) * (width - margin.left - margin.right)
  const y = (value: number) => height - margin.bottom - ((value - low) / (high - low)) * (height - margin.top - margin.bottom)
  const path = (line: readonly (readonly [number, number])[]) =>
    line.map(([step, value], i) => `${i ? 'L' : 'M'}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join('')

  const rows = ticks.map(
    (tick) =>
      `<line x1="${margin.left}" x2="${width - margin.right}" y1="${y(tick).toFixed(1)}" y2="${y(tick).toFixed(1)}"/><text x="${margin.left - 8}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${significant(tick)}</text>`,
  )
  const columns = niceTicks(first, last, 5).filter((step) => step >= first && step <= last && Number.isInteger(step))
  const labels = columns.map((step) => `<text x="${x(step).toFixed(1)}" y="${height - 6}" text-anchor="middle">${step}</text>`)
  return [
    `<svg class="plot" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title} over ${points.length} steps">`,
    `<text class="title" x="0" y="14">${title}</text><g class="grid">${rows.join('')}${labels.join('')}</g>`,
    `<path class="curve raw ${name}" d="${path(thin)}"/><path class="curve ${name}" d="${path(runningMean(thin))}"/></svg>`,
  ].join('')
}

/** At most `maxPoints` points: means over equal stretches of steps. */
function thinned(points: Curve['points']): [number, number][] {
  const stretch = Math.ceil(points.length / maxPoints)
  return Array.from({ length: Math.ceil(points.length / stretch) }, (_, i) => {
    const part = points.slice(i * stretch, (i + 1) * stretch)
    return [part[part.length >> 1][0], part.reduce((sum, [, value]) => sum + value, 0) / part.length]
  })
}

function runningMean(points: readonly (readonly [number, number])[]): [number, number][] {
  const reach = Math.max(1, Math.round(points.length / 40))
  return points.map(([step], i) => {
    const part = points.slice(Math.max(0, i - reach), i + reach + 1)
    return [step, part.reduce((sum, [, value]) => sum + value, 0) / part.length]
  })
}

/** Round numbers at even distances that cover low..high, about `wanted` of them. */
export function niceTicks(low: number, high: number, wanted: number): number[] {
  const span = high > low ? high - low : Math.abs(low) || 1
  const rough = span / wanted
  const power = 10 ** Math.floor(Math.log10(rough))
  const distance = power * ([1, 2, 2.5, 5].find((factor) => factor * power >= rough) ?? 10)
  const first = Math.floor(low / distance)
  const last = Math.max(Math.ceil(high / distance), first + 1)
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * distance).toPrecision(12)))
}
