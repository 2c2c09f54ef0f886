import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const lethePath = fileURLToPath(new URL('../../cli/lethe.js', import.meta.url))
export const examplesPath = fileURLToPath(new URL('../../examples', import.meta.url))

export interface Finished {
  status: number | null
  stdout: string
  stderr: string
}

/** Runs the command as a user would, with a clean environment. */
export function lethe(args: readonly string[], { cwd, env = {} }: { cwd?: string; env?: Record<string, string> } = {}): Promise<Finished> {
  const { LETHE_LOG: _log, LETHE_TOKEN: _token, FORCE_COLOR: _colour, ...inherited } = process.env
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [lethePath, ...args], { cwd, env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    const finished = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      finished.stdout += chunk
    })
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      finished.stderr += chunk
    })
    child.once('error', reject)
    child.once('close', (status) => resolve({ status, ...finished }))
  })
}

/** Starts `lethe run`; `onStep` is called once, when that many steps are done. */
export function running(cwd: string, args: readonly string[], atStep: number, onStep: (pid: number) => void) {
  const child = spawn(process.execPath, [lethePath, 'run', ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  let isCalled = false
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    output.stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    output.stderr += chunk
    const done = [...output.stderr.matchAll(/^steps (\d+)\//gm)].map(([, step]) => Number(step))
    if (isCalled || !done.some((step) => step >= atStep)) return
    isCalled = true
    onStep(child.pid as number)
  })
  return new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once('close', (status) => resolve({ status, ...output }))
  })
}

/** Of a worker of `lethe run`, by its number. */
export function workerPid(out: string, worker: number): number {
  const [line] = readFileSync(join(out, `logs/worker-${worker}.log`), 'utf8').split('\n')
  return JSON.parse(line).pid
}
