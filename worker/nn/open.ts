import { type NetworkClass, networkClasses } from '../../protocol/checkpoint.ts'
import { LetheError } from '../../protocol/errors.ts'
import { classifierNetwork } from './classifier.ts'
import type { Network } from './network.ts'
import { unet2dNetwork } from './unet2d-network.ts'

const networks: Record<NetworkClass, (json: unknown) => Network> = { UNet2DModel: unet2dNetwork, ImageClassifier: classifierNetwork }

/** The network that a config.json describes; one without a `_class_name` is a UNet2DModel. Throws CHECKPOINT_CONFIG. */
export function openNetwork(json: unknown): Network {
  const { _class_name: name = 'UNet2DModel' } = (json ?? {}) as { _class_name?: unknown }
  if (typeof name === 'string' && Object.hasOwn(networks, name)) return networks[name as NetworkClass](json)
  throw new LetheError('CHECKPOINT_CONFIG', {
    message: 'config.json: _class_name: Lethe has no such network',
    expected: networkClasses.join(' or '),
    received: JSON.stringify(name),
  })
}
