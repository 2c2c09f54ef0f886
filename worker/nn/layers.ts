import * as tf from '@tensorflow/tfjs'
import type { TensorMap } from '../engine/engine.ts'
import { conv2d, groupNorm } from '../engine/ops/index.ts'

/*
 * The blocks of diffusers' UNet2DModel as functions of (parameters by name, prefix, input). Images [N,C,H,W], embeddings [N,E].
 */

export interface NormOptions {
  groups: number
  epsilon: number
}

/** y = x·Wᵀ + b for x [rows, in]. */
export function linear(p: TensorMap, name: string, x: tf.Tensor): tf.Tensor {
  return tf.add(tf.matMul(x, p[`${name}.weight`], false, true), p[`${name}.bias`])
}

export function convolution(p: TensorMap, name: string, x: tf.Tensor, stride = 1): tf.Tensor {
  const weight = p[`${name}.weight`]
  return conv2d(x, weight, p[`${name}.bias`], { stride, padding: weight.shape[2] === 1 ? 0 : 1 })
}

export function normalise(p: TensorMap, name: string, x: tf.Tensor, { groups, epsilon }: NormOptions, activation: boolean): tf.Tensor {
  return groupNorm(x, p[`${name}.weight`], p[`${name}.bias`], { groups, epsilon, silu: activation })
}

/** Sinusoidal embedding of t [N] (float) as [N, width] (Vaswani et al. 2017; diffusers' Timesteps). */
export function timestepEmbedding(t: tf.Tensor, width: number, { flip, shift }: { flip: boolean; shift: number }): tf.Tensor {
  const half = width / 2
  const frequencies = Float32Array.from({ length: half }, (_, i) =>
    Math.exp(Math.fround(Math.fround(-Math.log(10000) * i) / (half - shift))),
  )
  const angles = tf.mul(tf.reshape(t, [-1, 1]), tf.tensor2d(frequencies, [1, half]))
  const parts = [tf.sin(angles), tf.cos(angles)]
  return tf.concat(flip ? parts.reverse() : parts, 1)
}

/** Residual block with the embedding added between its convolutions (ResnetBlock2D). */
export function residualBlock(p: TensorMap, name: string, x: tf.Tensor, activatedEmbedding: tf.Tensor, norm: NormOptions): tf.Tensor {
  let h = convolution(p, `${name}.conv1`, normalise(p, `${name}.norm1`, x, norm, true))
  const shift = linear(p, `${name}.time_emb_proj`, activatedEmbedding)
  h = tf.add(h, tf.reshape(shift, [shift.shape[0], shift.shape[1] as number, 1, 1]))
  h = convolution(p, `${name}.conv2`, normalise(p, `${name}.norm2`, h, norm, true))
  const shortcut = `${name}.conv_shortcut.weight` in p ? convolution(p, `${name}.conv_shortcut`, x) : x
  return tf.add(shortcut, h)
}

/** Multi-head self-attention over the pixels, with residual (diffusers' Attention as UNet2DModel uses it). */
export function selfAttention(p: TensorMap, name: string, x: tf.Tensor, headWidth: number, norm: NormOptions): tf.Tensor {
  const [n, c, h, w] = x.shape
  const pixels = h * w
  const heads = c / headWidth
  const normalised = normalise(p, `${name}.group_norm`, x, norm, false)
  const rows = tf.reshape(tf.transpose(tf.reshape(normalised, [n, c, pixels]), [0, 2, 1]), [n * pixels, c])
  const split = (projection: string) =>
    tf.transpose(tf.reshape(linear(p, `${name}.${projection}`, rows), [n, pixels, heads, headWidth]), [0, 2, 1, 3])
  const scores = tf.mul(tf.matMul(split('to_q'), split('to_k'), false, true), headWidth ** -0.5)
  const attended = tf.matMul(tf.softmax(scores), split('to_v'))
  const merged = tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [n * pixels, c])
  const out = linear(p, `${name}.to_out.0`, merged)
  return tf.add(tf.reshape(tf.transpose(tf.reshape(out, [n, pixels, c]), [0, 2, 1]), x.shape), x)
}
