import { ErrorFeedback, fromBf16 } from '../../protocol/bf16.ts'
import { combineInPlace } from '../../protocol/blocks.ts'
import type { CoordinatorMessage, Slice, StepFigures, WorkerMessage } from '../../protocol/messages.ts'
import { addInPlace, leavesOf, type TreeNode, type TreeSum } from '../../protocol/tree.ts'
import { digestOf, lengthOf, type ModelJob, methodOf, type Partial, productsOf, scaled } from './model.ts'
import { sumOf } from './sums.ts'
import type { World } from './world.ts'

export type MeshMessage =
  | { type: 'piece'; epoch: number; step: number; channel: string; node: TreeNode; values: Float32Array }
  | { type: 'share'; epoch: number; step: number; start: number; values: Float32Array }

export interface ExchangeOptions {
  world: World
  job: ModelJob
  self: string
  isExact: boolean
  send(to: string, message: MeshMessage): void
  report(message: WorkerMessage): void
}

interface Gathering {
  epoch: number
  step: number
  values: Float32Array
  missing: number
  isDone: boolean
}

type Combine = Extract<CoordinatorMessage, { type: 'combine' }>

/** Reduction among workers as `worker/exchange` does it: owners sum pieces up the tree, combine, and share. */
export class ModelExchange {
  readonly #options: ExchangeOptions
  #epoch = -1
  #step = -1
  #slices: readonly Slice[] = []
  #sums = new Map<string, TreeSum<Float32Array>>()
  #isSliced = false
  #early: Extract<MeshMessage, { type: 'piece' }>[] = []
  #gatherings: Gathering[] = []
  #figures: Combine | null = null
  readonly #feedback = new Map<string, ErrorFeedback>()
  late = 0

  constructor(options: ExchangeOptions) {
    this.#options = options
  }

  get #own(): Slice | undefined {
    return this.#slices.find(({ worker }) => worker === this.#options.self)
  }

  begin(epoch: number, step: number, slices: readonly Slice[]): void {
    if (epoch <= this.#epoch) return
    const { job, world } = this.#options
    this.#epoch = epoch
    this.#step = step
    this.#slices = slices
    this.#isSliced = false
    this.#sums = new Map(methodOf(job).channels.map((channel) => [channel, sumOf(world.flaw, job.microBatches, addInPlace)]))
    this.#gatherings = this.#gatherings.filter((one) => one.step < step || one.epoch >= epoch)
    const early = this.#early
    this.#early = early.filter((piece) => piece.epoch > epoch)
    for (const piece of early) if (piece.epoch === epoch) this.#take(piece)
  }

  contribute(partials: readonly Partial[], epoch: number, step: number): void {
    const { job, self, send, isExact } = this.#options
    for (const { channel, node, gradient } of partials) {
      const rounded = isExact ? gradient : this.#round(channel, 0, gradient)
      for (const slice of this.#slices) {
        const { start, end } = scaled(slice, job)
        const piece = { type: 'piece', epoch, step, channel, node, values: rounded.slice(start, end) } as const
        if (slice.worker === self) this.accept(piece)
        else send(slice.worker, piece)
      }
    }
  }

  accept(message: MeshMessage): void {
    if (message.type === 'share') this.#takeShare(message)
    else if (message.epoch > this.#epoch) this.#early.push(message)
    else if (message.epoch === this.#epoch || (this.#options.world.flaw === 'takesOldEpochs' && message.step === this.#step))
      this.#take(message)
    else this.late += 1
  }

  #take({ channel, node, values }: Extract<MeshMessage, { type: 'piece' }>): void {
    const { job, report } = this.#options
    const sum = this.#sums.get(channel)
    const own = this.#own
    if (!sum || !own) return
    const { start, end } = leavesOf(node, job.microBatches)
    if (sum.covers(start, end)) {
      this.late += 1
      return
    }
    sum.put(node, values)
    const roots = [...this.#sums.values()].map((one) => one.root())
    if (this.#isSliced || roots.some((root) => root === undefined)) return
    this.#isSliced = true
    report({ type: 'sliced', epoch: this.#epoch, step: this.#step, products: productsOf(roots as Float32Array[], job.perBlock) })
  }

  combine(message: Combine): void {
    this.#figures = message
    const { job, self, send, isExact } = this.#options
    const { epoch, step, coefficients, to } = message
    const own = this.#own
    if (epoch !== this.#epoch || !own) return
    const { channels } = methodOf(job)
    const roots = channels.map((channel) => this.#sums.get(channel)?.root() as Float32Array)
    const factors = channels.map((channel) => coefficients[channel])
    const combined = combineInPlace(roots, factors)
    const { start } = scaled(own, job)
    const values = isExact ? combined : this.#round('', start, combined)
    for (const worker of to) {
      const share = { type: 'share', epoch, step, start, values } as const
      if (worker === self) this.accept(share)
      else send(worker, share)
    }
  }

  #takeShare({ epoch, step, start, values }: Extract<MeshMessage, { type: 'share' }>): void {
    const length = lengthOf(this.#options.job)
    let gathering = this.#gatherings.find((one) => one.epoch === epoch)
    if (!gathering) {
      gathering = { epoch, step, values: new Float32Array(length), missing: length, isDone: false }
      this.#gatherings.push(gathering)
    }
    gathering.values.set(values, start)
    gathering.missing -= values.length
    if (gathering.missing > 0 || gathering.isDone) return
    gathering.isDone = true
    this.#options.report({ type: 'gathered', epoch, step, sha256: digestOf(gathering.values) })
  }

  /** The direction that shares made, with its figures where they are known. */
  take(epoch: number, step: number): { values: Float32Array; figures: StepFigures | null } {
    const gathering = this.#gatherings.find((one) => one.epoch === epoch && one.isDone)
    if (!gathering) this.#options.world.violate('protocol', `the direction of step ${step} is to be applied before it is there`)
    this.#gatherings = this.#gatherings.filter((one) => one !== gathering)
    return { values: gathering.values, figures: this.#figures?.epoch === epoch ? this.#figures.figures : null }
  }

  /** To bf16 and back; what is lost is added to the next one. */
  #round(channel: string, start: number, values: Float32Array): Float32Array {
    const feedback = this.#feedback.get(channel) ?? new ErrorFeedback(lengthOf(this.#options.job))
    this.#feedback.set(channel, feedback)
    return fromBf16(Buffer.from(feedback.encode(values, start)))
  }
}
