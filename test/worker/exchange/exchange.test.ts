import fc from 'fast-check'
import t from 'tap'
import { blockElements, chunkElements } from '../../../protocol/blocks.ts'
import { sha256 } from '../../../protocol/digest.ts'
import type { MeshMessage } from '../../../protocol/messages.ts'
import { Exchange } from '../../../worker/exchange/exchange.ts'
import { Circle, central, noise, partialsOf, runId, type Setting, transferOf } from '../../support/exchange-circle.ts'

const figures = { losses: {}, norms: {}, updateNorm: 0 }
const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
const refused = { code: 'CONNECTION_FRAME' }

const settings = fc
  .record({
    length: fc.integer({ min: 1, max: 4 * blockElements }),
    channels: fc.integer({ min: 1, max: 3 }),
    microBatches: fc.integer({ min: 1, max: 6 }),
  })
  .chain(({ length, channels, microBatches }) =>
    fc.record({
      parameterCount: fc.constant(length),
      channels: fc.constant(channels),
      microBatches: fc.constant(microBatches),
      cuts: fc.array(fc.integer({ min: 0, max: microBatches }), { maxLength: 4 }),
      keys: fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
    }),
  )

t.test('any workers, plan and order of arrival give the bits of the central reducer', async (t) => {
  await fc.assert(
    fc.asyncProperty(settings, async ({ keys, ...rest }) => {
      const setting: Setting = { ...rest, random: () => keys.next().value as number }
      const whole = await central({ ...setting, cuts: [] })
      const circle = new Circle(setting)
      circle.onSend = (_from, _to) => (setting.random && setting.random() < 0.1 ? 'twice' : 'once')
      const { reduction, directions } = await circle.step()
      t.strictSame(reduction.coefficients, whole.coefficients)
      t.equal(reduction.updateNorm, whole.updateNorm)
      t.strictSame(reduction.norms, whole.norms)
      const digest = sha256(bytesOf(whole.direction as Float32Array))
      for (const direction of directions) t.equal(sha256(bytesOf(direction)), digest)
      t.strictSame(
        [...circle.gathered.values()],
        circle.workers.map(() => digest),
      )
      t.strictSame(circle.errors, [])
    }),
    { numRuns: 40 },
  )
})

t.test('slices of several chunks; the loop stays awake; bytes are those of the arithmetic', async (t) => {
  const parameterCount = 3 * chunkElements + 5 * blockElements + 12345
  const setting = { parameterCount, channels: 2, microBatches: 2, cuts: [1] }
  const whole = await central(setting)
  let longest = 0
  let last = performance.now()
  const ticking = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 1)
  const circle = new Circle(setting)
  const partials = [partialsOf(setting, 0, 1), partialsOf(setting, 1, 2)]
  for (const exchange of circle.exchanges.values()) exchange.begin(1, 0, circle.slices)
  last = performance.now()
  longest = 0
  await Promise.all(circle.workers.map((worker, i) => circle.exchange(worker).contribute(partials[i])))
  clearInterval(ticking)
  t.ok(longest < 250, `${longest.toFixed(0)} ms without a turn`)
  const again = new Circle(setting)
  const { directions } = await again.step()
  for (const direction of directions) t.ok(Buffer.from(bytesOf(direction)).equals(bytesOf(whole.direction as Float32Array)))
  // (N-1)/N · P for each channel and for the direction, from each of two workers.
  t.equal(again.sentBytes, 4 * parameterCount * (2 + 1))
})

t.test('bf16: half the bytes, the same direction everywhere, near the exact one, and nearer on average', async (t) => {
  const setting: Setting = { parameterCount: 3 * blockElements + 100, channels: 2, microBatches: 3, cuts: [1, 2], encoding: 'bf16' }
  const exact = await central(setting)
  const circle = new Circle(setting)
  const steps = 12
  const means = new Float64Array(setting.parameterCount)
  let firstError = 0
  const wanted = exact.direction as Float32Array
  const errorOf = (values: ArrayLike<number>) => Math.sqrt(wanted.reduce((sum, value, i) => sum + (values[i] - value) ** 2, 0))
  for (let step = 0; step < steps; step++) {
    circle.gathered.clear()
    const { directions } = await circle.step(step + 1, step)
    t.equal(new Set(circle.gathered.values()).size, 1)
    t.equal(circle.gathered.size, 3)
    if (step === 0) firstError = errorOf(directions[0])
    directions[0].forEach((value, i) => {
      means[i] += value / steps
    })
    if (step === 0) t.equal(circle.sentBytes, 2 * 2 * setting.parameterCount * (2 + 1))
  }
  const norm = errorOf(new Float32Array(setting.parameterCount))
  t.ok(firstError > 0 && firstError < 0.01 * norm, `${firstError / norm}`)
  t.ok(errorOf(means) < 0.25 * firstError, `${errorOf(means) / firstError} of one step's error is left in the mean of ${steps}`)
})

