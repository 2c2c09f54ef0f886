import fc from 'fast-check'
import t from 'tap'
import { plan, type Range } from '../../../coordinator/planner.ts'
import { CentralReducer } from '../../../coordinator/reduce/central.ts'
import type { Delivered, Reduction } from '../../../coordinator/reduce/reducer.ts'
import { ShardedReducer } from '../../../coordinator/reduce/sharded.ts'
import { blockElements, blockProducts, combineInPlace, sliceBorders } from '../../../protocol/blocks.ts'
import type { Slice } from '../../../protocol/messages.ts'
import { methodOf } from '../../../protocol/methods/index.ts'
import { normals } from '../../../protocol/random.ts'
import { addInPlace, TreeSum } from '../../../protocol/tree.ts'

const channels = ['keep', 'forget']
const microBatches = 5
const step = 3
const epoch = 7
const zeros = '0'.repeat(64)

interface Setting {
  parameterCount: number
  /** Gradient of each channel and micro-batch. */
  gradients: Map<string, Float32Array[]>
}

function setting(parameterCount: number): Setting {
  const drawn = (channel: number, leaf: number) =>
    normals({ seed: 5, purpose: 'noise', step: leaf, sample: channel }, new Float32Array(parameterCount))
  return {
    parameterCount,
    gradients: new Map(channels.map((name, i) => [name, Array.from({ length: microBatches }, (_, leaf) => drawn(i, leaf))])),
  }
}

const options = (parameterCount: number, onDelivered: (part: Delivered) => void = () => {}) => ({
  parameterCount,
  microBatches,
  method: methodOf('siss'),
  methodOptions: { name: 'siss', lambda: 0.5, scalingNorm: 5, timesteps: [0, 999] },
  clipNorm: 1,
  onDelivered,
})

const bytesOf = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength)
const lossOf = (leaf: number) => 0.1 * (leaf + 1)

/** What a worker computes of its range: elements [from, to) of the sums of each channel. */
function partialsOf({ gradients }: Setting, { start, end }: Range, from: number, to: number) {
  return channels.flatMap((channel) => {
    const gradient = new TreeSum<Float32Array>(microBatches, addInPlace)
    const loss = new TreeSum<number>(microBatches, (a, b) => a + b)
    for (let leaf = start; leaf < end; leaf++) {
      gradient.put({ level: 0, index: leaf }, gradients.get(channel)?.[leaf].slice(from, to) as Float32Array)
      loss.put({ level: 0, index: leaf }, lossOf(leaf))
    }
    const losses = loss.nodes()
    return gradient.nodes().map(({ node, value }, i) => ({ channel, node, loss: losses[i].value, gradient: value }))
  })
}

async function central(one: Setting, ranges: Range[]): Promise<Reduction> {
  const reducer = new CentralReducer(options(one.parameterCount))
  const reducing = reducer.begin({ epoch, step, ranges, slices: null })
  for (const range of ranges)
    for (const partial of partialsOf(one, range, 0, one.parameterCount))
      reducer.accept({ worker: range.worker, epoch, step, ...partial, computeMs: 1 })
  return (await reducing) as Reduction
}

const termsOf = (one: Setting, range: Range) => ({
  ...range,
  epoch,
  step,
  computeMs: 1,
  terms: partialsOf(one, range, 0, 0).map(({ channel, node, loss }) => ({ channel, ...node, loss, sha256: zeros })),
})

/** The sums of a slice, as its owner makes them from the pieces of all workers. */
function sliceSums(one: Setting, ranges: readonly Range[], { start, end }: Slice): Float32Array[] {
  return channels.map((channel) => {
    const sum = new TreeSum<Float32Array>(microBatches, addInPlace)
    for (const range of ranges)
      for (const partial of partialsOf(one, range, start, end)) if (partial.channel === channel) sum.put(partial.node, partial.gradient)
    return sum.root() as Float32Array
  })
}

t.test('the bits of the central reducer, for any plan and any slices', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 * blockElements }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.nat({ max: 1000 }), { minLength: 12, maxLength: 12 }),
      async (parameterCount, computing, reducing, keys) => {
        const one = setting(parameterCount)
        const members = Array.from({ length: computing }, (_, i) => ({ worker: `w${i}`, speed: 1 + (keys[i] % 7) }))
        const ranges = plan(members, microBatches)
        const owners = Array.from({ length: reducing }, (_, i) => ({ worker: `w${i}`, weight: 1 + (keys[6 + i] % 5) }))
        const slices = sliceBorders(parameterCount, owners)
        const reducer = new ShardedReducer(options(parameterCount))
        const result = reducer.begin({ epoch, step, ranges, slices })
        const sums = slices.map((slice) => sliceSums(one, ranges, slice))
        const reports = [
          ...ranges.filter(({ start, end }) => end > start).map((range) => () => reducer.computed(termsOf(one, range))),
          ...slices.map(
            ({ worker }, i) =>
              () =>
                reducer.sliced(worker, { epoch, step, products: blockProducts(sums[i]) }),
          ),
        ]
        const order = reports.map((_, i) => i).sort((a, b) => keys[a] - keys[b])
        for (const i of order) reports[i]()
        const { coefficients, direction, ...figures } = (await result) as Reduction
        const wanted = await central(one, ranges)
        const { direction: expected, coefficients: expectedCoefficients, ...expectedFigures } = wanted
        t.strictSame({ coefficients, ...figures }, { coefficients: expectedCoefficients, ...expectedFigures })
        t.equal(direction, null)
        const factors = channels.map((channel) => coefficients[channel])
        const whole = new Float32Array(parameterCount)
        for (const [i, { start }] of slices.entries()) whole.set(combineInPlace(sums[i], factors), start)
        t.ok(bytesOf(whole).equals(bytesOf(expected as Float32Array)), 'the slices of the owners are the direction')
      },
    ),
    { numRuns: 12 },
  )
})

