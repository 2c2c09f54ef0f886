import { z } from 'zod'

/* What both sides of a run must know about a checkpoint folder. What the files hold is the concern of workers alone. */

export const configFile = 'config.json'

/** The file of the weights, by the network that config.json names in `_class_name`. */
const weightsFiles = { UNet2DModel: 'diffusion_pytorch_model.safetensors', ImageClassifier: 'model.safetensors' } as const

export type NetworkClass = keyof typeof weightsFiles
export const networkClasses = Object.keys(weightsFiles) as [NetworkClass, ...NetworkClass[]]

export const maxConfigBytes = 1 << 20

const namedNetwork = z.object({ _class_name: z.enum(networkClasses) })

/** A config.json that names no known network is taken for that of a UNet2DModel, whose reader then says what is wrong with it. */
export function weightsFileOf(config: Uint8Array): string {
  try {
    if (config.byteLength > maxConfigBytes) return weightsFiles.UNet2DModel
    return weightsFiles[namedNetwork.parse(JSON.parse(new TextDecoder().decode(config)))._class_name]
  } catch {
    return weightsFiles.UNet2DModel
  }
}

/** Where the files of the classifier that judges samples stand among the files of a run. */
export const classifierFolder = 'classifier/'