const setting: Setting = { parameterCount: 2 * blockElements, channels: 1, microBatches: 4, cuts: [2] }
const header = { runId, epoch: 1, step: 0, encoding: 'f32' } as const
const piece = (fields: Partial<Extract<MeshMessage, { type: 'piece' }>> = {}): MeshMessage => ({
  ...{ type: 'piece', ...header, channel: 'c0', level: 1, index: 1, start: 0 },
  ...fields,
})
const share = (fields: object = {}): MeshMessage => ({ type: 'share', ...header, start: blockElements, ...fields })

function alone() {
  const reports: { type: string }[] = []
  const exchange = new Exchange({
    ...{ self: 'w0', runId, parameterCount: setting.parameterCount, channels: ['c0'], microBatches: 4, encoding: 'f32' },
    send: async () => {},
    report: (message) => reports.push(message),
    onError: (error) => t.error(error),
  })
  const accept = (message: MeshMessage, values = noise(blockElements, 7), from = 'w1') =>
    exchange.accept(from, transferOf(message, bytesOf(values)), Uint8Array.from(bytesOf(values)))
  return { exchange, reports, accept }
}

const { slices } = new Circle(setting)

t.test('what was not asked for is refused', async (t) => {
  const { exchange, accept } = alone()
  await t.rejects(exchange.contribute([]), { code: 'INTERNAL' }, 'before any plan')
  exchange.begin(1, 0, slices)
  t.throws(() => accept(piece({ runId: 'b'.repeat(64) })), refused)
  t.throws(() => accept(piece({ encoding: 'bf16' })), refused)
  t.throws(() => accept(piece({ step: 1 })), refused, 'another step of this plan')
  t.throws(() => accept(piece({ start: blockElements })), refused, 'the slice of another')
  t.throws(() => accept(piece({ start: 5 })), refused)
  t.throws(() => accept(piece({ channel: 'other' })), refused)
  t.throws(() => accept(piece({ level: 9, index: 0 })), refused)
  t.throws(() => accept(piece({ level: 1, index: 2 })), refused)
  t.throws(() => accept(piece(), noise(10, 1)), refused, 'too short')
  t.throws(() => accept(piece(), new Float32Array(0)), refused)
  t.throws(() => accept(share({ start: 0 })), refused, 'a share of a slice of ours')
  t.throws(() => accept(share(), noise(10, 1)), refused)
  t.throws(() => accept(share(), noise(blockElements, 1), 'w7'), refused, 'from a stranger')
  t.throws(() => exchange.begin(2, 0, [{ worker: 'w0', start: 0, end: blockElements }]), refused, 'not all elements')
  t.throws(() => exchange.begin(2, 0, [{ worker: 'w0', start: 1, end: 2 * blockElements }]), refused)
  t.throws(
    () =>
      exchange.begin(2, 0, [
        { worker: 'w0', start: 0, end: 9 },
        { worker: 'w1', start: 9, end: 2 * blockElements },
      ]),
    refused,
  )
  t.equal(exchange.limit(transferOf(piece(), new Uint8Array(0))), 4 * 2 * blockElements)
  t.equal(exchange.limit(transferOf(piece({ start: blockElements }), new Uint8Array(0))), 4 * blockElements)
  t.equal(exchange.limit(transferOf(piece({ runId: 'b'.repeat(64) }), new Uint8Array(0))), 0)
  t.equal(exchange.late, 0)
  const combine = { type: 'combine' as const, epoch: 1, step: 0, to: [], figures }
  await t.rejects(exchange.combine({ ...combine, coefficients: { c0: 1 } }), refused, 'before the slice is summed')
  await exchange.contribute(partialsOf(setting, 0, 4))
  await t.rejects(exchange.combine({ ...combine, coefficients: {} }), refused, 'a coefficient is missing')
  await exchange.combine({ ...combine, epoch: 7, coefficients: {} })
  t.equal(exchange.direction(1, 0), null)
})

