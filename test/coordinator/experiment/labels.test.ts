import fc from 'fast-check'
import t from 'tap'
import { placeLabels } from '../../../coordinator/experiment/labels.ts'

const area = { left: 50, right: 760, top: 16, bottom: 380 }

t.test('a label is beside its point; on the left where the right has no room', (t) => {
  const [right, left] = placeLabels(
    [
      { x: 100, y: 100, text: 'SISS' },
      { x: 740, y: 100, text: 'NegGrad' },
    ],
    area,
  )
  t.same(right, { x: 114, y: 104, anchor: 'start', isFar: false })
  t.same(left, { x: 726, y: 104, anchor: 'end', isFar: false })
  t.end()
})

t.test('of points in one place, however many, no labels lie on each other or leave the plot', (t) => {
  // Differences of 15 that are not quite 15 as floating-point numbers: an earlier placement went round for ever.
  const point = fc.record({
    x: fc.integer({ min: 500, max: 7500 }),
    y: fc.integer({ min: 300, max: 3800 }),
    text: fc.string({ maxLength: 40 }),
  })
  fc.assert(
    fc.property(fc.array(point, { maxLength: 40 }), (points) => {
      const spread = points.map(({ x, y, text }) => ({ x: x / 10, y: y / 10, text }))
      const boxes = placeLabels(spread, area).flatMap((label, i) => {
        if (!label) return []
        const length = spread[i].text.length * 7
        const left = label.anchor === 'start' ? label.x : label.x - length
        return [{ left, right: left + length, y: label.y }]
      })
      for (const [i, a] of boxes.entries()) {
        if (a.left < area.left - 1 || a.right > area.right + 1 || a.y > area.bottom || a.y < area.top) return false
        for (const b of boxes.slice(0, i)) if (a.left < b.right && b.left < a.right && Math.abs(a.y - b.y) < 14 - 1e-9) return false
      }
      return true
    }),
  )
  const crowd = Array.from({ length: 25 }, () => ({ x: 400, y: 200, text: 'the same' }))
  const labels = placeLabels(crowd, area).filter((label) => label !== null)
  t.ok(labels.length >= 10 && labels.length < 25, `${labels.length} of 25 have room`)
  t.ok(labels.some(({ isFar }) => isFar))
  t.end()
})
