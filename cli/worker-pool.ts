import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { makeDirectory } from '../coordinator/storage/directory.ts'
import { diskError } from '../coordinator/storage/files.ts'
import { type ErrorCode, errorTable, LetheError } from '../protocol/errors.ts'
import type { SecurityOptions } from './security.ts'

const deathsWithoutProgress = 5
const firstRestartDelayMs = 200
const stopGraceMs = 3000
const logTailBytes = 8192

export interface WorkerPoolOptions {
  workers: number
  /** Environment variables of each worker, such as its join token. */
  env: Record<string, string>
  /** Arguments of node. */
  args: readonly string[]
  /** Folder that gets worker-1.log and so on. */
  logs: string
  onNotice(message: string): void
}

interface LocalWorkerOptions extends Pick<SecurityOptions, 'tlsCert' | 'tlsKey' | 'tlsCa' | 'busCredentials' | 'insecure'> {
  cluster: string
}

/** The command line of a worker on this machine; it names files, never what is in them. */
export function localWorkerArgs(bus: string, options: LocalWorkerOptions): string[] {
  const { cluster, tlsCert, tlsKey, tlsCa, busCredentials, insecure } = options
  const named = { cluster, 'tls-cert': tlsCert, 'tls-key': tlsKey, 'tls-ca': tlsCa, 'bus-credentials': busCredentials }
  const given = Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]))
  return [fileURLToPath(new URL('lethe.js', import.meta.url)), 'worker', '--bus', bus, ...given, ...(insecure ? ['--insecure'] : [])]
}

/**
 * Local worker processes. One that dies is started again, after a pause that doubles while nothing is achieved; after five deaths
 * without a `progressed()` between them, `failed` rejects with RUN_NO_WORKERS.
 */
export class WorkerPool {
  /** Never resolves. Rejects with STORAGE_* where a log cannot be opened too. */
  readonly failed: Promise<never>
  readonly #options: WorkerPoolOptions
  readonly #children = new Map<number, ChildProcess>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #fail: (error: LetheError) => void = () => {}
  #deaths = 0
  #stopping = false

  constructor(options: WorkerPoolOptions) {
    this.#options = options
    this.failed = new Promise((_, reject) => {
      this.#fail = reject
    })
    this.failed.catch(() => {})
    process.once('exit', this.#killAll)
    for (let worker = 1; worker <= options.workers; worker++) this.#start(worker)
  }

  /** A step was committed or a measurement arrived: whatever killed workers before does not stop the run. */
  progressed(): void {
    this.#deaths = 0
  }

  /** Ends every worker, politely first. */
  async stop(): Promise<void> {
    this.#stopping = true
    for (const timer of this.#timers) clearTimeout(timer)
    const ended = [...this.#children.values()].map((child) => new Promise((resolve) => child.once('close', resolve)))
    for (const child of this.#children.values()) child.kill('SIGTERM')
    const grace = setTimeout(this.#killAll, stopGraceMs)
    await Promise.all(ended)
    clearTimeout(grace)
    process.off('exit', this.#killAll)
  }

  readonly #killAll = (): void => {
    for (const child of this.#children.values()) child.kill('SIGKILL')
  }

  #openLog(worker: number): number | undefined {
    const path = join(this.#options.logs, `worker-${worker}.log`)
    try {
      makeDirectory(this.#options.logs)
      return openSync(path, 'a+')
    } catch (cause) {
      this.#fail(diskError(cause, `cannot open ${path}`))
      return undefined
    }
  }

  #start(worker: number): void {
    const log = this.#openLog(worker)
    if (log === undefined) return
    const startsAt = fstatSync(log).size
    const child = spawn(process.execPath, this.#options.args, {
      env: { ...process.env, ...this.#options.env },
      stdio: ['ignore', log, log],
      // Out of the terminal's process group, so that Ctrl-C reaches this process alone and workers end in good order.
      detached: true,
    })
    this.#children.set(worker, child)
    child.once('error', (error) => this.#fail(new LetheError('RUN_NO_WORKERS', { message: 'cannot start a worker process', cause: error })))
    child.once('close', (code, signal) => {
      this.#children.delete(worker)
      const said = lastError(log, startsAt)
      closeSync(log)
      if (!this.#stopping) this.#died(worker, said ?? (signal ? `ended by ${signal}` : `exit status ${code}`))
    })
  }

  #died(worker: number, reason: string): void {
    this.#deaths++
    if (this.#deaths >= deathsWithoutProgress) {
      const message = `workers died ${this.#deaths} times without a step between; the last one: ${reason}`
      this.#fail(new LetheError('RUN_NO_WORKERS', { message, hint: `See ${this.#options.logs}.` }))
      return
    }
    // Told when it is done: a death that ends the run is told by the run.
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer)
        this.#options.onNotice(`worker process ${worker} died (${reason}); starting another`)
        this.#start(worker)
      },
      firstRestartDelayMs * 2 ** (this.#deaths - 1),
    )
    this.#timers.add(timer)
  }
}

/** The line by which the command ends with an error, of what a worker wrote from `startsAt` on. */
function lastError(log: number, startsAt: number): string | undefined {
  const { size } = fstatSync(log)
  const from = Math.max(startsAt, size - logTailBytes)
  const tail = Buffer.alloc(size - from)
  readSync(log, tail, 0, tail.length, from)
  const lines = stripVTControlCharacters(tail.toString('utf8')).split('\n')
  const line = lines.findLast((one) => one.startsWith('error '))?.slice('error '.length)
  return line && (line.split(':')[0] as ErrorCode) in errorTable ? line.replace(/\.$/, '') : undefined
}
