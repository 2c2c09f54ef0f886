import t from 'tap'
import { prepared, resized } from '../../../worker/extractors/preparation.ts'

const square = { height: 2, width: 2, channels: 1 }
const none = { mean: [0], std: [1] }

t.test('larger: pixel centres at half numbers, the border repeated', async (t) => {
  const out = resized(Float64Array.of(1, 2, 3, 4), [2, 2], [4, 4])
  t.same(
    [0, 1, 2, 3].map((row) => [...out.subarray(4 * row, 4 * row + 4)]),
    [
      [1, 1.25, 1.75, 2],
      [1.5, 1.75, 2.25, 2.5],
      [2.5, 2.75, 3.25, 3.5],
      [3, 3.25, 3.75, 4],
    ],
  )
  // 3 → 5: places −0.2, 0.4, 1, 1.6, 2.2 of the old axis.
  const row = [...resized(Float64Array.of(0, 10, 20), [1, 3], [1, 5])]
  t.ok(
    [0, 4, 10, 16, 20].every((value, i) => Math.abs(row[i] - value) < 1e-12),
    `${row}`,
  )
})

t.test('smaller: two neighbours and no more, for there is no antialiasing', async (t) => {
  t.same([...resized(Float64Array.of(0, 1, 2, 3), [1, 4], [1, 2])], [0.5, 2.5])
  // 6 → 2: places 1 and 4, whose neighbours have no share.
  t.same([...resized(Float64Array.of(9, 1, 9, 9, 5, 9), [1, 6], [1, 2])], [1, 5])
  t.same([...resized(Float64Array.of(7), [1, 1], [2, 3])], [7, 7, 7, 7, 7, 7])
})

t.test('pixels in [0,1], less the mean, divided by the deviation, channel by channel', async (t) => {
  const same = { channels: 1, size: [2, 2] as const, ...none }
  t.same([...prepared(Uint8Array.of(0, 255, 51, 102), square, same)], [0, 1, Math.fround(0.2), Math.fround(0.4)])
  const grey = prepared(Uint8Array.of(0, 255, 51, 102), square, { channels: 3, size: [2, 2], mean: [0, 0.5, 1], std: [1, 0.5, 2] })
  t.same([...grey], [0, 1, 0.2, 0.4, -1, 1, -0.6, -0.2, -0.5, 0, -0.4, -0.3].map(Math.fround))
  const colours = { height: 1, width: 2, channels: 3 }
  const pixels = Uint8Array.of(255, 0, 51, 0, 255, 102)
  t.same([...prepared(pixels, colours, { channels: 3, size: [1, 2], ...none })], [1, 0, 0, 1, Math.fround(0.2), Math.fround(0.4)])
  t.same([...prepared(pixels, colours, { channels: 3, size: [1, 1], ...none })], [0.5, 0.5, Math.fround(0.3)])
})