t.test('who may say what', async (t) => {
  const one = setting(3 * blockElements)
  const ranges = [
    { worker: 'a', start: 0, end: 4 },
    { worker: 'b', start: 4, end: 5 },
  ]
  const slices = sliceBorders(one.parameterCount, [{ worker: 'a' }, { worker: 'b' }])
  const products = slices.map((slice) => blockProducts(sliceSums(one, ranges, slice)))
  const delivered: Delivered[] = []
  const reducer = new ShardedReducer(options(one.parameterCount, (part) => delivered.push(part)))
  reducer.computed(termsOf(one, ranges[0]))
  reducer.sliced('a', { epoch, step, products: products[0] })
  t.equal(reducer.late, 3, 'before any plan')
  const older = reducer.begin({ epoch: epoch - 1, step, ranges, slices })
  const reducing = reducer.begin({ epoch, step, ranges, slices })
  t.equal(await older, null)
  reducer.computed({ ...termsOf(one, ranges[0]), epoch: epoch - 1 })
  reducer.sliced('a', { epoch: epoch - 1, step, products: products[0] })
  t.equal(reducer.late, 6, 'what belongs to an older epoch is counted and dropped')

  const refused = { code: 'CONNECTION_FRAME' }
  t.throws(() => reducer.computed({ ...termsOf(one, ranges[0]), worker: 'b' }), refused, 'another range')
  t.throws(() => reducer.computed({ ...termsOf(one, ranges[0]), worker: 'stranger' }), refused)
  t.throws(() => reducer.sliced('stranger', { epoch, step, products: products[0] }), refused)
  t.throws(() => reducer.sliced('a', { epoch, step, products: products[1].slice(1) }), refused, 'too few products')
  t.throws(() => reducer.sliced('a', { epoch, step, products: [...products[0], 0] }), refused, 'too many')
  const badLoss = termsOf(one, ranges[1])
  badLoss.terms[0].loss = Number.NaN
  t.throws(() => reducer.computed(badLoss), { code: 'COMPUTE_NOT_FINITE' })

  reducer.computed(termsOf(one, ranges[0]))
  t.throws(() => reducer.computed(termsOf(one, ranges[0])), refused, 'twice')
  t.strictSame(delivered, [{ epoch, ...ranges[0], computeMs: 1 }])
  for (const [i, { worker }] of slices.entries()) reducer.sliced(worker, { epoch, step, products: products[i] })
  let isOver = false
  void reducing.then(() => {
    isOver = true
  })
  await new Promise(setImmediate)
  t.notOk(isOver, 'every slice is summed, but a loss is missing')
  reducer.computed(termsOf(one, ranges[1]))
  t.ok(await reducing)
})

t.test('products that are not finite end in an error', async (t) => {
  const one = setting(10)
  const range = { worker: 'a', start: 0, end: microBatches }
  const reducer = new ShardedReducer(options(10))
  const reducing = reducer.begin({ epoch, step, ranges: [range], slices: [{ worker: 'a', start: 0, end: 10 }] })
  reducer.computed(termsOf(one, range))
  reducer.sliced('a', { epoch, step, products: [Number.POSITIVE_INFINITY, 0, 1] })
  await t.rejects(reducing, { code: 'COMPUTE_NOT_FINITE' })
})

t.test('help for a late worker: the first answer counts', async (t) => {
  const one = setting(20)
  const ranges = [
    { worker: 'a', start: 0, end: 4 },
    { worker: 'b', start: 4, end: 5 },
  ]
  const slices = [{ worker: 'a', start: 0, end: 20 }]
  const reducer = new ShardedReducer(options(20))
  const reducing = reducer.begin({ epoch, step, ranges, slices })
  reducer.assist(epoch, [{ worker: 'a', start: 4, end: 5 }])
  reducer.computed(termsOf(one, ranges[0]))
  reducer.computed({ ...termsOf(one, ranges[1]), worker: 'a' })
  reducer.computed({ ...termsOf(one, ranges[1]), computeMs: 999 })
  t.equal(reducer.late, channels.length, 'the late worker is not at fault')
  reducer.sliced('a', { epoch, step, products: blockProducts(sliceSums(one, ranges, slices[0])) })
  const { losses } = (await reducing) as Reduction
  t.strictSame(losses, (await central(one, ranges)).losses)
})
