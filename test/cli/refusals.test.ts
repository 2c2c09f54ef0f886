import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { jobYaml, parseJob } from '../../protocol/jobfile.ts'
import { protocolVersion } from '../../protocol/socket.ts'
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from '../../worker/checkpoint/safetensors.ts'
import { checkpointFiles, tinyConfig } from '../support/tiny-job.ts'
import { examplesPath, lethe, lethePath } from './command.ts'

/* What a user sees who gives a damaged checkpoint, a wrong token or an old worker: one line with code and hint, and nothing half-written. */

t.setTimeout(200_000)

const weights = 'diffusion_pytorch_model.safetensors'
const tshirt = join(examplesPath, 'data/tshirt.png')

function jobFolder(t: Test): string {
  const cwd = t.testdir({})
  mkdirSync(join(cwd, 'parent'))
  for (const { path, bytes } of checkpointFiles({ ...tinyConfig, sample_size: 28 })) writeFileSync(join(cwd, 'parent', path), bytes)
  const job = {
    kind: 'unlearn',
    name: 'refused',
    model: { checkpoint: 'parent' },
    data: { sources: [{ type: 'mnist' }, { type: 'image', path: tshirt }], forget: { file: tshirt } },
    method: { name: 'siss' },
    training: { steps: 2, batchSize: 4, microBatchSize: 2 },
  }
  writeFileSync(join(cwd, 'job.yaml'), jobYaml(parseJob(JSON.stringify(job))))
  return cwd
}

/** Replaces the weights of a checkpoint folder. */
function rewrite(folder: string, change: (bytes: Uint8Array) => Uint8Array): void {
  const path = join(folder, weights)
  writeFileSync(path, change(Uint8Array.from(readFileSync(path))))
}

const changeTensors = (change: (tensors: NamedTensor[]) => NamedTensor[]) => (folder: string) =>
  rewrite(folder, (bytes) => {
    const { tensors, metadata } = decodeSafetensors(bytes)
    return encodeSafetensors(change([...tensors.values()]), metadata)
  })

const damages: Record<string, { status: number; code: string; damage(folder: string): void }> = {
  'truncated safetensors': {
    status: 31,
    code: 'CHECKPOINT_FORMAT',
    damage: (folder) => rewrite(folder, (bytes) => bytes.subarray(0, bytes.length - 100)),
  },
  'NaN weights': {
    status: 34,
    code: 'CHECKPOINT_NOT_FINITE',
    damage: changeTensors((tensors) => {
      tensors[0].data[0] = Number.NaN as never
      return tensors
    }),
  },
  'a tensor too few': { status: 33, code: 'CHECKPOINT_TENSORS', damage: changeTensors((tensors) => tensors.slice(1)) },
  'a network of another kind': {
    status: 32,
    code: 'CHECKPOINT_CONFIG',
    damage: (folder) => {
      const path = join(folder, 'config.json')
      writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), act_fn: 'gelu' }))
    },
  },
}

t.test('damaged checkpoints', async (t) => {
  const cwd = jobFolder(t)
  for (const [name, { status, code, damage }] of Object.entries(damages)) {
    cpSync(join(cwd, 'parent'), join(cwd, 'damaged'), { recursive: true })
    damage(join(cwd, 'damaged'))
    const run = await lethe(['run', 'job.yaml', '--workers', '1', '--out', 'out', '--set', 'model.checkpoint=damaged'], { cwd })
    t.equal(run.status, status, `${name}: ${run.stderr}`)
    const errors = run.stderr.split('\n').filter((line) => line.startsWith('error'))
    t.equal(errors.length, 1, 'one line')
    t.match(errors[0], new RegExp(`^error ${code}: .+\\. .+`), 'with a code and a hint')
    t.notOk(existsSync(join(cwd, 'out/checkpoint')) || existsSync(join(cwd, 'out/report.json')), 'nothing half-written')
  }
})

t.test('a wrong token ends the worker, not the run', async (t) => {
  const cwd = jobFolder(t)
  const coordinator = spawn(process.execPath, [lethePath, 'coordinator', 'job.yaml', '--out', 'out', '--port', '0'], {
    cwd,
    env: { ...process.env, LETHE_TOKEN: 'the-right-token-of-32-characters' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => coordinator.kill('SIGKILL'))
  let text = ''
  const url = await new Promise<string>((resolve) => {
    const read = (chunk: Buffer) => {
      text += chunk
      const found = /ws:\/\/127\.0\.0\.1:\d+/.exec(text)
      if (found) resolve(found[0])
    }
    coordinator.stdout.on('data', read)
    coordinator.stderr.on('data', read)
  })
  const stranger = await lethe(['worker', '--bus', url], { cwd, env: { LETHE_TOKEN: 'a-wrong-token-of-32-characters..' } })
  t.equal(stranger.status, 41)
  t.match(stranger.stderr, /^error CONNECTION_TOKEN: [^\n]+\n$/)
  t.equal(coordinator.exitCode, null, 'the coordinator goes on')
  const friend = await lethe(['worker', '--bus', url], { cwd, env: { LETHE_TOKEN: 'the-right-token-of-32-characters' } })
  t.equal(friend.status, 0, friend.stderr)
  t.ok(existsSync(join(cwd, 'out/checkpoint', weights)))
})

t.test('a coordinator of another protocol version', async (t) => {
  // What a coordinator of the next version answers.
  const server = createServer()
  server.on('upgrade', (_request, socket) => {
    const body = JSON.stringify({
      code: 'CONNECTION_VERSION',
      message: 'the coordinator speaks another protocol version',
      expected: String(protocolVersion + 1),
      received: String(protocolVersion),
    })
    socket.end(
      `HTTP/1.1 426 Upgrade Required\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const worker = await lethe(['worker', '--bus', `ws://127.0.0.1:${port}`], { env: { LETHE_TOKEN: 'any-token-of-32-characters......' } })
  t.equal(worker.status, 42, worker.stderr)
  t.match(worker.stderr, /^error CONNECTION_VERSION: [^\n]+\n$/)
})
