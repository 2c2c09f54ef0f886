import * as tf from '@tensorflow/tfjs'
import { composeEagerly, run } from './eager.ts'

/*
 * Group normalisation (Wu & He 2018) over [N,C,...], optionally followed by SiLU in the same operation: the pair is what every UNet
 * block uses, and one gradient for both needs far fewer passes over memory than the chain rule over their parts.
 */

export interface GroupNormAttributes {
  groups: number
  epsilon: number
  silu: boolean
}

export const groupNormKernels = { forward: 'LetheGroupNorm', gradient: 'LetheGroupNormGradient' } as const

/** x [N,C,...], scale and shift [C]; mean and variance over each of `groups` groups of channels of one sample. */
export function groupNorm(x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, attributes: GroupNormAttributes): tf.Tensor {
  return run(groupNormKernels.forward, { x, scale, shift }, attributes)
}

tf.registerGradient({
  kernelName: groupNormKernels.forward,
  inputsToSave: ['x', 'scale', 'shift'],
  gradFunc: (dy, saved, attrs) => {
    const [x, scale, shift] = saved
    // All three gradients come from one kernel, run here; clones go out because tfjs disposes what a gradient function made itself.
    const [dx, dscale, dshift] = run<tf.Tensor[]>(groupNormKernels.gradient, { dy: dy as tf.Tensor, x, scale, shift }, attrs as object)
    return { x: () => dx.clone(), scale: () => dscale.clone(), shift: () => dshift.clone() }
  },
})

function normalise(x: tf.Tensor, { groups, epsilon }: GroupNormAttributes) {
  const grouped = tf.reshape(x, [x.shape[0], groups, -1])
  const { mean, variance } = tf.moments(grouped, 2, true)
  const inverseDeviation = tf.rsqrt(tf.add(variance, epsilon))
  return { normalised: tf.reshape(tf.mul(tf.sub(grouped, mean), inverseDeviation), x.shape), inverseDeviation }
}

const perChannel = (v: tf.Tensor, rank: number) => tf.reshape(v, [1, -1, ...new Array<number>(rank - 2).fill(1)])

composeEagerly(groupNormKernels.forward, ({ x, scale, shift }, attributes: GroupNormAttributes) => {
  const { normalised } = normalise(x, attributes)
  const z = tf.add(tf.mul(normalised, perChannel(scale, x.rank)), perChannel(shift, x.rank))
  return attributes.silu ? tf.mul(z, tf.sigmoid(z)) : z
})

composeEagerly(groupNormKernels.gradient, ({ dy, x, scale, shift }, attributes: GroupNormAttributes) => {
  const { normalised, inverseDeviation } = normalise(x, attributes)
  let dz = dy
  if (attributes.silu) {
    const z = tf.add(tf.mul(normalised, perChannel(scale, x.rank)), perChannel(shift, x.rank))
    const s = tf.sigmoid(z)
    dz = tf.mul(dy, tf.mul(s, tf.add(1, tf.mul(z, tf.sub(1, s)))))
  }
  const others = x.shape.map((_, axis) => axis).filter((axis) => axis !== 1)
  const grouped = [x.shape[0], attributes.groups, -1]
  const weighted = tf.reshape(tf.mul(dz, perChannel(scale, x.rank)), grouped)
  const unit = tf.reshape(normalised, grouped)
  const centred = tf.sub(tf.sub(weighted, tf.mean(weighted, 2, true)), tf.mul(unit, tf.mean(tf.mul(weighted, unit), 2, true)))
  return [tf.reshape(tf.mul(centred, inverseDeviation), x.shape), tf.sum(tf.mul(dz, normalised), others), tf.sum(dz, others)]
})
