import { LetheError } from '../../protocol/errors.ts'
import { assertTrainable, nullClass, parseUNet2DConfig, sampleSize } from './config.ts'
import type { NoiseNetwork } from './network.ts'
import { unet2dParameters } from './parameters.ts'
import { unet2d } from './unet2d.ts'

/** The UNet2DModel of a config.json. A conditional one must be given classes, another must not. Throws CHECKPOINT_CONFIG. */
export function unet2dNetwork(json: unknown): NoiseNetwork {
  const config = parseUNet2DConfig(json)
  assertTrainable(config)
  const { height, width } = sampleSize(config)
  const classCount = config.num_class_embeds ?? 0
  return {
    kind: 'noise',
    specs: unet2dParameters(config),
    imageShape: [config.in_channels, height, width],
    classCount,
    nullClass: nullClass(config),
    forward: (parameters) => (noisy, t, classes) => {
      if ((classes !== undefined) !== classCount > 0)
        throw new LetheError('INTERNAL', { message: `classes are ${classes ? '' : 'not '}given to a network of ${classCount}` })
      return unet2d(config, parameters, noisy, t, classes)
    },
  }
}
