import * as tf from '@tensorflow/tfjs'
import type { TensorMap } from '../engine/engine.ts'
import { silu } from '../engine/ops/index.ts'
import { type ClassifierConfig, parseClassifierConfig } from './classifier-config.ts'
import { convolution, linear, normalise } from './layers.ts'
import type { ClassifierNetwork } from './network.ts'
import type { ParameterSpec } from './parameters.ts'

/**
 * A small convolutional classifier of our own: blocks of convolution, group normalisation and SiLU, the mean over all pixels, a linear
 * layer with SiLU (the features), a linear layer (the logits). `x` [N,C,H,W] is in [−1,1], as diffusion models draw.
 */
export function imageClassifier(config: ClassifierConfig, p: TensorMap, x: tf.Tensor): { features: tf.Tensor; logits: tf.Tensor } {
  const norm = { groups: config.norm_num_groups, epsilon: config.norm_eps }
  const map = config.block_out_channels.reduce((h, _, block) => {
    const convolved = convolution(p, `blocks.${block}.conv`, h, block === 0 ? 1 : 2)
    return normalise(p, `blocks.${block}.norm`, convolved, norm, true)
  }, x)
  const features = silu(linear(p, 'features', tf.mean(map, [2, 3])))
  return { features, logits: linear(p, 'head', features) }
}

/** Every parameter, in the order in which a picture meets them. */
export function classifierParameters(config: ClassifierConfig): ParameterSpec[] {
  const widths = [config.in_channels, ...config.block_out_channels]
  const blocks = config.block_out_channels.flatMap((output, block): ParameterSpec[] => [
    ...weightAndBias(`blocks.${block}.conv`, [output, widths[block], 3, 3]),
    { name: `blocks.${block}.norm.weight`, shape: [output], kind: 'normScale', fanIn: 1 },
    { name: `blocks.${block}.norm.bias`, shape: [output], kind: 'normShift', fanIn: 1 },
  ])
  const last = config.block_out_channels[config.block_out_channels.length - 1]
  return [
    ...blocks,
    ...weightAndBias('features', [config.feature_dim, last]),
    ...weightAndBias('head', [config.num_classes, config.feature_dim]),
  ]
}

function weightAndBias(name: string, shape: number[]): ParameterSpec[] {
  const fanIn = shape.slice(1).reduce((product, n) => product * n, 1)
  return [
    { name: `${name}.weight`, shape, kind: 'weight', fanIn },
    { name: `${name}.bias`, shape: [shape[0]], kind: 'bias', fanIn },
  ]
}

/** The classifier of a config.json. Throws CHECKPOINT_CONFIG. */
export function classifierNetwork(json: unknown): ClassifierNetwork {
  const config = parseClassifierConfig(json)
  const size = config.sample_size
  const [height, width] = typeof size === 'number' ? [size, size] : size
  return {
    kind: 'classifier',
    specs: classifierParameters(config),
    imageShape: [config.in_channels, height, width],
    classCount: config.num_classes,
    nullClass: null,
    forward: (parameters) => (images) => imageClassifier(config, parameters, images),
  }
}
