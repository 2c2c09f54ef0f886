import type { FileBytes } from '../protocol/digest.ts'
import { LetheError } from '../protocol/errors.ts'
import { modelMetadata, readModelConfig, readModelFiles, writeModelFiles } from './checkpoint/diffusers.ts'
import type { FloatTensor } from './checkpoint/safetensors.ts'
import type { TensorMap } from './engine/engine.ts'
import { assertTrainable, nullClass, parseUNet2DConfig, sampleSize, type UNet2DConfig } from './nn/config.ts'
import { initialise, type ParameterSpec, size, unet2dParameters } from './nn/parameters.ts'
import { unet2d } from './nn/unet2d.ts'
import type { Predict } from './unlearning/losses.ts'

/** A network and the layout of its parameters in one flat vector. */
export class Model {
  readonly config: UNet2DConfig
  readonly specs: readonly ParameterSpec[]
  readonly parameterCount: number
  readonly #configBytes: Uint8Array
  readonly #metadata: Record<string, string> | undefined

  private constructor(config: UNet2DConfig, configBytes: Uint8Array, metadata: Record<string, string> | undefined) {
    assertTrainable(config)
    this.config = config
    this.specs = unet2dParameters(config)
    this.parameterCount = this.specs.reduce((sum, spec) => sum + size(spec), 0)
    this.#configBytes = configBytes
    this.#metadata = metadata
  }

  /** A new network with weights drawn from the seed. */
  static initialise(files: readonly FileBytes[], seed: number): { model: Model; parameters: Float32Array } {
    const { config, configBytes } = readModelConfig(files)
    const model = new Model(parseUNet2DConfig(config), configBytes, modelMetadata)
    return { model, parameters: initialise(model.specs, seed) }
  }

  /** A network from a diffusers folder. Throws CHECKPOINT_*. */
  static load(files: readonly FileBytes[]): { model: Model; parameters: Float32Array } {
    const { config, configBytes, tensors, metadata } = readModelFiles(files)
    const model = new Model(parseUNet2DConfig(config), configBytes, metadata)
    return { model, parameters: model.flatten(tensors) }
  }

  get imageShape(): [channels: number, height: number, width: number] {
    const { height, width } = sampleSize(this.config)
    return [this.config.in_channels, height, width]
  }

  /** Embeddings of classes; 0 for an unconditional network. */
  get classCount(): number {
    return this.config.num_class_embeds ?? 0
  }

  get isConditional(): boolean {
    return this.classCount > 0
  }

  /** The class that stands for no condition, the last one. @throws LetheError INTERNAL for an unconditional network. */
  get nullClass(): number {
    const none = nullClass(this.config)
    if (none === null) throw new LetheError('INTERNAL', { message: 'an unconditional network has no classes' })
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

  /** The diffusers folder for these parameters. */
  files(flat: Float32Array): FileBytes[] {
    const tensors: FloatTensor[] = this.views(flat).map((view) => ({ ...view, dtype: 'F32' }))
    return writeModelFiles({ configBytes: this.#configBytes, tensors, metadata: this.#metadata })
  }

  /** ε_θ for parameters given as tensors under their names. A conditional network must be given classes, another must not. */
  predictor(parameters: TensorMap): Predict {
    return (noisy, t, classes) => {
      if ((classes !== undefined) !== this.isConditional)
        throw new LetheError('INTERNAL', { message: `classes are ${classes ? '' : 'not '}given to a network of ${this.classCount}` })
      return unet2d(this.config, parameters, noisy, t, classes)
    }
  }
}