t.test('fencing: older plans are late, newer ones wait, duplicates are counted', async (t) => {
  const { exchange, accept, reports } = alone()
  accept(piece({ epoch: 3 }))
  accept(share({ epoch: 3 }))
  exchange.begin(2, 0, slices)
  accept(piece({ epoch: 1 }))
  t.equal(exchange.late, 1, 'older')
  exchange.begin(1, 0, slices)
  accept(piece({ epoch: 1 }))
  t.equal(exchange.late, 2, 'an older plan takes no place')
  accept(piece({ epoch: 2 }))
  accept(piece({ epoch: 2 }))
  t.equal(exchange.late, 3, 'twice')
  exchange.begin(3, 0, slices)
  accept(piece({ epoch: 2 }))
  t.equal(exchange.late, 4, 'of the plan before')
  accept(piece({ epoch: 3 }))
  t.equal(exchange.late, 5, 'the early one was taken in')
  await exchange.contribute(partialsOf(setting, 0, 2))
  t.strictSame(
    reports.map(({ type }) => type),
    ['sliced'],
  )
  accept(piece({ epoch: 3, level: 0, index: 2 }))
  t.equal(exchange.late, 6, 'after the sum was whole')
  await exchange.combine({ type: 'combine', epoch: 3, step: 0, coefficients: { c0: 1 }, to: ['w0', 'w1'], figures })
  const direction = exchange.direction(3, 0)
  t.equal(direction?.length, setting.parameterCount)
  accept(share({ epoch: 3 }))
  t.equal(exchange.late, 7)
  exchange.begin(4, 1, slices)
  t.equal(exchange.direction(3, 0), direction, 'stays until the next is gathered')
  accept(share({ epoch: 4, step: 1 }))
  t.equal(exchange.direction(3, 0), null)
})

t.test('a plan while another is worked on ends what is sent for it', async (t) => {
  const sent: number[] = []
  const exchange = new Exchange({
    ...{ self: 'w0', runId, parameterCount: setting.parameterCount, channels: ['c0'], microBatches: 4, encoding: 'f32' },
    send: async (_to, { epoch }) => {
      sent.push(epoch)
      exchange.begin(2, 0, slices)
      throw new Error('the owner has died')
    },
    report: () => {},
    onError: (error) => t.error(error),
  })
  exchange.begin(1, 0, slices)
  await exchange.contribute(partialsOf({ ...setting, channels: 1 }, 0, 3))
  t.strictSame(sent, [1], 'one failed, the other was not sent')
})

t.test('helpers: parts and whole of the same micro-batches, in any order, give the same sum', async (t) => {
  const values = partialsOf({ ...setting, parameterCount: blockElements }, 0, 4)[0].gradient
  const parts = new Map<string, () => Float32Array>()
  for (const [level, index] of [
    [0, 0],
    [0, 1],
    [1, 0],
    [0, 2],
    [0, 3],
    [1, 1],
    [2, 0],
  ])
    parts.set(
      `${level}.${index}`,
      () => partialsOf({ ...setting, parameterCount: blockElements }, index * 2 ** level, (index + 1) * 2 ** level)[0].gradient,
    )
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray([...parts.keys()], { minLength: 1 }), async (order) => {
      const one = new Exchange({
        ...{ self: 'w0', runId, parameterCount: blockElements, channels: ['c0'], microBatches: 4, encoding: 'f32' },
        send: async () => {},
        report: () => {},
        onError: (error) => t.error(error),
      })
      one.begin(1, 0, [{ worker: 'w0', start: 0, end: blockElements }])
      const covered = new Set<number>()
      for (const key of order) {
        const [level, index] = key.split('.').map(Number)
        const payload = bytesOf((parts.get(key) as () => Float32Array)())
        one.accept('w1', transferOf(piece({ level, index }), payload), payload)
        for (let leaf = index * 2 ** level; leaf < (index + 1) * 2 ** level; leaf++) covered.add(leaf)
      }
      const combining = one.combine({
        type: 'combine',
        epoch: 1,
        step: 0,
        coefficients: { c0: 1 },
        to: [],
        figures,
      })
      if (covered.size < 4) {
        await t.rejects(combining, refused, 'not whole')
        return
      }
      await combining
      t.ok(Buffer.from(bytesOf(one.direction(1, 0) as Float32Array)).equals(bytesOf(values)))
    }),
    { numRuns: 60 },
  )
})

t.test('a worker that joined after the plan gathers the shares all the same', async (t) => {
  const { exchange, accept, reports } = alone()
  accept(share({ start: 0 }), noise(blockElements, 1))
  t.equal(exchange.direction(1, 0), null)
  accept(share(), noise(blockElements, 2))
  await new Promise(setImmediate)
  t.equal(exchange.direction(1, 0)?.length, setting.parameterCount)
  t.strictSame(
    reports.map(({ type }) => type),
    ['gathered'],
  )
})

t.test('what others may send before the plan is bounded', async (t) => {
  const { exchange, accept } = alone()
  t.throws(() => {
    for (let i = 0; i < 1000; i++) accept(piece({ epoch: 5 }))
  }, refused)
  for (let epoch = 6; epoch < 20; epoch++) accept(piece({ epoch }))
  exchange.begin(19, 0, slices)
  accept(piece({ epoch: 19 }))
  t.equal(exchange.late, 1, 'the newest was kept')
})
