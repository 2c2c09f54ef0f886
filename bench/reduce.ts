import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type RawData, WebSocketServer } from 'ws'
import { meshBulk } from '../protocol/messages.ts'
import { bulkMessageBytes, segmentBytes } from '../protocol/socket.ts'
import type { TlsFiles } from '../protocol/tls.ts'
import { TransferReader } from '../protocol/transfer.ts'
import { Mesh } from '../worker/exchange/mesh.ts'
import type { Answer, Task } from './reduce-sender.ts'

/*
 * Bytes per second from one process to another on this machine: plain ws, our transfers, and the sockets between workers, each on the same
 * kind of socket and with messages of the same size. Rounds are interleaved, and ratios are those of one round, so that what else the
 * machine does hits all alike. A plain receiver looks at nothing; ours has checked every byte, and the sender knows that it arrived.
 *
 *   npm run bench:reduce -- --json --rounds 9 --megabytes 512
 */

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '9' },
    megabytes: { type: 'string', default: '512' },
  },
})
const [rounds, megabytes] = [options.rounds, options.megabytes].map(Number)
if (![rounds, megabytes].every((count) => Number.isInteger(count) && count > 0)) {
  console.error('--rounds and --megabytes take positive whole numbers')
  process.exit(2)
}
const meshKey = 'b'.repeat(64)
const limit = () => 2 ** 32 - 1

/** A certificate that is its own authority; undefined where there is no openssl command. */
function certificate(): TlsFiles | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-bench-'))
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name))
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const subject = ['-subj', '/CN=bench', '-addext', 'subjectAltName=IP:127.0.0.1']
  try {
    execFileSync('openssl', ['req', '-x509', ...newKey, '-keyout', key, '-out', cert, '-days', '2', ...subject], { stdio: 'ignore' })
    const [certText, keyText] = [cert, key].map((path) => readFileSync(path, 'utf8'))
    return { ca: certText, cert: certText, key: keyText }
  } catch {
    return undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Takes messages of `kind` and answers each series with one byte. */
async function receiver(kind: 'plain' | 'transfers', tls: TlsFiles | undefined): Promise<string> {
  const server = tls ? createTlsServer({ cert: tls.cert, key: tls.key }) : createServer()
  const sockets = new WebSocketServer({ server, maxPayload: bulkMessageBytes, perMessageDeflate: false })
  sockets.on('connection', (socket) => {
    const reader = new TransferReader(meshBulk, limit)
    if (kind === 'transfers') socket.binaryType = 'fragments'
    let missing = 0
    const take =
      kind === 'plain'
        ? (data: RawData) => (data as Buffer).byteLength
        : (data: RawData) => reader.read(data as Buffer[])?.payload.byteLength
    socket.on('message', (data, isBinary) => {
      if (isBinary) missing -= take(data) ?? 0
      else missing += Number(data)
      if (missing === 0) socket.send('done')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `${tls ? 'wss' : 'ws'}://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function worker(tls: TlsFiles | undefined): Promise<string> {
  const unwanted = async () => {}
  const mesh = await Mesh.listen({
    host: '127.0.0.1',
    port: 0,
    tls,
    meshKey,
    self: 'receiver',
    limit,
    onTransfer: () => {},
    relay: unwanted,
  })
  return mesh.url as string
}

const tls = certificate()
const cases: Record<string, Task> = {}
for (const [scheme, files] of [['ws', undefined], ...(tls ? ([['wss', tls]] as const) : [])] as const) {
  const [plain, transfers, mesh] = [await receiver('plain', files), await receiver('transfers', files), await worker(files)]
  const common = { bytes: megabytes * 2 ** 20, tls: files, meshKey }
  cases[`${scheme} plain`] = { ...common, kind: 'plain', url: plain, isMasked: false }
  cases[`${scheme} plain, masked`] = { ...common, kind: 'plain', url: plain, isMasked: true }
  cases[`${scheme} transfers`] = { ...common, kind: 'transfers', url: transfers, isMasked: false }
  cases[`${scheme} mesh, 1 socket`] = { ...common, kind: 'mesh', url: mesh, sockets: 1 }
  cases[`${scheme} mesh, 2 sockets`] = { ...common, kind: 'mesh', url: mesh, sockets: 2 }
}

const sender = fork(fileURLToPath(new URL('reduce-sender.js', import.meta.url)), { serialization: 'advanced' })
interface Measurement {
  bytesPerSecond: number
  /** Processor time for 10⁹ bytes: what other work on the machine changes least. */
  senderSeconds: number
  receiverSeconds: number
}
async function measure(task: Task): Promise<Measurement> {
  sender.send(task)
  await once(sender, 'message')
  const cpu = process.cpuUsage()
  const [{ seconds, cpuSeconds }] = (await once(sender, 'message')) as [Answer]
  const { user, system } = process.cpuUsage(cpu)
  const perGigabyte = 1e9 / task.bytes
  return {
    bytesPerSecond: task.bytes / seconds,
    senderSeconds: cpuSeconds * perGigabyte,
    receiverSeconds: ((user + system) / 1e6) * perGigabyte,
  }
}

const rates: Record<string, Measurement[]> = Object.fromEntries(Object.keys(cases).map((name) => [name, []]))
for (let round = -1; round < rounds; round++)
  for (const [name, task] of Object.entries(cases)) {
    const measured = await measure(round < 0 ? { ...task, bytes: 64 * 2 ** 20 } : task)
    if (round >= 0) rates[name].push(measured)
  }
sender.disconnect()

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
const results = Object.entries(rates).map(([name, values]) => {
  const scheme = name.split(' ')[0]
  const ratioTo = (other: string) =>
    median(values.map(({ bytesPerSecond }, i) => bytesPerSecond / rates[`${scheme} ${other}`][i].bytesPerSecond))
  return {
    name,
    bytesPerSecond: Math.round(median(values.map(({ bytesPerSecond }) => bytesPerSecond))),
    senderSecondsPerGB: Number(median(values.map(({ senderSeconds }) => senderSeconds)).toFixed(3)),
    receiverSecondsPerGB: Number(median(values.map(({ receiverSeconds }) => receiverSeconds)).toFixed(3)),
    toPlain: Number(ratioTo('plain').toFixed(3)),
    toPlainMasked: Number(ratioTo('plain, masked').toFixed(3)),
  }
})

if (options.json) {
  const { model } = cpus()[0]
  console.log(
    JSON.stringify({ cpu: model, cores: availableParallelism(), node: process.version, megabytes, rounds, segmentBytes, results }, null, 2),
  )
} else {
  for (const { name, bytesPerSecond, toPlain, toPlainMasked, senderSecondsPerGB, receiverSecondsPerGB } of results)
    console.log(
      `${name.padEnd(20)} ${(bytesPerSecond / 1e9).toFixed(2)} GB/s  ${toPlain.toFixed(2)} of plain  ${toPlainMasked.toFixed(2)} of plain masked  processor s/GB: ${senderSecondsPerGB.toFixed(2)} sending, ${receiverSecondsPerGB.toFixed(2)} receiving`,
    )
}
process.exit()
