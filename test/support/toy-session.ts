import { setTimeout as sleep } from 'node:timers/promises'
import { type FileBytes, sha256 } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { EvaluationUnit } from '../../protocol/evaluation.ts'
import type { Job } from '../../protocol/job.ts'
import { methodOf } from '../../protocol/methods/index.ts'
import { normals } from '../../protocol/random.ts'
import { addInPlace, dot, TreeSum } from '../../protocol/tree.ts'
import type { JobSession } from '../../worker/session.ts'
import { flipBit } from './faulty-session.ts'

/*
 * Linear least squares with momentum in the place of a diffusion model: every bit depends on every micro-batch and on their order, and a
 * step takes as long as a test wants.
 */

export const toyParameters = 1000
const fields = 40

export interface ToyFaults {
  /** Size of the model, where it is not `toyParameters`: the same for all workers of a run. */
  parameters?: number
  /** The process starts, says `ready` and joins when it gets SIGUSR2: a newcomer that is there at once, however slow the machine is. */
  joinsOnSignal?: boolean
  /** Time of one micro-batch. */
  microBatchMs?: number
  /** Time for which step 1 holds the thread that computes. */
  blockMs?: number
  /** Version after which the parameters go astray. */
  astrayAt?: number
  /** Step in which one bit of one gradient flips, each time that it is computed. */
  flipsBitAt?: number
  /** Step whose loss is not a number. */
  nanAt?: number
  /** Measures what is not a number. */
  measuresNaN?: boolean
  /** Fails to open. */
  openError?: 'CHECKPOINT_FORMAT'
}

const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

function drawn(seed: number, step: number, sample: number, count: number): Float32Array {
  return normals({ seed, purpose: 'noise', step, sample }, new Float32Array(count))
}

function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

class ToySession implements JobSession {
  readonly summary
  readonly #job
  readonly #faults: ToyFaults
  readonly #count: number
  readonly #parameters: Float32Array
  readonly #momentum: Float32Array
  readonly #config: FileBytes
  #step = 0

  constructor(job: Exclude<Job, { kind: 'evaluate' }>, files: FileBytes[], faults: ToyFaults) {
    this.#job = job
    this.#faults = faults
    this.#config = files[0]
    this.#count = faults.parameters ?? toyParameters
    this.#parameters = drawn(job.seed, 0, 2 ** 20, this.#count)
    this.#momentum = new Float32Array(this.#count)
    this.summary = {
      parameterCount: this.#count,
      channels: [...methodOf(job.method.name).channels],
      microBatches: job.training.batchSize / job.training.microBatchSize,
      manifestDigest: sha256(Buffer.from('toy')),
      forgetDigest: sha256(Buffer.from('toy')),
      items: 100,
      forgetItems: 0,
      imageShape: [8, 8, 1] as [number, number, number],
      engine: 'toy',
    }
  }

  get step() {
    return this.#step
  }

  async partials(step: number, start: number, end: number, { signal, onMicroBatch }: { signal: AbortSignal; onMicroBatch(): void }) {
    const { microBatches, channels } = this.summary
    const sums = channels.map((channel, number) => ({
      channel,
      number,
      loss: new TreeSum<number>(microBatches, (a, b) => a + b),
      gradient: new TreeSum(microBatches, addInPlace),
    }))
    for (let index = start; index < end; index++) {
      await sleep(this.#faults.microBatchMs ?? 0)
      if (step === 1 && index === start) block(this.#faults.blockMs ?? 0)
      signal.throwIfAborted()
      for (const { number, loss, gradient } of sums) {
        const input = drawn(this.#job.seed, step, index * channels.length + number, fields)
        const weights = this.#parameters.subarray(0, fields)
        const error = dot(input, weights) - 1
        const value = new Float32Array(this.#count)
        for (let i = 0; i < this.#count; i++) value[i] = 1e-3 * error * input[i % fields] * (1 + i / 7) + 1e-4 * this.#parameters[i]
        loss.put({ level: 0, index }, this.#faults.nanAt === step ? Number.NaN : error * error)
        gradient.put({ level: 0, index }, value)
      }
      onMicroBatch()
    }
    const partials = sums.flatMap(({ channel, loss, gradient }) =>
      gradient.nodes().map(({ node, value }, i) => ({ channel, node, loss: loss.nodes()[i].value, gradient: value })),
    )
    if (step === this.#faults.flipsBitAt) flipBit(partials[0].gradient)
    return partials
  }

  apply(_step: number, direction: Float32Array) {
    for (let i = 0; i < this.#count; i++) {
      this.#momentum[i] = 0.9 * this.#momentum[i] + direction[i]
      this.#parameters[i] -= 0.05 * this.#momentum[i]
    }
    this.#step += 1
    if (this.#step === this.#faults.astrayAt) this.#parameters[0] += 1
    return this.digest()
  }

  digest() {
    return sha256(bytesOf(this.#parameters))
  }

  exportState() {
    const state = new Float32Array(1 + 2 * this.#count)
    state[0] = this.#step
    state.set(this.#parameters, 1)
    state.set(this.#momentum, 1 + this.#count)
    return bytesOf(state)
  }

  importState(bytes: Uint8Array) {
    const state = new Float32Array(bytes.slice().buffer)
    this.#step = state[0]
    this.#parameters.set(state.subarray(1, 1 + this.#count))
    this.#momentum.set(state.subarray(1 + this.#count))
  }

  checkpointFiles() {
    return [this.#config, { path: 'diffusion_pytorch_model.safetensors', bytes: bytesOf(this.#parameters).slice() }]
  }

  async evaluate(unit: EvaluationUnit) {
    await sleep((this.#faults.microBatchMs ?? 0) * unit.count)
    const values = Array.from({ length: unit.count }, (_, i) =>
      this.#faults.measuresNaN ? Number.NaN : Math.abs(this.#parameters[unit.start + i]),
    )
    return { values, images: new Uint8Array(0) }
  }

  referenceImage() {
    return null
  }

  dispose() {}
}

export function toyOpener(faults: ToyFaults = {}) {
  return async (job: Job, files: FileBytes[]): Promise<JobSession> => {
    if (faults.openError) throw new LetheError(faults.openError, { message: 'the toy does not open' })
    if (job.kind === 'evaluate') throw new LetheError('INTERNAL', { message: 'the toy only trains' })
    return new ToySession(job, files, faults)
  }
}
