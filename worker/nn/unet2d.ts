import * as tf from '@tensorflow/tfjs'
import type { TensorMap } from '../engine/engine.ts'
import { silu, upsample2x } from '../engine/ops/index.ts'
import type { UNet2DConfig } from './config.ts'
import { convolution, linear, type NormOptions, normalise, residualBlock, selfAttention, timestepEmbedding } from './layers.ts'

/**
 * diffusers' UNet2DModel: the noise ε that the network sees in x [N,C,H,W] at time t [N] (float), same shape as x. `p` holds the
 * parameters under their diffusers names; `classes` [N] (int32) is needed if the model has a class embedding.
 */
export function unet2d(config: UNet2DConfig, p: TensorMap, x: tf.Tensor, t: tf.Tensor, classes?: tf.Tensor): tf.Tensor {
  const norm: NormOptions = { groups: config.norm_num_groups, epsilon: config.norm_eps }
  const levels = config.block_out_channels.length
  const attend = (name: string, h: tf.Tensor) => selfAttention(p, name, h, config.attention_head_dim ?? (h.shape[1] as number), norm)

  const time = timestepEmbedding(t, config.block_out_channels[0], { flip: config.flip_sin_to_cos, shift: config.freq_shift })
  let embedding = linear(p, 'time_embedding.linear_2', silu(linear(p, 'time_embedding.linear_1', time)))
  if (classes) embedding = tf.add(embedding, tf.gather(p['class_embedding.weight'], classes as tf.Tensor1D))
  const activated = silu(embedding)

  let h = convolution(p, 'conv_in', x)
  const skips = [h]
  config.down_block_types.forEach((type, level) => {
    const name = `down_blocks.${level}`
    for (let layer = 0; layer < config.layers_per_block; layer++) {
      h = residualBlock(p, `${name}.resnets.${layer}`, h, activated, norm)
      if (type === 'AttnDownBlock2D') h = attend(`${name}.attentions.${layer}`, h)
      skips.push(h)
    }
    if (level < levels - 1) {
      h = convolution(p, `${name}.downsamplers.0.conv`, h, 2)
      skips.push(h)
    }
  })

  h = residualBlock(p, 'mid_block.resnets.0', h, activated, norm)
  if (config.add_attention) h = attend('mid_block.attentions.0', h)
  h = residualBlock(p, 'mid_block.resnets.1', h, activated, norm)

  config.up_block_types.forEach((type, level) => {
    const name = `up_blocks.${level}`
    for (let layer = 0; layer <= config.layers_per_block; layer++) {
      h = residualBlock(p, `${name}.resnets.${layer}`, tf.concat([h, skips.pop() as tf.Tensor], 1), activated, norm)
      if (type === 'AttnUpBlock2D') h = attend(`${name}.attentions.${layer}`, h)
    }
    if (level < levels - 1) h = convolution(p, `${name}.upsamplers.0.conv`, upsample2x(h))
  })

  return convolution(p, 'conv_out', normalise(p, 'conv_norm_out', h, norm, true))
}
