import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { type CoordinatorEvent, type CoordinatorOptions, startCoordinator } from '../../coordinator/main.ts'
import { type Job, jobSchema, type UnlearnJob } from '../../protocol/job.ts'
import type { ToyFaults } from './toy-session.ts'

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

export const token = 'a token of the tests'

export interface Started {
  child: ChildProcess
  /** Exit status, or the signal. */
  ended: Promise<number | string>
  stderr(): string
  onLine(listener: (line: string) => void): void
}

/** Starts a TypeScript file of this folder as a process that does not outlive the test. */
export function start(t: Test, file: string, args: string[]): Started {
  const child = spawn(process.execPath, ['--import', 'tsx', here(file), ...args], {
    env: { ...process.env, LETHE_TOKEN: token },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  t.teardown(() => child.kill('SIGKILL'))
  return {
    child,
    ended: new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'))),
    stderr: () => stderr,
    onLine: (listener) => {
      let rest = ''
      child.stdout.on('data', (chunk) => {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) listener(line)
      })
    },
  }
}

export const startWorker = (t: Test, bus: string, faults: ToyFaults = {}): Started =>
  start(t, 'toy-worker.ts', [bus, JSON.stringify(faults)])

interface ToyJobOptions {
  steps?: number
  checkpointEvery?: number
  method?: 'siss' | 'naive'
  keepLoss?: number
}

/** An unlearning job whose checkpoint is two small files in `folder`: enough for the toy session. */
export function toyJob(
  folder: string,
  { steps = 20, checkpointEvery = 5, method = 'siss', keepLoss = 20 }: ToyJobOptions = {},
): UnlearnJob {
  writeFileSync(join(folder, 'config.json'), '{}')
  writeFileSync(join(folder, 'diffusion_pytorch_model.safetensors'), 'weights')
  return jobSchema.parse({
    kind: 'unlearn',
    name: 'toy',
    seed: 7,
    model: { checkpoint: folder },
    data: { sources: [{ type: 'mnist' }], forget: { indices: [0] } },
    method: { name: method },
    training: { steps, batchSize: 22, microBatchSize: 2, checkpointEvery },
    evaluate: { keepLoss: { samples: keepLoss }, unitSize: 8 },
  }) as UnlearnJob
}

export interface ToyRunOptions extends Partial<CoordinatorOptions> {
  workers?: number
  faults?: ToyFaults[]
}

/** A coordinator in this process and workers in processes of their own. */
export async function startToyRun(t: Test, job: Job, out: string, { workers = 1, faults = [], ...rest }: ToyRunOptions = {}) {
  const events: CoordinatorEvent[] = []
  const listeners: ((event: CoordinatorEvent) => void)[] = []
  const coordinator = await startCoordinator({
    job,
    out,
    token,
    expectedWorkers: workers,
    ...rest,
    onEvent: (event) => {
      events.push(event)
      for (const listener of listeners) listener(event)
    },
  })
  coordinator.result.catch(() => {})
  t.teardown(() => coordinator.stop('the test is over'))
  const pool = Array.from({ length: workers }, (_, i) => startWorker(t, coordinator.bus, faults[i] ?? faults[0]))
  /** Resolves when so many steps, or samples of a measurement, are done. */
  const reached = (done: number, phase: 'train' | 'measure' = 'train') =>
    new Promise<void>((resolve) => {
      listeners.push((event) => {
        if (event.type === 'progress' && event.phase === phase && event.done >= done) resolve()
      })
    })
  return { ...coordinator, events, pool, reached }
}
