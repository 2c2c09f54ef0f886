import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Debian puts the server where ordinary users' paths do not look. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/local/bin` }

export interface NatsServer {
  /** nats://127.0.0.1:port */
  url: string
  /** nats+ws://127.0.0.1:port */
  wsUrl: string
  port: number
  wsPort: number
  /** Holds its store and its configuration. */
  folder: string
  readonly pid: number
  /** What it wrote to its log so far. */
  log(): string
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>
  /** SIGSTOP. */
  stopProcess(): void
  /** SIGCONT. */
  continueProcess(): void
  /** Kills it where it runs, then starts it on the same store and ports. */
  restart(): Promise<void>
}

/** A test, as far as this needs one. */
interface Test {
  teardown(end: () => unknown): unknown
}

interface NatsServerOptions {
  /** Replaces the whole configuration; the ports are those that it must listen on. */
  config?(ports: { port: number; wsPort: number; folder: string }): string
  /** Arguments beside the configuration. */
  args?: string[]
}

const plain = ({ port, wsPort, folder }: { port: number; wsPort: number; folder: string }) => `
listen: "127.0.0.1:${port}"
jetstream { store_dir: ${JSON.stringify(join(folder, 'store'))} }
websocket { listen: "127.0.0.1:${wsPort}", no_tls: true }
`

/** A real nats-server with JetStream on free ports, with a store of its own; it ends with the test. */
export async function startNats(t: Test, { config = plain, args = [] }: NatsServerOptions = {}): Promise<NatsServer> {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-nats-'))
  const [port, wsPort] = await freePorts(2)
  const file = join(folder, 'nats-server.conf')
  writeFileSync(file, config({ port, wsPort, folder }), { mode: 0o600 })
  let log = ''
  let child: ChildProcess
  let isKilled = false

  const start = async () => {
    const one = spawn('nats-server', ['-c', file, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] })
    child = one
    isKilled = false
    let problem = ''
    one.on('error', (error) => {
      problem = `nats-server cannot be started: ${error.message}. Install it (apt-get install nats-server) to run this test.`
    })
    one.on('exit', (code, signal) => {
      if (!isKilled) console.error(`nats-server ended by itself (${code ?? signal}):\n${log}`)
    })
    one.stderr.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-100_000)
    })
    for (const begin = performance.now(); performance.now() - begin < 20_000; await sleep(20)) {
      if (problem !== '') throw new Error(problem)
      if (one.exitCode !== null) throw new Error(`nats-server ended with ${one.exitCode}:\n${log}`)
      if (log.includes('Server is ready') && (await accepts(port)) && (await accepts(wsPort))) return
    }
    throw new Error(`nats-server does not listen:\n${log}`)
  }
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
    isKilled = true
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  t.teardown(async () => {
    await kill()
    rmSync(folder, { recursive: true, force: true })
  })
  await start()
  return {
    url: `nats://127.0.0.1:${port}`,
    wsUrl: `nats+ws://127.0.0.1:${wsPort}`,
    port,
    wsPort,
    folder,
    get pid() {
      return child.pid as number
    },
    log: () => log,
    kill,
    stopProcess: () => void child.kill('SIGSTOP'),
    continueProcess: () => void child.kill('SIGCONT'),
    restart: async () => {
      await kill()
      log = ''
      await start()
    },
  }
}

/** Ports that nobody listens on; all are held until all are known, so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
