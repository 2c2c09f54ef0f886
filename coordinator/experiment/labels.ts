/* Where the names of the points of a plot go, so that they can be read. */

interface Box {
  left: number
  right: number
  top: number
  bottom: number
}

export interface Label {
  x: number
  y: number
  /** Which end of the text is at x. */
  anchor: 'start' | 'end'
  /** Whether the text is so far from its point that a line has to join them. */
  isFar: boolean
}

const lineHeight = 15
/** Of the 13 px sans-serif of the page, on the wide side. */
const characterWidth = 7.2
const gap = 14

/**
 * A place for the text of each point: beside it, or a few lines above or below, on no other text or point and inside the area. Null where
 * there is none: the point then has its name in the table and as a tooltip.
 */
export function placeLabels(points: readonly { x: number; y: number; text: string }[], area: Box): (Label | null)[] {
  const taken: Box[] = points.map(({ x, y }) => ({ left: x - 8, right: x + 8, top: y - 8, bottom: y + 8 }))
  const lines = [0, 1, -1, 2, -2, 3, -3, 4, -4]
  return points.map(({ x, y, text }) => {
    for (const line of lines)
      for (const anchor of ['start', 'end'] as const) {
        const at = { x: tenth(anchor === 'start' ? x + gap : x - gap), y: tenth(y + 4 + line * lineHeight) }
        const length = text.length * characterWidth
        const left = anchor === 'start' ? at.x : at.x - length
        const box = { left, right: left + length, top: at.y - 11, bottom: at.y + 3 }
        if (!isInside(box, area) || taken.some((other) => overlap(box, other))) continue
        taken.push(box)
        return { ...at, anchor, isFar: Math.abs(line) > 1 }
      }
    return null
  })
}

const tenth = (value: number) => Math.round(10 * value) / 10

const isInside = (box: Box, area: Box) =>
  box.left >= area.left && box.right <= area.right && box.top >= area.top && box.bottom <= area.bottom

const overlap = (a: Box, b: Box) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
