import type { StepJob } from '../protocol/job.ts'
import { methodOf } from '../protocol/methods/index.ts'
import { channelsIn, type RoundPhase, type Rounds, roundAt, roundsOf } from '../protocol/rounds.ts'
import type { BatchSource, HostBatch } from './batch.ts'
import type { Engine } from './engine/engine.ts'
import type { Model } from './model.ts'
import { type ChannelGradient, GradientProgram } from './step.ts'
import { addFisherPenalty, squared } from './unlearning/fisher.ts'
import { lossesOf } from './unlearning/index.ts'

export interface GradientsOptions {
  engine: Engine
  model: Model
  job: StepJob
  batches: BatchSource
  /** Parameters that the run began with; they must not change afterwards. */
  original: Float32Array
}

/** Which gradients a round of the job is made of, one program for each phase that it has. */
export class Gradients {
  readonly #options: GradientsOptions
  readonly #rounds: Rounds
  readonly #programs: ReadonlyMap<RoundPhase, GradientProgram>

  private constructor(options: GradientsOptions, rounds: Rounds, programs: ReadonlyMap<RoundPhase, GradientProgram>) {
    this.#options = options
    this.#rounds = rounds
    this.#programs = programs
  }

  static async compile(options: GradientsOptions): Promise<Gradients> {
    const { engine, model, job, original } = options
    const { microBatchSize, batchSize } = job.training
    const rounds = roundsOf(job)
    const phases: RoundPhase[] = [
      'update',
      ...(rounds.prepare > 0 ? (['prepare'] as const) : []),
      ...(rounds.inner > 0 ? (['inner'] as const) : []),
    ]
    const programs = new Map<RoundPhase, GradientProgram>()
    for (const phase of phases) {
      const isFisher = phase === 'prepare' && methodOf(job.method.name).prepare?.of === 'fisher'
      const sizes = isFisher ? { rows: 1, batchSize: 1 } : { rows: microBatchSize, batchSize }
      const channels = channelsIn(job.method, phase)
      const losses = lossesOf(job.method.name)
      const own = (phase === 'prepare' && losses.prepare) || losses
      programs.set(phase, await GradientProgram.compile(engine, model, job.method, { ...sizes, original, channels, losses: own }))
    }
    return new Gradients(options, rounds, programs)
  }

  /** All channels of one micro-batch of a round. `prepared` is what the `prepare` rounds added up to. */
  async run(step: number, microBatch: number, parameters: Float32Array, prepared: Float32Array | null): Promise<ChannelGradient[]> {
    const { job, batches, original } = this.#options
    const { phase } = roundAt(this.#rounds, step)
    const program = this.#programs.get(phase) as GradientProgram
    const batch = batches.draw(step, microBatch)
    const { prepare } = methodOf(job.method.name)
    if (phase === 'prepare' && prepare?.of === 'fisher') return this.#fisher(program, parameters, batch)
    const gradients = await program.run(parameters, batch)
    // It depends on parameters alone, so it enters the sum once, with the first micro-batch.
    if (phase === 'update' && microBatch === 0 && prepared !== null && prepare?.of === 'fisher') {
      const penalised = gradients.find(({ channel }) => channel === prepare.penalised) as ChannelGradient
      penalised.loss += addFisherPenalty(penalised.gradient, {
        parameters,
        original,
        fisher: prepared,
        rounds: this.#rounds.prepare,
        lambda: prepare.lambda(job.method as never),
      })
    }
    return gradients
  }

  /** Squares of the gradients of single samples, added up and divided by the size of the batch. */
  async #fisher(program: GradientProgram, parameters: Float32Array, batch: HostBatch): Promise<ChannelGradient[]> {
    const { microBatchSize, batchSize } = this.#options.job.training
    let sum: ChannelGradient[] | null = null
    for (let row = 0; row < microBatchSize; row++) {
      const one = await program.run(parameters, rowOf(batch, row))
      sum = squared(one, sum, batchSize)
    }
    return sum ?? []
  }

  dispose(): void {
    for (const program of this.#programs.values()) program.dispose()
  }
}

/** The same with one row. */
function rowOf(batch: HostBatch, row: number): HostBatch {
  return Object.fromEntries(
    Object.entries(batch).map(([name, { shape, data }]) => {
      const width = data.length / shape[0]
      return [name, { shape: [1, ...shape.slice(1)], data: data.slice(row * width, (row + 1) * width) }]
    }),
  )
}
