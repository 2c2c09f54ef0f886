import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { WebSocket } from 'ws'
import { openBus } from '../../../protocol/bus/open.ts'
import { joinSubject, upSubject } from '../../../protocol/bus/subjects.ts'
import { checksum } from '../../../protocol/checksum.ts'
import { decodeMessage, encodeFrame, encodeMessage } from '../../../protocol/frame.ts'
import { welcomeSchema } from '../../../protocol/messages.ts'
import { bulkMessageBytes, busPath } from '../../../protocol/socket.ts'
import { closed, impostor, openSocket } from '../../support/impostor.ts'
import { startToyRun, token, toyJob } from '../../support/toy-run.ts'

/* What is crafted to do harm; test/fuzz has what chance finds. */

t.setTimeout(240_000)

const zeros = '0'.repeat(64)
const empty = { checksum: checksum(new Uint8Array(0)), totalBytes: 0, offset: 0 }
const bearer = { authorization: `Bearer ${token}` }

const partial = (runId: string, fields: object = {}) => ({
  type: 'partial',
  ...empty,
  runId,
  epoch: 1,
  step: 0,
  channel: 'keep',
  level: 0,
  index: 0,
  loss: 0,
  encoding: 'f32',
  computeMs: 1,
  ...fields,
})

t.test('garbage from strangers and from members does not disturb a run', async (t) => {
  const folder = t.testdir({ model: {} })
  const job = toyJob(join(folder, 'model'), { steps: 60 })
  const reference = await (await startToyRun(t, job, join(folder, 'reference'))).result
  const run = await startToyRun(t, job, join(folder, 'run'), { faults: [{ microBatchMs: 15 }] })
  await run.reached(1)
  const url = run.bus
  const bus = await openBus(url, { token })
  t.teardown(() => bus.close())

  const crafted: ((runId: string) => Uint8Array)[] = [
    () => new Uint8Array(bulkMessageBytes + 1),
    (runId) => encodeFrame(partial(runId), []),
    (runId) => encodeFrame(partial(runId, { totalBytes: 2 ** 52 }), []),
    (runId) => encodeFrame(partial(runId, { offset: 4 }), []),
    () => encodeFrame({ type: 'state', ...empty, ticket: 1, version: 1, digest: zeros }, []),
    () => encodeFrame({ type: 'evaluation', ...empty, ticket: 1, values: [1] }, []),
    () => encodeFrame({ type: 'file', ...empty, ticket: 1, path: '../../evil' }, []),
    (runId) => {
      const message = { type: 'share', runId, epoch: 2 ** 30, step: 0, start: 0, encoding: 'f32' }
      return encodeFrame({ type: 'relay', ...empty, to: 'w1', message }, [])
    },
  ]
  for (const [number, craft] of crafted.entries()) {
    const { bulk, welcome } = await impostor(bus, url, token)
    bulk.send(craft(welcome.runId))
    await closed(bulk)
    t.pass(`frame ${number} ends the membership`)
  }
  const liar = await impostor(bus, url, token)
  liar.post({ ack: 99 })
  await closed(liar.bulk)
  t.pass('so does a packet that confirms what was never sent')

  const { welcome, bulk, post } = await impostor(bus, url, token)
  const stranger = { worker: 'w1', memberKey: zeros, seq: 1, body: { type: 'leaving', reason: 'a stranger says so' } }
  for (const fields of [stranger, { ...stranger, memberKey: welcome.memberKey }, { body: { type: 'assign' } }, { epoch: 2, ack: 99 }])
    post(fields)
  bus.publish(upSubject('default', welcome.runId), Buffer.from('no packet'))
  for (let i = 0; i < 4; i++) {
    post()
    await sleep(200)
  }
  t.equal(bulk.readyState, WebSocket.OPEN, 'packets that are none, or of nobody, are dropped, and end nothing')
  await Promise.race([closed(bulk), sleep(8000)])
  t.equal(bulk.readyState, WebSocket.CLOSED, 'a member without heartbeats is parted from')

  const refused = await bus.request(joinSubject('default', welcome.runId), Buffer.from('no hello'), { timeoutMs: 4000 })
  t.match(decodeMessage(refused, welcomeSchema), { type: 'fail', error: { code: 'CONNECTION_FRAME' } })

  const operations = [
    { op: 'publish', subject: `lethe.default.${welcome.runId}.down.${welcome.address}`, data: new Uint8Array(1) },
    { op: 'subscribe', id: 1, sid: 1, pattern: 'lethe.default.*.down.*' },
    { op: 'subscribe', id: 1, sid: 1, pattern: '>' },
    { op: 'set', id: 1, bucket: 'lethe-default', key: `leader.${welcome.runId}`, value: new Uint8Array(1), expected: null },
    { op: 'take', id: 1, queue: 'anything', waitMs: 1, leaseMs: 1, maxDeliveries: 1 },
  ]
  for (const operation of operations) {
    const socket = await openSocket(`${url}${busPath}`, bearer)
    socket.send(encodeMessage(operation))
    await closed(socket)
    t.pass(`a worker may not ${operation.op}`)
  }

  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 4 }), fc.boolean(), async (messages, isMember) => {
      const socket = isMember ? (await impostor(bus, url, token)).bulk : await openSocket(`${url}${busPath}`, bearer)
      for (const message of messages) socket.send(message)
      socket.send(Buffer.from('LTH1 and then nothing good'))
      await closed(socket)
    }),
    { numRuns: 40 },
  )

  const report = await run.result
  t.equal(report.checkpoint.sha256, reference.checkpoint.sha256)
  t.equal(run.events.filter(({ type }) => type === 'workerLeft').length, 0, 'no real worker was lost')
})
