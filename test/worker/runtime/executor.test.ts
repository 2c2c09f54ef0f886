import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { fromBf16 } from '../../../protocol/bf16.ts'
import { sha256 } from '../../../protocol/digest.ts'
import type { LetheError } from '../../../protocol/errors.ts'
import type { StepFigures, Unsent, WireEncoding, WorkerBulk, WorkerMessage } from '../../../protocol/messages.ts'
import { CentralDelivery } from '../../../worker/runtime/delivery.ts'
import { Executor } from '../../../worker/runtime/executor.ts'
import type { Holding } from '../../../worker/runtime/holdings.ts'
import { Watermark } from '../../../worker/runtime/watermark.ts'
import { toyJob } from '../../support/toy-run.ts'
import { type ToyFaults, toyOpener, toyParameters } from '../../support/toy-session.ts'

interface Sent {
  message: Unsent<WorkerBulk>
  payload: Uint8Array
}

async function openHolding(folder: string, faults: ToyFaults = {}): Promise<Holding> {
  const session = await toyOpener(faults)(toyJob(folder), [{ path: 'config.json', bytes: new Uint8Array(2) }])
  return { session, parentDigest: session.digest(), figures: null }
}

function openExecutor(holding: Holding, encoding: WireEncoding = 'f32') {
  const messages: WorkerMessage[] = []
  const bulk: Sent[] = []
  const errors: LetheError[] = []
  const sendBulk = async (message: Unsent<WorkerBulk>, payload: Uint8Array) => void bulk.push({ message, payload })
  const executor = new Executor({
    holding,
    watermark: new Watermark(),
    central: new CentralDelivery({ runId: sha256(new Uint8Array(0)), parameterCount: toyParameters, encoding, sendBulk }),
    sharded: null,
    send: (message) => messages.push(message),
    sendBulk,
    onError: (error) => errors.push(error),
  })
  const until = async (isTrue: () => boolean) => {
    for (let i = 0; i < 400 && !isTrue(); i++) await sleep(5)
    if (!isTrue()) throw new Error('waited too long')
  }
  return { executor, holding, session: holding.session, messages, bulk, errors, until }
}

const open = async (folder: string, faults?: ToyFaults) => openExecutor(await openHolding(folder, faults))

const assign = (epoch: number, step: number, start = 0, end = 4, audit: { start: number; end: number } | null = null) =>
  ({ type: 'assign', epoch, step, start, end, audit, slices: null }) as const
const figures: StepFigures = { losses: { keep: 1 }, norms: { keep: 2 }, updateNorm: 3 }
const direction = { values: new Float32Array(toyParameters).fill(0.1), figures }

/** [epoch, level, index] of the partials of one channel. */
const partialsOf = (bulk: readonly Sent[]) =>
  bulk.flatMap(({ message }) =>
    message.type === 'partial' && message.channel === 'keep' ? [[message.epoch, message.level, message.index]] : [],
  )

t.test('a plan may come before the direction that makes its version', async (t) => {
  const { executor, messages, bulk, until } = await open(t.testdir())
  executor.assign(assign(1, 1))
  await sleep(20)
  t.equal(bulk.length, 0, 'it waits')
  executor.apply(0, direction)
  await until(() => bulk.length === 2)
  t.match(messages, [{ type: 'at', version: 1 }])
  t.match(bulk[0].message, { type: 'partial', epoch: 1, step: 1, level: 2, index: 0, channel: 'keep', encoding: 'f32' })
})

t.test('a newer epoch takes the place of older work', async (t) => {
  const { executor, bulk, errors, until } = await open(t.testdir(), { microBatchMs: 20 })
  executor.assign(assign(1, 0))
  await sleep(30)
  executor.assign(assign(2, 0, 4, 5))
  executor.assign(assign(1, 0))
  await until(() => bulk.length === 2)
  await sleep(100)
  t.strictSame(partialsOf(bulk), [[2, 0, 4]])
  t.strictSame(errors, [])
})

