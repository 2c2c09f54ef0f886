import fc from 'fast-check'
import t from 'tap'
import type { Range } from '../../../coordinator/planner.ts'
import { CentralReducer } from '../../../coordinator/reduce/central.ts'
import type { Delivered, Reduction } from '../../../coordinator/reduce/reducer.ts'
import { methodOf } from '../../../protocol/methods/index.ts'
import { normals } from '../../../protocol/random.ts'
import { addInPlace, dot, subtrees, TreeSum } from '../../../protocol/tree.ts'

const parameterCount = 64
const clipNorm = 1
const siss = { name: 'siss', lambda: 0.5, scalingNorm: 5, timesteps: [0, 999] }

function gradientOf(channel: string, leaf: number, count = parameterCount): Float32Array {
  return normals({ seed: 3, purpose: 'noise', step: leaf, sample: channel === 'keep' ? 0 : 1 }, new Float32Array(count))
}

const reducer = (microBatches: number, method: 'siss' | 'naive' = 'siss', onDelivered: (part: Delivered) => void = () => {}) =>
  new CentralReducer({ parameterCount, microBatches, method: methodOf(method), methodOptions: siss, clipNorm, onDelivered })

/** The partials of one worker, as its tree adds them. */
function partialsOf({ worker, start, end }: Range, microBatches: number, channels: readonly string[] = ['keep', 'forget']) {
  return channels.flatMap((channel) => {
    const gradient = new TreeSum(microBatches, addInPlace)
    const loss = new TreeSum<number>(microBatches, (a, b) => a + b)
    for (let leaf = start; leaf < end; leaf++) {
      gradient.put({ level: 0, index: leaf }, gradientOf(channel, leaf))
      loss.put({ level: 0, index: leaf }, 0.1 * (leaf + 1))
    }
    const losses = loss.nodes()
    return gradient
      .nodes()
      .map(({ node, value }, i) => ({ worker, epoch: 1, step: 0, channel, node, loss: losses[i].value, gradient: value, computeMs: 1 }))
  })
}

async function reduce(cuts: number[], microBatches: number, order: (count: number) => number[]): Promise<Reduction> {
  const borders = [0, ...cuts, microBatches]
  const ranges = borders.slice(1).map((end, i) => ({ worker: `w${i}`, start: borders[i], end }))
  const one = reducer(microBatches)
  const reducing = one.begin({ epoch: 1, step: 0, ranges, slices: null })
  const partials = ranges.flatMap((range) => partialsOf(range, microBatches))
  for (const i of order(partials.length)) one.accept(partials[i])
  return (await reducing) as Reduction
}

const inOrder = (count: number) => Array.from({ length: count }, (_, i) => i)

t.test('same bits for every split and every order of arrival', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc
        .integer({ min: 1, max: 20 })
        .chain((count) => fc.tuple(fc.constant(count), fc.array(fc.integer({ min: 0, max: count }), { maxLength: 4 }))),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 200, maxLength: 200 }),
      async ([count, cuts], keys) => {
        const shuffled = (length: number) => inOrder(length).sort((a, b) => keys[a] - keys[b])
        const alone = await reduce([], count, inOrder)
        const split = await reduce(
          cuts.sort((a, b) => a - b),
          count,
          shuffled,
        )
        t.strictSame(split.direction, alone.direction)
        t.strictSame(split.losses, alone.losses)
        t.strictSame(split.norms, alone.norms)
      },
    ),
    { numRuns: 40 },
  )
})

t.test('the direction is g_keep - 5 ĝ_forget, clipped as PyTorch does', async (t) => {
  const { direction, norms, updateNorm, losses } = await reduce([3], 6, inOrder)
  const sum = (channel: string) =>
    inOrder(6).reduce<Float32Array>((total, leaf) => addInPlace(total, gradientOf(channel, leaf)), new Float32Array(parameterCount))
  const [keep, forget] = [sum('keep'), sum('forget')]
  const factor = 5 / Math.sqrt(dot(forget, forget))
  const wanted = keep.map((value, i) => value - factor * forget[i])
  const norm = Math.sqrt(dot(wanted, wanted))
  const close = (a: number, b: number) => t.ok(Math.abs(a - b) <= 1e-5 * Math.abs(b) + 1e-7, `${a} is near ${b}`)
  close(updateNorm, norm)
  close(norms.keep, Math.sqrt(dot(keep, keep)))
  close(losses.keep, 2.1)
  const scale = Math.min(1, clipNorm / (norm + 1e-6))
  for (let i = 0; i < parameterCount; i += 7) close(direction?.[i] ?? Number.NaN, scale * wanted[i])
})

