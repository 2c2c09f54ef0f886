import * as tf from '@tensorflow/tfjs'
import type { StepJob } from '../protocol/job.ts'
import { methodOf } from '../protocol/methods/index.ts'
import type { HostBatch } from './batch.ts'
import type { Engine, HostTensor, HostTensorMap, Program, Signature, TensorMap } from './engine/engine.ts'
import type { Model } from './model.ts'
import { lossesOf } from './unlearning/index.ts'
import { fedInputs, isClassInput, type LossInput, type LossInputs, lossInputShapes } from './unlearning/losses.ts'

/** Loss and flat gradient of one channel on one micro-batch, both already divided by the size of the whole batch. */
export interface ChannelGradient {
  channel: string
  loss: number
  gradient: Float32Array
}

const parameterPrefix = 'p:'
const originalPrefix = 'o:'

export interface GradientOptions {
  /** Samples of a micro-batch. */
  rows: number
  /** The loss is the sum over rows divided by this. */
  batchSize: number
  /** Parameters that the run began with; they must not change afterwards. */
  original: Float32Array
  /** Channels to compute; all others come out as zero. All, where it is not given. */
  channels?: readonly string[]
  /** In place of the method's own. */
  losses?: Pick<ReturnType<typeof lossesOf>, 'needs' | 'targets' | 'asksOriginal' | 'losses'>
}

/** The gradient work of a job on one micro-batch, compiled once. */
export class GradientProgram {
  readonly #program: Program
  readonly #model: Model
  readonly #needs: readonly LossInput[]
  readonly #all: readonly string[]
  readonly #computed: readonly string[]
  /** Parameters that the run began with, where targets ask for them. */
  readonly #original: Float32Array | null

  private constructor(
    program: Program,
    model: Model,
    {
      needs,
      all,
      computed,
      original,
    }: { needs: LossInput[]; all: readonly string[]; computed: readonly string[]; original: Float32Array | null },
  ) {
    this.#program = program
    this.#model = model
    this.#needs = needs
    this.#all = all
    this.#computed = computed
    this.#original = original
  }

  static async compile(engine: Engine, model: Model, method: StepJob['method'], options: GradientOptions): Promise<GradientProgram> {
    const { rows, batchSize, original } = options
    const all = methodOf(method.name).channels
    const { channels = all } = options
    const { targets, asksOriginal = false, losses, ...own } = options.losses ?? lossesOf(method.name)
    const needs = fedInputs(own.needs, model.classCount > 0)
    const shapes = lossInputShapes(rows, model.imageShape)
    const signature: Signature = {}
    for (const { name, shape } of model.specs) {
      signature[parameterPrefix + name] = { shape }
      if (asksOriginal) signature[originalPrefix + name] = { shape }
    }
    for (const name of needs) signature[name] = { shape: shapes[name], dtype: isClassInput(name) ? 'int32' : 'float32' }

    const program = await engine.compile((tensors: TensorMap) => {
      const names = model.specs.map((spec) => spec.name)
      const parameters = names.map((name) => tensors[parameterPrefix + name])
      const outputs: TensorMap = {}
      const inputs = tensors as unknown as LossInputs
      const teacher = (prefix: string) => model.predictor(Object.fromEntries(names.map((name) => [name, tensors[prefix + name]])))
      // Before anything is differentiated: constants.
      const constants = targets?.({ current: teacher(parameterPrefix), original: teacher(originalPrefix) }, inputs, method as never) ?? {}
      for (const channel of channels) {
        const loss = (...values: tf.Tensor[]) => {
          const network = model.forward(Object.fromEntries(values.map((value, i) => [names[i], value])))
          const perSample = losses(network, inputs, method as never, constants) as Record<string, tf.Tensor>
          return tf.mul(tf.sum(perSample[channel]), 1 / batchSize) as tf.Scalar
        }
        const { value, grads } = tf.valueAndGrads(loss)(parameters)
        outputs[`${channel}:loss`] = value
        for (const [i, grad] of grads.entries()) outputs[`${channel}:${names[i]}`] = grad
      }
      return outputs
    }, signature)
    return new GradientProgram(program, model, { needs, all, computed: channels, original: asksOriginal ? original : null })
  }

  async run(parameters: Float32Array, batch: HostBatch): Promise<ChannelGradient[]> {
    const inputs: HostTensorMap = Object.fromEntries(this.#needs.map((name) => [name, batch[name] as HostTensor]))
    for (const { name, shape, data } of this.#model.views(parameters)) inputs[parameterPrefix + name] = { shape, data }
    if (this.#original)
      for (const { name, shape, data } of this.#model.views(this.#original)) inputs[originalPrefix + name] = { shape, data }
    const outputs = await this.#program.run(inputs)
    return this.#all.map((channel) => {
      const gradient = new Float32Array(this.#model.parameterCount)
      if (!this.#computed.includes(channel)) return { channel, loss: 0, gradient }
      for (const { name, data } of this.#model.views(gradient)) data.set(outputs[`${channel}:${name}`].data)
      return { channel, loss: outputs[`${channel}:loss`].data[0], gradient }
    })
  }

  dispose(): void {
    this.#program.dispose()
  }
}
