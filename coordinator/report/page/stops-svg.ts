import { niceTicks } from '../svg.ts'
import { escaped } from '../text.ts'

/** Values at the stops of a run. */
export interface Series {
  /** CSS class that gives the colour. */
  name: string
  label: string
  /** Steps ascending; the interval is drawn as a whisker. */
  points: readonly { step: number; value: number; interval?: readonly [number, number] }[]
}

const width = 400
const height = 230
const margin = { left: 52, right: 16, top: 46, bottom: 26 }

/** Lines with a dot at each stop, as inline SVG. `top` is the upper end of the scale where the values do not give it. */
export function stopsSvg(title: string, series: readonly Series[], { top, text }: { top?: number; text(value: number): string }): string {
  const points = series.flatMap((one) => one.points)
  const [first, last] = [Math.min(...points.map(({ step }) => step)), Math.max(...points.map(({ step }) => step))]
  const rows = niceTicks(0, top ?? Math.max(...points.map(({ value }) => value)), 4)
  const highest = rows[rows.length - 1]
  const x = (step: number) => margin.left + ((step - first) / Math.max(1, last - first)) * (width - margin.left - margin.right)
  const y = (value: number) => height - margin.bottom - (value / highest) * (height - margin.top - margin.bottom)
  const grid = rows.map(
    (tick) =>
      `<line x1="${margin.left}" x2="${width - margin.right}" y1="${y(tick).toFixed(1)}" y2="${y(tick).toFixed(1)}"/><text x="${margin.left - 8}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${escaped(text(tick))}</text>`,
  )
  const steps = niceTicks(first, last, 5).filter((step) => step >= first && step <= last && Number.isInteger(step))
  const columns = steps.map((step) => `<text x="${x(step).toFixed(1)}" y="${height - 6}" text-anchor="middle">${step}</text>`)
  const legend = series.map(
    ({ name, label }, i) => `<text class="legend ${name}" x="${margin.left + i * 170}" y="34">${escaped(`● ${label}`)}</text>`,
  )
  const lines = series.map(({ name, points }) => {
    const path = points.map(({ step, value }, i) => `${i ? 'L' : 'M'}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join('')
    const dots = points.map(({ step, value, interval }) => {
      const [cx, cy] = [x(step).toFixed(1), y(value).toFixed(1)]
      const whisker = interval && `<line x1="${cx}" x2="${cx}" y1="${y(interval[0]).toFixed(1)}" y2="${y(interval[1]).toFixed(1)}"/>`
      return `${whisker ?? ''}<circle cx="${cx}" cy="${cy}" r="3.5"/>`
    })
    return `<path class="curve ${name}" d="${path}"/><g class="dot after ${name}">${dots.join('')}</g>`
  })
  return `<svg class="plot" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}"><text class="title" x="0" y="14">${escaped(title)}</text>${legend.join('')}<g class="grid">${grid.join('')}${columns.join('')}</g>${lines.join('')}</svg>`
}
