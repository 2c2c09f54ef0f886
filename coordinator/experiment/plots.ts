import type { AttackArm, ExperimentAttack, ExperimentReport } from '../../protocol/experiment/report.ts'
import { niceTicks } from '../report/svg.ts'
import { escaped, significant } from '../report/text.ts'
import { type Label, placeLabels } from './labels.ts'

/* Plots as inline SVG; colours come from the CSS of the page. */

const width = 400
const height = 220
const margin = { left: 52, right: 14, top: 30, bottom: 38 }

type Scale = (value: number) => number

/** From low..high to the left..right or bottom..top of a plot. */
function scales([xLow, xHigh]: readonly number[], [yLow, yHigh]: readonly number[], size = { width, height }): { x: Scale; y: Scale } {
  const across = size.width - margin.left - margin.right
  const up = size.height - margin.top - margin.bottom
  return {
    x: (value) => round(margin.left + ((value - xLow) / (xHigh - xLow)) * across),
    y: (value) => round(size.height - margin.bottom - ((value - yLow) / (yHigh - yLow)) * up),
  }
}

const round = (value: number) => Number(value.toFixed(1))

/** The recovery curve of one line with its band, over the curves of its controls. */
export function recoverySvg(title: string, attack: ExperimentAttack): string {
  const arms = [attack.controls.original, attack.controls.retrained, attack].filter((arm) => arm !== null)
  const last = Math.max(1, ...arms.flatMap(({ curve }) => curve.map(({ step }) => step)))
  const { x, y } = scales([0, last], [0, 1])
  const line = (name: string, { curve }: AttackArm) =>
    `<path class="arm ${name}" d="${curve.map(({ step, share }, i) => `${i ? 'L' : 'M'}${x(step)} ${y(share)}`).join('')}"/>`
  const dots = attack.curve.map(({ step, share }) => `<circle class="arm own" cx="${x(step)}" cy="${y(share)}" r="2.6"/>`)
  const edge = [...attack.curve.map(({ step, high }) => [step, high]), ...attack.curve.toReversed().map(({ step, low }) => [step, low])]
  const outline = edge.map(([step, share], i) => `${i ? 'L' : 'M'}${x(step)} ${y(share)}`).join('')
  const band = edge.length > 0 ? `<path class="band" d="${outline}Z"/>` : ''
  return [
    `<svg class="plot" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(`${title}: share that is back, over ${last} steps of an attack on ${attack.name}`)}">`,
    `<text class="title" x="0" y="14">${escaped(title)}</text>`,
    axes({ x, y, columns: niceTicks(0, last, 5).filter((tick) => tick <= last), rows: [0, 0.25, 0.5, 0.75, 1], isShare: true }),
    `<text x="${width - margin.right}" y="${height - 2}" text-anchor="end">steps of the attack</text>`,
    band,
    attack.controls.original ? line('original', attack.controls.original) : '',
    attack.controls.retrained ? line('retrained', attack.controls.retrained) : '',
    line('own', attack),
    dots.join(''),
    '</svg>',
  ].join('')
}

interface Axes {
  x: Scale
  y: Scale
  columns: readonly number[]
  rows: readonly number[]
  isShare?: boolean
  bottom?: number
  right?: number
}

function axes({ x, y, columns, rows, isShare, bottom = height, right = width }: Axes): string {
  const text = (value: number) => (isShare ? `${100 * value} %` : significant(value))
  const lines = rows.map(
    (tick) =>
      `<line x1="${margin.left}" x2="${right - margin.right}" y1="${y(tick)}" y2="${y(tick)}"/><text x="${margin.left - 8}" y="${y(tick) + 4}" text-anchor="end">${text(tick)}</text>`,
  )
  const labels = columns.map(
    (tick) => `<text x="${x(tick)}" y="${bottom - margin.bottom + 16}" text-anchor="middle">${significant(tick)}</text>`,
  )
  return `<g class="grid">${lines.join('')}${labels.join('')}</g>`
}

const wide = { width: 760, height: 420 }

/** Forgetting across, quality up, robustness as colour; rows on the Pareto front have a ring. Empty with fewer than two axes or rows. */
export function scatterSvg({ comparison: { axes: chosen, values, front }, rows }: ExperimentReport): string {
  const [across, up] = chosen
  const points = rows.flatMap(({ title }, i) => {
    const [first, second, third = null] = values[i]
    const isKnown = first != null && second != null
    return isKnown ? [{ title, first, second, third, isFront: front.includes(i) }] : []
  })
  // Names of the front first, where not all have room.
  points.sort((a, b) => Number(b.isFront) - Number(a.isFront))
  if (!across || !up || across.of === 'robustness' || up.of === 'robustness' || points.length < 2) return ''
  const xTicks = niceTicks(Math.min(...points.map(({ first }) => first)), Math.max(...points.map(({ first }) => first)), 6)
  const yTicks = niceTicks(Math.min(...points.map(({ second }) => second)), Math.max(...points.map(({ second }) => second)), 6)
  const { x, y } = scales([xTicks[0], xTicks[xTicks.length - 1]], [yTicks[0], yTicks[yTicks.length - 1]], wide)
  const direction = (goal: string) => (goal === 'maximise' ? 'higher is better' : 'lower is better')
  const area = { left: margin.left, right: wide.width, top: margin.top - 14, bottom: wide.height - margin.bottom }
  const labels = placeLabels(
    points.map(({ title, first, second }) => ({ x: x(first), y: y(second), text: title })),
    area,
  )
  const marks = points.map(({ title, first, second, third, isFront }, i) => {
    const [cx, cy] = [x(first), y(second)]
    const ring = isFront ? `<circle class="front" cx="${cx}" cy="${cy}" r="11"/>` : ''
    const fill = third === null ? ' class="unknown"' : ` fill="${shade(third)}"`
    return `${ring}<circle cx="${cx}" cy="${cy}" r="7"${fill}><title>${escaped(title)}</title></circle>${labelSvg(labels[i], { title, cx, cy })}`
  })
  return [
    `<svg class="plot scatter" viewBox="0 0 ${wide.width} ${wide.height}" role="img" aria-label="${escaped(`${across.label} against ${up.label}`)}">`,
    axes({ x, y, columns: xTicks, rows: yTicks, bottom: wide.height, right: wide.width }),
    `<text class="title" x="0" y="14">${escaped(`${up.label} (${direction(up.goal)})`)}</text>`,
    `<text class="title" x="${wide.width - margin.right}" y="${wide.height - 4}" text-anchor="end">${escaped(`${across.label} (${direction(across.goal)})`)}</text>`,
    marks.join(''),
    '</svg>',
  ].join('')
}

function labelSvg(label: Label | null, { title, cx, cy }: { title: string; cx: number; cy: number }): string {
  if (!label) return ''
  const line = label.isFar ? `<line class="leader" x1="${cx}" y1="${cy}" x2="${label.x}" y2="${label.y - 4}"/>` : ''
  return `${line}<text class="label" x="${label.x}" y="${label.y}" text-anchor="${label.anchor}">${escaped(title)}</text>`
}

/** From green, where nothing comes back, to red. */
export function shade(share: number): string {
  const at = Math.min(1, Math.max(0, share))
  return `hsl(${Math.round(140 * (1 - at))} 65% 45%)`
}