t.test('a direction ends the step that is still computed', async (t) => {
  const { executor, session, bulk, until } = await open(t.testdir(), { microBatchMs: 20 })
  executor.assign(assign(1, 0, 0, 11))
  await sleep(30)
  executor.apply(0, direction)
  await until(() => session.step === 1)
  t.equal(bulk.length, 0)
})

t.test('help for a late worker comes after one’s own work, and only in the same epoch', async (t) => {
  const { executor, bulk, until } = await open(t.testdir(), { microBatchMs: 2 })
  executor.assist({ type: 'assist', epoch: 1, step: 0, start: 4, end: 6 })
  executor.assign(assign(1, 0, 0, 2))
  executor.assist({ type: 'assist', epoch: 1, step: 0, start: 8, end: 10 })
  executor.assist({ type: 'assist', epoch: 2, step: 0, start: 6, end: 8 })
  executor.assist({ type: 'assist', epoch: 1, step: 1, start: 6, end: 8 })
  await until(() => bulk.length === 4)
  await sleep(50)
  t.strictSame(partialsOf(bulk), [
    [1, 1, 0],
    [1, 1, 4],
  ])
  executor.assist({ type: 'assist', epoch: 1, step: 0, start: 10, end: 11 })
  await until(() => bulk.length === 6)
  executor.assign(assign(3, 0, 6, 7))
  executor.assist({ type: 'assist', epoch: 1, step: 0, start: 2, end: 3 })
  await until(() => bulk.length === 8)
  await sleep(50)
  t.strictSame(partialsOf(bulk).slice(2), [
    [1, 1, 5],
    [3, 0, 6],
  ])
})

t.test('an audit tells the digests of what the other worker would send', async (t) => {
  const audited = await open(t.testdir())
  audited.executor.assign(assign(1, 0, 4, 10))
  await audited.until(() => audited.bulk.length === 4)
  const { executor, messages, bulk, until } = await open(t.testdir())
  executor.assign(assign(1, 0, 0, 4, { start: 4, end: 10 }))
  await until(() => messages.length === 1)
  t.strictSame(partialsOf(bulk), [[1, 2, 0]], 'what it computes for the audit stays here')
  const digests = audited.bulk.map(({ message, payload }) => {
    if (message.type !== 'partial') throw new Error(message.type)
    const { channel, level, index } = message
    return { channel, level, index, sha256: sha256(payload) }
  })
  t.strictSame(messages, [{ type: 'audited', epoch: 1, step: 0, start: 4, end: 10, digests }])

  const faulty = await open(t.testdir(), { flipsBitAt: 0 })
  faulty.executor.assign(assign(1, 0, 4, 10))
  await faulty.until(() => faulty.bulk.length === 4)
  const differing = faulty.bulk.filter(({ payload }, i) => sha256(payload) !== digests[i].sha256)
  t.equal(differing.length, 1, 'a flipped bit shows in one of them')
})

t.test('an audit that is out of date is dropped', async (t) => {
  const { executor, session, messages, bulk, until } = await open(t.testdir(), { microBatchMs: 10 })
  executor.assign(assign(1, 0, 0, 1, { start: 1, end: 11 }))
  await until(() => bulk.length === 2)
  executor.apply(0, direction)
  await until(() => session.step === 1)
  executor.assign(assign(2, 1, 0, 1, { start: 1, end: 11 }))
  await until(() => bulk.length === 4)
  executor.assign(assign(3, 1, 1, 2))
  await until(() => bulk.length === 6)
  await sleep(150)
  t.strictSame(
    messages.map(({ type }) => type),
    ['at'],
  )
})

