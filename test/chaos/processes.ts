import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface Ended {
  status: number | null
  signal: NodeJS.Signals | null
}

export interface Started {
  readonly pid: number
  readonly ended: Promise<Ended>
  readonly isAlive: boolean
  /** Wall clock, by which processes of one machine agree. */
  readonly startedAt: number
  stdout(): string
  /** The last part of it. */
  stderr(): string
  signal(name: NodeJS.Signals): void
}

interface StartOptions {
  cwd?: string
  env?: Record<string, string>
  /** File that gets all of stderr. */
  log: string
  /** Whole lines of either stream. */
  onLine?(line: string): void
}

const keptStderr = 20_000

/** Makes lines of chunks. */
function lines(onLine: (line: string) => void): (text: string) => void {
  let rest = ''
  return (text) => {
    const whole = (rest + text).split('\n')
    rest = whole.pop() ?? ''
    for (const line of whole) onLine(line)
  }
}

/** Processes that end with this one, whatever ends it: a watchdog in a group of its own sees to that. */
export class Processes {
  readonly #watchdog: ChildProcess
  readonly #alive = new Set<ChildProcess>()

  constructor() {
    const script = fileURLToPath(new URL('watchdog.js', import.meta.url))
    this.#watchdog = spawn(process.execPath, [script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
    this.#watchdog.stdin?.on('error', () => {})
    this.#watchdog.unref()
  }

  /** A process that somebody else started, until `forget`. */
  guard(pid: number): void {
    this.#watchdog.stdin?.write(`+${pid}\n`)
  }

  forget(pid: number): void {
    this.#watchdog.stdin?.write(`-${pid}\n`)
  }

  start(args: readonly string[], { cwd, env = {}, log, onLine = () => {} }: StartOptions): Started {
    const { LETHE_LOG: _log, LETHE_TOKEN: _token, FORCE_COLOR: _colour, ...inherited } = process.env
    const startedAt = Date.now()
    const child = spawn(process.execPath, args, { cwd, env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    const { pid } = child
    if (pid === undefined) throw new Error('a process cannot be started')
    this.guard(pid)
    this.#alive.add(child)
    const file = createWriteStream(log, { flags: 'a' })
    let [stdout, stderr] = ['', '']
    const [outLines, errorLines] = [lines(onLine), lines(onLine)]
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      outLines(text)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      file.write(text)
      stderr = (stderr + text).slice(-keptStderr)
      errorLines(text)
    })
    const ended = new Promise<Ended>((resolve) => {
      child.once('close', (status, signal) => {
        this.#alive.delete(child)
        this.forget(pid)
        file.end()
        resolve({ status, signal })
      })
    })
    return {
      pid,
      ended,
      startedAt,
      get isAlive() {
        return child.exitCode === null && child.signalCode === null
      },
      stdout: () => stdout,
      stderr: () => stderr,
      signal: (name) => void child.kill(name),
    }
  }

  /** Kills whatever runs, stopped or not. The watchdog ends too. */
  async close(): Promise<void> {
    const ends = [...this.#alive].map((child) => new Promise((resolve) => child.once('close', resolve)))
    for (const child of this.#alive) child.kill('SIGKILL')
    await Promise.all(ends)
    this.#watchdog.stdin?.end()
  }
}
