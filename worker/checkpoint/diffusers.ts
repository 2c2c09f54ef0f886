import { configFile, maxConfigBytes, weightsFileOf } from '../../protocol/checkpoint.ts'
import type { FileBytes } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { FloatTensor } from './safetensors.ts'
import { decodeSafetensors, encodeSafetensors, floats } from './safetensors.ts'

/*
 * A model as the diffusers library keeps it: a folder with config.json and, for a UNet2DModel, diffusion_pytorch_model.safetensors. A
 * classifier is kept in the same way, under the name that weights have where they are no diffusion model's: model.safetensors.
 */

export interface ModelFiles {
  /** config.json, parsed; its schema is the network's concern. */
  config: unknown
  /** config.json as it lay on disk: written back byte for byte. */
  configBytes: Uint8Array
  /** Parameters by their names, in file order. All finite. */
  tensors: Map<string, FloatTensor>
  metadata: Record<string, string> | undefined
}

/** What diffusers writes into the header of weights made with PyTorch, and demands when it loads them. */
export const modelMetadata = { format: 'pt' }

/** config.json alone: all that a `train` job starts from. Throws CHECKPOINT_MISSING and CHECKPOINT_CONFIG. */
export function readModelConfig(files: readonly FileBytes[]): Pick<ModelFiles, 'config' | 'configBytes'> {
  const configBytes = fileOf(files, configFile)
  if (configBytes.byteLength > maxConfigBytes) {
    throw new LetheError('CHECKPOINT_CONFIG', {
      message: `${configFile} is too long`,
      expected: `at most ${maxConfigBytes} bytes`,
      received: `${configBytes.byteLength} bytes`,
    })
  }
  try {
    return { config: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(configBytes)), configBytes }
  } catch (cause) {
    throw new LetheError('CHECKPOINT_CONFIG', { message: `${configFile} is not JSON`, cause })
  }
}

/** Throws CHECKPOINT_MISSING, CHECKPOINT_CONFIG, CHECKPOINT_FORMAT and CHECKPOINT_NOT_FINITE. Weights stored in F64 become F32. */
export function readModelFiles(files: readonly FileBytes[]): ModelFiles {
  const { config, configBytes } = readModelConfig(files)
  const { tensors: stored, metadata } = decodeSafetensors(fileOf(files, weightsFileOf(configBytes)))
  const tensors = new Map<string, FloatTensor>()
  for (const { name, shape } of stored.values()) {
    const data = floats(stored, name)
    assertFinite(name, data)
    tensors.set(name, { name, dtype: 'F32', shape, data })
  }
  return { config, configBytes, tensors, metadata }
}

export function writeModelFiles(model: {
  configBytes: Uint8Array
  tensors: Iterable<FloatTensor>
  metadata?: Record<string, string>
}): FileBytes[] {
  return [
    { path: configFile, bytes: model.configBytes },
    { path: weightsFileOf(model.configBytes), bytes: encodeSafetensors(model.tensors, model.metadata) },
  ]
}

function assertFinite(name: string, data: Float32Array): void {
  const index = data.findIndex((value) => !Number.isFinite(value))
  if (index < 0) return
  throw new LetheError('CHECKPOINT_NOT_FINITE', {
    message: `tensor ${JSON.stringify(name)} is not finite at element ${index}`,
    received: String(data[index]),
  })
}

function fileOf(files: readonly FileBytes[], path: string): Uint8Array {
  const file = files.find((one) => one.path === path)
  if (!file) throw new LetheError('CHECKPOINT_MISSING', { message: `the checkpoint has no ${path}` })
  return file.bytes
}
