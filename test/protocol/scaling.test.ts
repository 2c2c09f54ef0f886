import t from 'tap'
import { chooseReducer, costOf, evenSplit, type Link, lineShare, type StepTraffic, scalingOf } from '../../protocol/scaling.ts'

/*
 * Golden values: the tables of our study of the field, §D.2 and §D.3, for the UNet of Stable Diffusion, which were worked out by hand
 * from published sizes and 94 % of the line rate.
 */

const unet = (channels: number, gradientBytes: number, directionBytes = gradientBytes): StepTraffic => ({
  parameterCount: 859.5e6,
  channels,
  gradientBytes,
  directionBytes,
})
const line = (gigabits: number): Link => ({ bytesPerSecond: (lineShare * gigabits * 1e9) / 8, latencyMs: 0 })
const [f32, f16, int8] = [4, 2, 1 + 4 / 256]

/** So many significant digits, as the tables have them. */
const rounded = (value: number, digits: number) => Number(value.toPrecision(digits))

t.test('§D.2: bytes at the busiest point and seconds, 8 workers', async (t) => {
  const rows: [string, 'central' | 'sharded', StepTraffic, gigabytes: [number, number], seconds: [number, number, number]][] = [
    ['central, one channel, fp32', 'central', unet(1, f32), [27.5, 27.5], [47, 19, 4.7]],
    ['central, one channel, fp16', 'central', unet(1, f16), [13.8, 13.8], [23, 9.4, 2.3]],
    ['central, two channels, fp16', 'central', unet(2, f16), [27.5, 13.8], [35, 14, 3.5]],
    ['sharded, two channels, fp16', 'sharded', unet(2, f16), [4.5, 4.5], [3.8, 1.5, 0.38]],
    ['sharded, two channels, int8 up, fp16 down', 'sharded', unet(2, int8, f16), [3.0, 3.0], [2.6, 1.0, 0.26]],
  ]
  for (const [name, reducer, traffic, [inGigabytes, outGigabytes], seconds] of rows) {
    const digits = reducer === 'central' ? 3 : 2
    const { busiestInBytes, busiestOutBytes } = costOf(reducer, traffic, evenSplit(8), line(10))
    t.strictSame([rounded(busiestInBytes / 1e9, digits), rounded(busiestOutBytes / 1e9, digits)], [inGigabytes, outGigabytes], name)
    const times = [10, 25, 100].map((gigabits) => rounded(costOf(reducer, traffic, evenSplit(8), line(gigabits)).communicationMs / 1000, 2))
    t.strictSame(times, seconds, `${name}, seconds at 10, 25 and 100 Gb/s`)
  }
})

t.test('§D.2: a small network, 8 workers on 10 Gb/s', async (t) => {
  const seconds = (reducer: 'central' | 'sharded', channels: number) => {
    const traffic = { parameterCount: 35.7e6, channels, gradientBytes: 4, directionBytes: 4 }
    return rounded(costOf(reducer, traffic, evenSplit(8), line(10)).communicationMs / 1000, 2)
  }
  t.strictSame([seconds('central', 2), seconds('central', 1), seconds('sharded', 2)], [2.9, 1.9, 0.32])
})

t.test('§D.3: when it is worth it, SISS, sharded fp16', async (t) => {
  const assumed: Link = { bytesPerSecond: 3e9, latencyMs: 0 }
  const table: [computeSeconds: number, at10: number[], at100: number[]][] = [
    [2, [0.63, 0.53, 0.49], [1.08, 1.12, 1.14]],
    [8, [1.29, 1.51, 1.65], [1.65, 2.43, 3.19]],
    [16, [1.57, 2.19, 2.74], [1.81, 3.03, 4.57]],
    [30, [1.74, 2.78, 3.95], [1.89, 3.41, 5.71]],
  ]
  for (const [seconds, at10, at100] of table)
    for (const [link, expected] of [
      [line(10), at10],
      [assumed, at100],
    ] as const) {
      const found = [2, 4, 8].map((workers) => scalingOf('sharded', unet(2, f16), evenSplit(workers), link, 1000 * seconds))
      t.strictSame(
        found.map(({ speedup }) => speedup.toFixed(2)),
        expected.map((value) => value.toFixed(2)),
        `${seconds} s`,
      )
      t.strictSame(
        found.map(({ isWorthwhile }) => isWorthwhile),
        expected.map((value) => value >= 1.2),
      )
    }
})

t.test('what one worker sends and receives, by hand', async (t) => {
  const traffic: StepTraffic = { parameterCount: 12, channels: 2, gradientBytes: 4, directionBytes: 2 }
  const link: Link = { bytesPerSecond: 1000, latencyMs: 5 }
  t.same(costOf('central', traffic, { partials: [1, 2, 1], largestShare: 0.5 }, link), {
    sentBytes: 2 * 96,
    receivedBytes: 24,
    busiestInBytes: 4 * 96,
    busiestOutBytes: 3 * 24,
    communicationMs: 4 * 96 + 3 * 24 + 2 * 5,
  })
  t.same(costOf('sharded', traffic, { partials: [1, 2, 1], largestShare: 0.5 }, link), {
    // Two thirds of two partials and of a direction slice; a third of three partials that are not one's own.
    sentBytes: (2 / 3) * (2 * 96 + 24),
    receivedBytes: (3 / 3) * 96 + (2 / 3) * 24,
    busiestInBytes: 96 + 16,
    busiestOutBytes: 144,
    communicationMs: 144 + 6 * 5,
  })
  const alone = costOf('sharded', traffic, evenSplit(1), { bytesPerSecond: 1, latencyMs: 0 })
  t.same([alone.sentBytes, alone.receivedBytes, alone.communicationMs], [0, 0, 0], 'a slice for oneself does not travel')
})

t.test('a split that is not even costs time', async (t) => {
  const link: Link = { bytesPerSecond: 1e12, latencyMs: 0 }
  const { speedup } = scalingOf('central', unet(1, f32), { partials: [1, 1, 1], largestShare: 3 / 8 }, link, 1e6)
  t.ok(speedup > 2.66 && speedup < 8 / 3, 'three workers for eight micro-batches: one has three of them')
})

t.test('the choice of the reducer', async (t) => {
  t.equal(chooseReducer({ parameterCount: 1_539_329, channels: 2, workers: 2 }).reducer, 'central')
  t.equal(chooseReducer({ parameterCount: 100e6, channels: 1, workers: 64 }).reducer, 'central')
  t.match(chooseReducer({ parameterCount: 859.5e6, channels: 2, workers: 8 }), { reducer: 'sharded', reason: '860 M parameters: 55 GB' })
  t.equal(chooseReducer({ parameterCount: 859.5e6, channels: 2, workers: 1 }).reducer, 'central')
})