t.test('an export is of its version, in the middle of a step too', async (t) => {
  const { executor, session, bulk, until } = await open(t.testdir(), { microBatchMs: 20 })
  executor.export({ type: 'export', ticket: 5, version: 1, files: true })
  executor.assign(assign(1, 0, 0, 11))
  await sleep(30)
  t.equal(bulk.length, 0, 'it waits for its version')
  executor.apply(0, direction)
  executor.apply(1, direction)
  await until(() => session.step === 2 && bulk.length === 3)
  t.match(
    bulk.map(({ message }) => message),
    [
      { type: 'file', ticket: 5 },
      { type: 'file', ticket: 5 },
      { type: 'state', ticket: 5, version: 1 },
    ],
  )
  const copy = await open(t.testdir())
  copy.executor.load(1, bulk[2].payload, null)
  copy.executor.apply(1, direction)
  await copy.until(() => copy.session.step === 2)
  t.equal(copy.session.digest(), session.digest(), 'a copy goes on with the same bits')
})

t.test('the figures are those of the last step that was applied', async (t) => {
  const { executor, holding, until } = await open(t.testdir())
  executor.apply(1, { ...direction, figures: { ...figures, updateNorm: 4 } })
  executor.apply(0, direction)
  await until(() => holding.session.step === 2)
  t.equal(holding.figures?.updateNorm, 4)
  const copy = await open(t.testdir())
  copy.executor.load(2, holding.session.exportState(), { ...figures, updateNorm: 5 })
  await copy.until(() => copy.session.step === 2)
  t.equal(copy.holding.figures?.updateNorm, 5)
})

t.test('once stopped, an executor leaves the session alone, and the next goes on with it', async (t) => {
  const { executor, holding, bulk, messages } = await open(t.testdir(), { microBatchMs: 30 })
  executor.assign(assign(7, 0, 0, 11))
  executor.evaluate({ type: 'evaluate', ticket: 1, unit: { metric: 'keepLoss', start: 0, count: 1 } })
  await sleep(40)
  await executor.stop()
  executor.apply(0, direction)
  executor.assign(assign(8, 0))
  await sleep(80)
  t.equal(holding.session.step, 0, 'what comes for an old membership does nothing')
  t.strictSame([bulk, messages], [[], []])
  const next = openExecutor(holding)
  next.executor.assign(assign(1, 0, 0, 1))
  await next.until(() => next.bulk.length === 2)
  t.strictSame(partialsOf(next.bulk), [[1, 0, 0]], 'epochs of the old leader do not count')
})

t.test('bf16 keeps what rounding took for the next partial of the channel', async (t) => {
  const exact = await open(t.testdir())
  const rounded = openExecutor(await openHolding(t.testdir()), 'bf16')
  for (const { executor } of [exact, rounded]) executor.assign(assign(1, 0, 0, 7))
  await exact.until(() => exact.bulk.length === 6)
  await rounded.until(() => rounded.bulk.length === 6)
  const sum = (values: Float32Array[]) => Array.from({ length: toyParameters }, (_, i) => values.reduce((total, one) => total + one[i], 0))
  const keep = (bulk: readonly Sent[]) => bulk.filter(({ message }) => message.type === 'partial' && message.channel === 'keep')
  const meant = sum(keep(exact.bulk).map(({ payload }) => new Float32Array(payload.slice().buffer)))
  const sent = sum(keep(rounded.bulk).map(({ payload }) => fromBf16(payload)))
  t.equal(rounded.bulk[0].payload.byteLength, 2 * toyParameters)
  const largest = keep(exact.bulk).map(({ payload }) => new Float32Array(payload.slice().buffer))
  const off = meant.filter((value, i) => Math.abs(value - sent[i]) > 2 ** -8 * Math.max(...largest.map((one) => Math.abs(one[i]))))
  t.equal(off.length, 0, 'the sum of three is off by one rounding, not by three')
})

t.test('what cannot be done is an error', async (t) => {
  const { executor, errors, until } = await open(t.testdir())
  executor.load(9, new Uint8Array(4 * (1 + 2 * toyParameters)), null)
  await until(() => errors.length === 1)
  t.match(errors[0], { code: 'CONNECTION_FRAME' })
  t.throws(() => executor.assign({ ...assign(1, 0), slices: [{ worker: 'w1', start: 0, end: 1000 }] }), { code: 'CONNECTION_FRAME' })
})
