import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { sha256 } from '../../../protocol/digest.ts'
import type { LetheError } from '../../../protocol/errors.ts'
import type { Unsent, WorkerBulk, WorkerMessage } from '../../../protocol/messages.ts'
import { Executor, parentComplete } from '../../../worker/runtime/executor.ts'
import { Watermark } from '../../../worker/runtime/watermark.ts'
import { toyJob } from '../../support/toy-run.ts'
import { type ToyFaults, toyOpener, toyParameters } from '../../support/toy-session.ts'

async function openExecutor(folder: string, faults: ToyFaults = {}) {
  const session = await toyOpener(faults)(toyJob(folder), [{ path: 'config.json', bytes: new Uint8Array(2) }])
  const messages: WorkerMessage[] = []
  const bulk: { message: Unsent<WorkerBulk>; payload: Uint8Array }[] = []
  const errors: LetheError[] = []
  const executor = new Executor({
    session,
    runId: sha256(new Uint8Array(0)),
    watermark: new Watermark(),
    send: (message) => messages.push(message),
    sendBulk: async (message, payload) => {
      bulk.push({ message, payload })
    },
    onError: (error) => errors.push(error),
  })
  const until = async (isTrue: () => boolean) => {
    for (let i = 0; i < 400 && !isTrue(); i++) await sleep(5)
    if (!isTrue()) throw new Error('waited too long')
  }
  return { executor, session, messages, bulk, errors, until }
}

const assign = (epoch: number, step: number, start = 0, end = 4) => ({ type: 'assign', epoch, step, start, end }) as const
const direction = new Float32Array(toyParameters).fill(0.1)

t.test('a plan may come before the direction that makes its version', async (t) => {
  const { executor, messages, bulk, until } = await openExecutor(t.testdir())
  executor.assign(assign(1, 1))
  await sleep(20)
  t.equal(bulk.length, 0, 'it waits')
  executor.apply(0, direction)
  await until(() => bulk.length === 2)
  t.match(messages, [{ type: 'at', version: 1 }])
  t.match(bulk[0].message, { type: 'partial', epoch: 1, step: 1, level: 2, index: 0, channel: 'keep' })
})

t.test('a newer epoch takes the place of older work', async (t) => {
  const { executor, bulk, errors, until } = await openExecutor(t.testdir(), { microBatchMs: 20 })
  executor.assign(assign(1, 0))
  await sleep(30)
  executor.assign(assign(2, 0, 4, 5))
  executor.assign(assign(1, 0))
  await until(() => bulk.length === 2)
  await sleep(100)
  t.strictSame(
    bulk.map(({ message }) => (message.type === 'partial' ? [message.epoch, message.level, message.index] : [])),
    [
      [2, 0, 4],
      [2, 0, 4],
    ],
  )
  t.strictSame(errors, [])
})

t.test('a direction ends the step that is still computed', async (t) => {
  const { executor, session, bulk, until } = await openExecutor(t.testdir(), { microBatchMs: 20 })
  executor.assign(assign(1, 0, 0, 11))
  await sleep(30)
  executor.apply(0, direction)
  await until(() => session.step === 1)
  t.equal(bulk.length, 0)
})

t.test('an export is of its version, in the middle of a step too', async (t) => {
  const { executor, session, bulk, until } = await openExecutor(t.testdir(), { microBatchMs: 20 })
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
  const copy = await openExecutor(t.testdir())
  copy.executor.load(1, bulk[2].payload)
  copy.executor.apply(1, direction)
  await copy.until(() => copy.session.step === 2)
  t.equal(copy.session.digest(), session.digest(), 'a copy goes on with the same bits')
})

t.test('what cannot be done is an error', async (t) => {
  const { executor, errors, until } = await openExecutor(t.testdir())
  executor.load(9, new Uint8Array(4 * (1 + 2 * toyParameters)))
  await until(() => errors.length === 1)
  t.match(errors[0], { code: 'CONNECTION_FRAME' })
})

t.test('the files of the parent', async (t) => {
  const bytes = new Uint8Array([1])
  const announced = [{ path: 'a', sha256: sha256(bytes) }]
  t.equal(parentComplete(announced, new Map()), null)
  t.strictSame(parentComplete(announced, new Map([['a', bytes]])), [{ path: 'a', bytes }])
  t.throws(() => parentComplete(announced, new Map([['a', new Uint8Array([2])]])), { code: 'CONNECTION_FRAME' })
})
