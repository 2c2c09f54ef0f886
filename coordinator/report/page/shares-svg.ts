import { escaped } from '../text.ts'

interface Share {
  share: number
  /** Wilson, 95 %. */
  interval: readonly [number, number]
}

/** One class: a dot with whiskers for each phase that was measured. */
export interface ShareRow {
  label: string
  isForgotten: boolean
  before?: Share
  after?: Share
}

const width = 400
const rowHeight = 26
const margin = { left: 96, right: 28, top: 30, bottom: 26 }
const ticks = [0, 0.25, 0.5, 0.75, 1]

/** Shares by class as a dot plot, before hollow and after filled. Colours come from the page's CSS. */
export function sharesSvg(title: string, rows: readonly ShareRow[]): string {
  const height = margin.top + rows.length * rowHeight + margin.bottom
  const x = (share: number) => margin.left + share * (width - margin.left - margin.right)
  const grid = ticks.map(
    (tick) =>
      `<line x1="${x(tick)}" x2="${x(tick)}" y1="${margin.top}" y2="${height - margin.bottom}"/><text x="${x(tick)}" y="${height - 6}" text-anchor="middle">${100 * tick} %</text>`,
  )
  const dot = (share: Share | undefined, y: number, name: string) =>
    share === undefined
      ? ''
      : `<g class="dot ${name}"><line x1="${x(share.interval[0]).toFixed(1)}" x2="${x(share.interval[1]).toFixed(1)}" y1="${y}" y2="${y}"/><circle cx="${x(share.share).toFixed(1)}" cy="${y}" r="4"/></g>`
  const lines = rows.map(({ label, isForgotten, before, after }, i) => {
    const middle = margin.top + (i + 0.5) * rowHeight
    const colour = isForgotten ? 'forget' : 'keep'
    return `<text x="0" y="${middle + 4}">${escaped(label)}</text>${dot(before, middle - 5, `before ${colour}`)}${dot(after, middle + 5, `after ${colour}`)}`
  })
  return `<svg class="plot" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}"><text class="title" x="0" y="14">${escaped(title)}</text><g class="grid">${grid.join('')}</g>${lines.join('')}</svg>`
}
