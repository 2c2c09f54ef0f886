import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { median } from '../protocol/median.ts'
import { segmentBytes } from '../protocol/socket.ts'
import type { TlsFiles } from '../protocol/tls.ts'
import type { Answer, Task } from './reduce-end.ts'

/*
 * Bytes per second from one process to another on this machine: plain ws, our transfers, and the sockets between workers, each on the same
 * kind of socket and in pieces of the same size. Every measurement has two fresh processes; cases take turns, and ratios are those of
 * one round, so that what else the machine does hits all alike. A plain receiver looks at nothing; ours has checked every byte, and in the
 * mesh the sender knows of each segment that it arrived.
 *
 *   npm run bench:reduce -- --json --rounds 9 --megabytes 1024
 */

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    megabytes: { type: 'string', default: '512' },
  },
})
const [rounds, megabytes] = [options.rounds, options.megabytes].map(Number)
if (!Number.isInteger(rounds) || rounds < 1 || !Number.isInteger(megabytes / 64) || megabytes < 64) {
  console.error('--rounds takes a positive whole number, --megabytes a multiple of 64')
  process.exit(2)
}

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

const common = { bytes: megabytes * 2 ** 20, pieceBytes: segmentBytes, sockets: 1, isMasked: false }
const long = { ...common, pieceBytes: 16 * segmentBytes }
/** Each is compared with a message of plain ws of the same length. Between workers no transfer is longer than a segment. */
const kinds: Record<string, Omit<Task, 'tls' | 'url'>> = {
  plain: { ...common, kind: 'plain' },
  'plain, masked': { ...common, kind: 'plain', isMasked: true },
  mesh: { ...common, kind: 'mesh' },
  'mesh, 2 sockets': { ...common, kind: 'mesh', sockets: 2 },
  transfers: { ...common, kind: 'transfers' },
  'plain, long': { ...long, kind: 'plain' },
  'transfers, long': { ...long, kind: 'transfers' },
}
const tls = certificate()
const schemes: [string, TlsFiles | undefined][] = [['ws', undefined], ...(tls ? [['wss', tls] as [string, TlsFiles]] : [])]
const cases = schemes.flatMap(([scheme, files]) =>
  Object.entries(kinds).map(([name, task]) => ({ scheme, name: `${scheme} ${name}`, task: { ...task, tls: files } })),
)

interface Measurement {
  bytesPerSecond: number
  /** Processor time for 10⁹ bytes: what other work on the machine changes least. */
  senderSeconds: number
  receiverSeconds: number
}

const program = fileURLToPath(new URL('reduce-end.js', import.meta.url))

async function measure(task: Task): Promise<Measurement> {
  const [receiver, sender] = [fork(program), fork(program)]
  receiver.send(task)
  const [url] = await once(receiver, 'message')
  const received = once(receiver, 'message')
  sender.send({ ...task, url })
  const [[{ seconds, cpuSeconds }], [{ cpuSeconds: receiverSeconds }]] = (await Promise.all([once(sender, 'message'), received])) as [
    Answer,
  ][]
  for (const end of [receiver, sender]) end.disconnect()
  const gigabytes = task.bytes / 1e9
  return { bytesPerSecond: task.bytes / seconds, senderSeconds: cpuSeconds / gigabytes, receiverSeconds: receiverSeconds / gigabytes }
}

const measured = new Map<string, Measurement[]>(cases.map(({ name }) => [name, []]))
for (let round = 0; round < rounds; round++) for (const { name, task } of cases) measured.get(name)?.push(await measure(task))

const rounded = (value: number) => Number(value.toFixed(3))
const results = cases.map(({ scheme, name, task }) => {
  const own = measured.get(name) as Measurement[]
  const ratioTo = (other: string) => {
    const others = measured.get(`${scheme} ${other}`) as Measurement[]
    return rounded(median(own.map(({ bytesPerSecond }, i) => bytesPerSecond / others[i].bytesPerSecond)))
  }
  return {
    name,
    bytesPerSecond: Math.round(median(own.map(({ bytesPerSecond }) => bytesPerSecond))),
    toPlain: ratioTo(task.pieceBytes === segmentBytes ? 'plain' : 'plain, long'),
    toPlainMasked: ratioTo('plain, masked'),
    senderSecondsPerGB: rounded(median(own.map(({ senderSeconds }) => senderSeconds))),
    receiverSecondsPerGB: rounded(median(own.map(({ receiverSeconds }) => receiverSeconds))),
  }
})

if (options.json) {
  const machine = { cpu: cpus()[0].model, cores: availableParallelism(), node: process.version }
  console.log(JSON.stringify({ ...machine, megabytes, rounds, segmentBytes, results }, null, 2))
} else {
  console.log('                        GB/s   of plain   of masked   processor s/GB: sending, receiving')
  for (const { name, bytesPerSecond, ...figures } of results)
    console.log(
      [
        name.padEnd(20),
        ...[bytesPerSecond / 1e9, figures.toPlain, figures.toPlainMasked, figures.senderSecondsPerGB, figures.receiverSecondsPerGB].map(
          (value) => value.toFixed(2).padStart(9),
        ),
      ].join(''),
    )
}
