import type { FileBytes } from '../protocol/digest.ts'
import { LetheError } from '../protocol/errors.ts'
import { modelMetadata, readModelConfig, readModelFiles, writeModelFiles } from './checkpoint/diffusers.ts'
import type { FloatTensor } from './checkpoint/safetensors.ts'
import type { TensorMap } from './engine/engine.ts'
import type { Classify, Forward, Network, NetworkKind, Predict } from './nn/network.ts'
import { openNetwork } from './nn/open.ts'
import { initialise, type ParameterSpec, size } from './nn/parameters.ts'

/** A network and the layout of its parameters in one flat vector. */
export class Model {
  readonly parameterCount: number
  readonly #network: Network
  readonly #configBytes: Uint8Array
  readonly #metadata: Record<string, string> | undefined

  private constructor(network: Network, configBytes: Uint8Array, metadata: Record<string, string> | undefined) {
    this.#network = network
    this.parameterCount = network.specs.reduce((sum, spec) => sum + size(spec), 0)
    this.#configBytes = configBytes
    this.#metadata = metadata
  }

  /** A new network with weights drawn from the seed. */
  static initialise(files: readonly FileBytes[], seed: number): { model: Model; parameters: Float32Array } {
    const { config, configBytes } = readModelConfig(files)
    const model = new Model(openNetwork(config), configBytes, modelMetadata)
    return { model, parameters: initialise(model.specs, seed) }
  }

  /** A network from a checkpoint folder. Throws CHECKPOINT_*. */
  static load(files: readonly FileBytes[]): { model: Model; parameters: Float32Array } {
    const { config, configBytes, tensors, metadata } = readModelFiles(files)
    const model = new Model(openNetwork(config), configBytes, metadata)
    return { model, parameters: model.flatten(tensors) }
  }

  /** Does it predict noise, or classes? */
  get kind(): NetworkKind {
    return this.#network.kind
  }

  get specs(): readonly ParameterSpec[] {
    return this.#network.specs
  }

  get imageShape(): [channels: number, height: number, width: number] {
    return this.#network.imageShape
  }

  /** Classes that condition the noise, 0 where none do; classes that a classifier tells apart. */
  get classCount(): number {
    return this.#network.classCount
  }

  /** Is the noise conditioned on classes? */
  get isConditional(): boolean {
    return this.kind === 'noise' && this.classCount > 0
  }

  /** The class that stands for no condition, the last one. @throws LetheError INTERNAL where there is none. */
  get nullClass(): number {
    const none = this.#network.nullClass
    if (none === null) throw new LetheError('INTERNAL', { message: 'the network has no class that stands for no condition' })
    return none
  }

  /** Views of a flat vector, one for each parameter, under their names. */
  views(flat: Float32Array): { name: string; shape: number[]; data: Float32Array }[] {
    let offset = 0
    return this.specs.map(({ name, shape }) => {
      const data = flat.subarray(offset, offset + size({ shape }))
      offset += data.length
      return { name, shape, data }
    })
  }

  flatten(tensors: ReadonlyMap<string, { shape: readonly number[]; data: Float32Array }>): Float32Array {
    const flat = new Float32Array(this.parameterCount)
    for (const { name, shape, data } of this.views(flat)) {
      const tensor = tensors.get(name)
      if (!tensor) throw new LetheError('CHECKPOINT_TENSORS', { message: `the weights lack tensor ${name}`, expected: `[${shape}]` })
      if (tensor.shape.join() !== shape.join()) {
        throw new LetheError('CHECKPOINT_TENSORS', {
          message: `tensor ${name} has another shape than config.json asks for`,
          expected: `[${shape}]`,
          received: `[${tensor.shape}]`,
        })
      }
      data.set(tensor.data)
    }
    const known = new Set(this.specs.map((spec) => spec.name))
    const extra = [...tensors.keys()].find((name) => !known.has(name))
    if (extra)
      throw new LetheError('CHECKPOINT_TENSORS', {
        message: `the weights hold a tensor that config.json does not describe`,
        received: extra,
      })
    return flat
  }

  /** The checkpoint folder for these parameters. */
  files(flat: Float32Array): FileBytes[] {
    const tensors: FloatTensor[] = this.views(flat).map((view) => ({ ...view, dtype: 'F32' }))
    return writeModelFiles({ configBytes: this.#configBytes, tensors, metadata: this.#metadata })
  }

  /** The network, of whatever kind, for parameters given as tensors under their names. */
  forward(parameters: TensorMap): Forward[NetworkKind] {
    return this.#network.forward(parameters)
  }

  /** ε_θ. A conditional network must be given classes, another must not. @throws LetheError INTERNAL for a classifier. */
  predictor(parameters: TensorMap): Predict {
    if (this.#network.kind !== 'noise') throw new LetheError('INTERNAL', { message: 'a classifier predicts no noise' })
    return this.#network.forward(parameters)
  }

  /** @throws LetheError INTERNAL for a network that predicts noise. */
  classifier(parameters: TensorMap): Classify {
    if (this.#network.kind !== 'classifier') throw new LetheError('INTERNAL', { message: 'a network that predicts noise has no logits' })
    return this.#network.forward(parameters)
  }
}
