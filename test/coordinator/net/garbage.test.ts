import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { WebSocket } from 'ws'
import { decodeMessage, encodeFrame, encodeMessage } from '../../../protocol/frame.ts'
import { coordinatorMessage } from '../../../protocol/messages.ts'
import { bulkMessageBytes, memberHeader, protocolVersion } from '../../../protocol/socket.ts'
import { startToyRun, token, toyJob } from '../../support/toy-run.ts'

t.setTimeout(240_000)

const zeros = '0'.repeat(64)

function open(url: string, headers: Record<string, string> = {}): Promise<WebSocket> {
  const socket = new WebSocket(url, {
    headers: { authorization: `Bearer ${token}`, 'lethe-protocol': String(protocolVersion), ...headers },
    perMessageDeflate: false,
  })
  socket.on('error', () => {})
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket))
    socket.once('error', reject)
  })
}

/** Says hello as a worker would, and keeps the sockets. */
async function impostor(url: string) {
  const control = await open(`${url}/control`)
  const welcomed = new Promise<Uint8Array>((resolve) => control.once('message', (data) => resolve(data as Buffer)))
  control.send(encodeMessage({ type: 'hello', pid: 1, host: 'impostor' }))
  const welcome = decodeMessage(await welcomed, coordinatorMessage)
  if (welcome.type !== 'welcome') throw new Error('no welcome')
  const bulk = await open(`${url}/bulk`, { [memberHeader]: welcome.memberKey })
  return { control, bulk, runId: welcome.runId }
}

const closed = (socket: WebSocket) =>
  new Promise<void>((resolve) => (socket.readyState === WebSocket.CLOSED ? resolve() : socket.once('close', () => resolve())))

const partial = (runId: string, fields: object = {}) => ({
  type: 'partial',
  sha256: zeros,
  totalBytes: 0,
  offset: 0,
  runId,
  epoch: 1,
  step: 0,
  channel: 'keep',
  level: 0,
  index: 0,
  loss: 0,
  computeMs: 1,
  ...fields,
})

t.test('garbage from strangers and from members does not disturb a run', async (t) => {
  const folder = t.testdir({ model: {} })
  const job = toyJob(join(folder, 'model'), { steps: 60 })
  const reference = await (await startToyRun(t, job, join(folder, 'reference'))).result
  const run = await startToyRun(t, job, join(folder, 'run'), { faults: [{ microBatchMs: 15 }] })
  await run.reached(1)
  const { url } = run

  const crafted: ((runId: string) => { control?: Uint8Array; bulk?: Uint8Array })[] = [
    () => ({ control: encodeMessage({ type: 'hello', pid: 1, host: 'twice' }) }),
    () => ({ control: encodeMessage({ type: 'assign', epoch: 1, step: 0, start: 0, end: 1 }) }),
    () => ({ control: new Uint8Array(2 ** 20 + 1) }),
    () => ({ bulk: new Uint8Array(bulkMessageBytes + 1) }),
    (runId) => ({ bulk: encodeFrame(partial(runId), []) }),
    (runId) => ({ bulk: encodeFrame(partial(runId, { totalBytes: 2 ** 52 }), []) }),
    (runId) => ({ bulk: encodeFrame(partial(runId, { offset: 4 }), []) }),
    () => ({ bulk: encodeFrame({ type: 'state', sha256: zeros, totalBytes: 0, offset: 0, ticket: 1, version: 1, digest: zeros }, []) }),
    () => ({ bulk: encodeFrame({ type: 'evaluation', sha256: zeros, totalBytes: 0, offset: 0, ticket: 1, values: [1] }, []) }),
    () => ({ bulk: encodeFrame({ type: 'file', sha256: zeros, totalBytes: 0, offset: 0, ticket: 1, path: '../../evil' }, []) }),
  ]
  for (const [number, craft] of crafted.entries()) {
    const { control, bulk, runId } = await impostor(url)
    const bytes = craft(runId)
    if (bytes.control) control.send(bytes.control)
    if (bytes.bulk) bulk.send(bytes.bulk)
    await Promise.all([closed(control), closed(bulk)])
    t.pass(`message ${number} closes both sockets`)
  }

  const silent = await impostor(url)
  await Promise.race([closed(silent.control), sleep(8000)])
  t.equal(silent.control.readyState, WebSocket.CLOSED, 'a member without heartbeats is parted from')

  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 4 }), fc.boolean(), async (messages, isMember) => {
      const control = isMember ? null : await open(`${url}/control`)
      const { bulk } = isMember ? await impostor(url) : { bulk: null }
      const socket = (control ?? bulk) as WebSocket
      for (const message of messages) socket.send(message)
      socket.send(Buffer.from('LTH1 and then nothing good'))
      await closed(socket)
    }),
    { numRuns: 60 },
  )
  const unkeyed = await open(`${url}/bulk`, { [memberHeader]: zeros })
  await closed(unkeyed)

  const report = await run.result
  t.equal(report.checkpoint.sha256, reference.checkpoint.sha256)
  t.equal(run.events.filter(({ type }) => type === 'workerLeft').length, 0, 'no real worker was lost')
})
