import * as tf from '@tensorflow/tfjs'
import type { StepJob } from '../protocol/job.ts'
import { methodOf } from '../protocol/methods/index.ts'
import type { HostBatch } from './batch.ts'
import type { Engine, HostTensorMap, Program, Signature, TensorMap } from './engine/engine.ts'
import type { Model } from './model.ts'
import { lossesOf } from './unlearning/index.ts'
import { fedInputs, isClassInput, type LossInputs, lossInputShapes } from './unlearning/losses.ts'

/** Loss and flat gradient of one channel on one micro-batch, both already divided by the size of the whole batch. */
export interface ChannelGradient {
  channel: string
  loss: number
  gradient: Float32Array
}

const parameterPrefix = 'p:'
const originalPrefix = 'o:'

/** The gradient work of a job on one micro-batch, compiled once. */
export class GradientProgram {
  readonly #program: Program
  readonly #model: Model
  readonly #channels: readonly string[]
  /** Parameters that the run began with, where targets ask for them. */
  readonly #original: Float32Array | null

  private constructor(program: Program, model: Model, channels: readonly string[], original: Float32Array | null) {
    this.#program = program
    this.#model = model
    this.#channels = channels
    this.#original = original
  }

  /** `rows` samples a micro-batch; the loss is the sum over them divided by `batchSize`. `original` must not change afterwards. */
  static async compile(
    engine: Engine,
    model: Model,
    method: StepJob['method'],
    { rows, batchSize, original }: { rows: number; batchSize: number; original: Float32Array },
  ): Promise<GradientProgram> {
    const { channels } = methodOf(method.name)
    const { needs, targets, asksOriginal = false, losses } = lossesOf(method.name)
    const shapes = lossInputShapes(rows, model.imageShape)
    const signature: Signature = {}
    for (const { name, shape } of model.specs) {
      signature[parameterPrefix + name] = { shape }
      if (asksOriginal) signature[originalPrefix + name] = { shape }
    }
    for (const name of fedInputs(needs, model.isConditional))
      signature[name] = { shape: shapes[name], dtype: isClassInput(name) ? 'int32' : 'float32' }

    const program = await engine.compile((tensors: TensorMap) => {
      const names = model.specs.map((spec) => spec.name)
      const parameters = names.map((name) => tensors[parameterPrefix + name])
      const outputs: TensorMap = {}
      const inputs = tensors as unknown as LossInputs
      const network = (prefix: string) => model.predictor(Object.fromEntries(names.map((name) => [name, tensors[prefix + name]])))
      // Before anything is differentiated: constants.
      const constants = targets?.({ current: network(parameterPrefix), original: network(originalPrefix) }, inputs, method as never) ?? {}
      for (const channel of channels) {
        const loss = (...values: tf.Tensor[]) => {
          const predict = model.predictor(Object.fromEntries(values.map((value, i) => [names[i], value])))
          const perSample = losses(predict, inputs, method as never, constants) as Record<string, tf.Tensor>
          return tf.mul(tf.sum(perSample[channel]), 1 / batchSize) as tf.Scalar
        }
        const { value, grads } = tf.valueAndGrads(loss)(parameters)
        outputs[`${channel}:loss`] = value
        for (const [i, grad] of grads.entries()) outputs[`${channel}:${names[i]}`] = grad
      }
      return outputs
    }, signature)
    return new GradientProgram(program, model, channels, asksOriginal ? original : null)
  }

  async run(parameters: Float32Array, batch: HostBatch): Promise<ChannelGradient[]> {
    const inputs: HostTensorMap = { ...(batch as HostTensorMap) }
    for (const { name, shape, data } of this.#model.views(parameters)) inputs[parameterPrefix + name] = { shape, data }
    if (this.#original)
      for (const { name, shape, data } of this.#model.views(this.#original)) inputs[originalPrefix + name] = { shape, data }
    const outputs = await this.#program.run(inputs)
    return this.#channels.map((channel) => {
      const gradient = new Float32Array(this.#model.parameterCount)
      for (const { name, data } of this.#model.views(gradient)) data.set(outputs[`${channel}:${name}`].data)
      return { channel, loss: outputs[`${channel}:loss`].data[0], gradient }
    })
  }

  dispose(): void {
    this.#program.dispose()
  }
}
