import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { blockElements } from '../../../protocol/blocks.ts'
import { sha256 } from '../../../protocol/digest.ts'
import type { MeshMessage } from '../../../protocol/messages.ts'
import { Mesh } from '../../../worker/exchange/mesh.ts'
import { Circle, central, runId, transferOf } from '../../support/exchange-circle.ts'

const meshKey = 'a1'.repeat(32)
const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

for (const [title, unreachable] of [
  ['over sockets between workers', []],
  ['with a worker that listens nowhere and one that cannot be reached', ['w0', 'w2']],
] as const)
  t.test(`a sharded step ${title} gives the bits of the central one`, async (t) => {
    const setting = { parameterCount: 20 * blockElements + 4321, channels: 2, microBatches: 6, cuts: [1, 4] }
    const whole = await central(setting)
    const circle = new Circle(setting)
    let relayedBytes = 0
    const meshes = new Map<string, Mesh>()
    for (const self of circle.workers) {
      const mesh = await Mesh.listen({
        ...{ host: '127.0.0.1', port: 0, meshKey, self, patienceMs: unreachable.length > 0 ? 300 : 2000 },
        limit: (message) => circle.exchange(self).limit(message),
        onTransfer: (from, message, payload) => circle.exchange(self).accept(from, message, payload),
        relay: async (to, message, payload) => {
          relayedBytes += payload.byteLength
          circle.exchange(to).accept(self, transferOf(message, payload), Uint8Array.from(payload))
        },
      })
      t.teardown(() => mesh.close())
      meshes.set(self, mesh)
    }
    const urlOf = (worker: string) => {
      if (!unreachable.some((one) => one === worker)) return meshes.get(worker)?.url ?? null
      return worker === 'w0' ? null : 'ws://127.0.0.1:9'
    }
    for (const mesh of meshes.values()) mesh.setPeers(circle.workers.map((worker) => ({ worker, url: urlOf(worker) })))
    circle.carry = (from, to, message, payload) => (meshes.get(from) as Mesh).send(to, message, payload)
    const { reduction, directions } = await circle.step()
    t.strictSame(reduction.coefficients, whole.coefficients)
    for (const direction of directions) t.equal(sha256(bytesOf(direction)), sha256(bytesOf(whole.direction as Float32Array)))
    t.strictSame(circle.errors, [])
    if (unreachable.length === 0) t.equal(relayedBytes, 0)
    else t.ok(relayedBytes > 0)
  })

t.test('a worker that is killed in the middle: nothing that was sent to it waits for ever', async (t) => {
  const program = fileURLToPath(new URL('../../support/mesh-process.ts', import.meta.url))
  const victim = fork(program, ['w1', meshKey], { execArgv: ['--import', 'tsx'] })
  t.teardown(() => victim.kill('SIGKILL'))
  const [{ url }] = await once(victim, 'message')
  const arrived = new Set<number>()
  const relayed = new Set<number>()
  const mesh = await Mesh.listen({
    ...{ host: '127.0.0.1', port: 0, meshKey, self: 'w0', patienceMs: 1000 },
    limit: () => 0,
    onTransfer: () => {},
    relay: async (_to, { step }) => {
      relayed.add(step)
    },
  })
  t.teardown(() => mesh.close())
  mesh.setPeers([{ worker: 'w1', url }])
  const payload = new Uint8Array(4 * 2 ** 20)
  let killedAt = 0
  victim.on('message', (message: { arrived: number }) => {
    arrived.add(message.arrived)
    if (arrived.size !== 5) return
    killedAt = performance.now()
    victim.kill('SIGKILL')
  })
  const message = (step: number): MeshMessage => ({ type: 'share', runId, epoch: 1, step, start: 0, encoding: 'f32' })
  await Promise.all(Array.from({ length: 60 }, (_, step) => mesh.send('w1', message(step), payload)))
  const took = performance.now() - killedAt
  t.ok(killedAt > 0)
  t.ok(took < 2500, `${took.toFixed(0)} ms`)
  t.ok(arrived.size >= 5)
  t.ok(relayed.size > 0)
  const missing = Array.from({ length: 60 }, (_, step) => step).filter((step) => !arrived.has(step) && !relayed.has(step))
  // Taken by the victim before it could say so to its parent.
  t.ok(missing.length <= 16, `${missing.length} were only acknowledged`)
})