t.test('fencing', async (t) => {
  const delivered: Delivered[] = []
  const one = reducer(4, 'siss', (part) => delivered.push(part))
  const ranges = [
    { worker: 'a', start: 0, end: 2 },
    { worker: 'b', start: 2, end: 4 },
  ]
  const [fromA] = partialsOf(ranges[0], 4)
  t.notOk(one.accept(fromA), 'before any plan')
  const first = one.begin({ epoch: 1, step: 0, ranges, slices: null })
  t.ok(one.accept(fromA))
  const second = one.begin({ epoch: 2, step: 0, ranges, slices: null })
  t.equal(await first, null, 'the older epoch ends with nothing')
  t.notOk(one.accept(partialsOf(ranges[1], 4)[0]), 'an older epoch')
  t.notOk(one.accept({ ...fromA, epoch: 2, step: 1 }), 'another step')
  t.equal(one.late, 3)
  const again = { ...partialsOf(ranges[0], 4)[0], epoch: 2 }
  t.ok(one.accept(again))
  t.strictSame(delivered, [], 'the other channel is still missing')
  const refused = { code: 'CONNECTION_FRAME' }
  t.throws(() => one.accept(again), refused, 'twice')
  t.throws(() => one.accept({ ...again, node: { level: 0, index: 0 } }), refused, 'a part of what was sent')
  t.throws(() => one.accept({ ...again, worker: 'b' }), refused, 'a range of another worker')
  t.throws(() => one.accept({ ...again, worker: 'stranger' }), refused)
  t.throws(() => one.accept({ ...again, channel: 'other' }), refused)
  for (const node of [
    { level: 9, index: 0 },
    { level: 0, index: 2 ** 40 },
    { level: 2, index: 0 },
  ])
    t.throws(() => one.accept({ ...again, channel: 'forget', node }), refused)
  t.throws(() => one.accept({ ...again, channel: 'forget', gradient: new Float32Array(3) }), refused)
  for (const range of ranges)
    for (const partial of partialsOf(range, 4).filter(({ worker, channel }) => worker === 'b' || channel === 'forget'))
      one.accept({ ...partial, epoch: 2 })
  t.strictSame(delivered, [
    { epoch: 2, ...ranges[0], computeMs: 1 },
    { epoch: 2, ...ranges[1], computeMs: 1 },
  ])
  t.ok(await second)
  t.equal(one.late, 3, 'what is refused is not late')
})

t.test('the first answer counts, whoever gives it', async (t) => {
  const ranges = [
    { worker: 'a', start: 0, end: 4 },
    { worker: 'b', start: 4, end: 8 },
  ]
  const alone = await reduce([], 8, inOrder)
  // b is late: a helps out with half of its range, c with the other half.
  const helpers = [
    { worker: 'a', start: 4, end: 6 },
    { worker: 'c', start: 6, end: 8 },
  ]
  for (const [order, late] of [
    [[helpers[0], ranges[1], helpers[1]], 2],
    [[ranges[1], helpers[0], helpers[1]], 0],
  ] as const) {
    const delivered: Delivered[] = []
    const one = reducer(8, 'siss', (part) => delivered.push(part))
    const reducing = one.begin({ epoch: 1, step: 0, ranges, slices: null })
    for (const partial of partialsOf(ranges[0], 8)) one.accept(partial)
    t.throws(() => one.accept(partialsOf(helpers[1], 8)[0]), { code: 'CONNECTION_FRAME' }, 'nobody asked c yet')
    one.assist(2, helpers)
    t.throws(() => one.accept(partialsOf(helpers[1], 8)[0]), { code: 'CONNECTION_FRAME' }, 'nor in this epoch')
    one.assist(1, helpers)
    for (const range of order) for (const partial of partialsOf(range, 8)) one.accept(partial)
    const { direction, losses, norms } = (await reducing) as Reduction
    t.strictSame(direction, alone.direction)
    t.strictSame(losses, alone.losses)
    t.strictSame(norms, alone.norms)
    t.ok(one.late >= late, `${one.late} parts came late`)
    t.ok(delivered.some(({ worker, start }) => worker === order[0].worker && start === order[0].start))
  }
})

t.test('what is not finite ends in an error', async (t) => {
  const range = { worker: 'a', start: 0, end: 1 }
  const begin = () => {
    const one = reducer(1, 'naive')
    return { one, reducing: one.begin({ epoch: 1, step: 0, ranges: [range], slices: null }), partial: partialsOf(range, 1, ['keep'])[0] }
  }
  const loss = begin()
  t.throws(() => loss.one.accept({ ...loss.partial, loss: Number.POSITIVE_INFINITY }), { code: 'COMPUTE_NOT_FINITE' })
  const gradient = begin()
  gradient.partial.gradient[5] = Number.NaN
  gradient.one.accept(gradient.partial)
  await t.rejects(gradient.reducing, { code: 'COMPUTE_NOT_FINITE', message: /channel keep .* in step 0/ })
})

t.test('long gradients are handled in slices, the loop stays awake', async (t) => {
  const count = 5 * 2 ** 20
  const method = methodOf('naive')
  const one = new CentralReducer({ parameterCount: count, microBatches: 2, method, methodOptions: {}, clipNorm, onDelivered() {} })
  const ranges = [0, 1].map((i) => ({ worker: `w${i}`, start: i, end: i + 1 }))
  const reducing = one.begin({ epoch: 1, step: 0, ranges, slices: null })
  let turns = 0
  const counting = setInterval(() => {
    turns += 1
  }, 0)
  for (const { worker, start, end } of ranges)
    for (const node of subtrees(start, end, 2))
      one.accept({ worker, epoch: 1, step: 0, channel: 'keep', node, loss: 1, gradient: new Float32Array(count).fill(1 / 3), computeMs: 1 })
  const { updateNorm } = (await reducing) as Reduction
  clearInterval(counting)
  t.ok(Math.abs(updateNorm - (2 / 3) * Math.sqrt(count)) < 1e-2)
  t.ok(turns >= 5, `${turns} turns of the loop`)
})
