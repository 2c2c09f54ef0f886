import type * as tf from '@tensorflow/tfjs'
import type { TensorMap } from '../engine/engine.ts'
import type { ParameterSpec } from './parameters.ts'

/** ε_θ(x_t, t) or ε_θ(x_t, t, c), [B,C,H,W]. */
export type Predict = (noisy: tf.Tensor, t: tf.Tensor, classes: tf.Tensor | undefined) => tf.Tensor

/** Features [B,F] and logits [B,K] of images [B,C,H,W] in [−1,1]. */
export type Classify = (images: tf.Tensor) => { features: tf.Tensor; logits: tf.Tensor }

/** What a network of each kind computes, for given parameters. */
export interface Forward {
  noise: Predict
  classifier: Classify
}

export type NetworkKind = keyof Forward

/** A network as jobs see it. */
interface NetworkOf<Kind extends NetworkKind> {
  readonly kind: Kind
  /** Every parameter, in the order of the flat vector and of the weights file. */
  readonly specs: readonly ParameterSpec[]
  readonly imageShape: [channels: number, height: number, width: number]
  /** Classes that condition the noise (0 in an unconditional network), or that a classifier tells apart. */
  readonly classCount: number
  /** The class that stands for no condition, where there is one. */
  readonly nullClass: number | null
  /** The network with these parameters, given under their names. */
  forward(parameters: TensorMap): Forward[Kind]
}

export type NoiseNetwork = NetworkOf<'noise'>
export type ClassifierNetwork = NetworkOf<'classifier'>
export type Network = NoiseNetwork | ClassifierNetwork
