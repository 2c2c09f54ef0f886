import type * as tf from '@tensorflow/tfjs'

/** What a loss sees of one micro-batch; every tensor has the batch as its first axis. */
export interface LossInputs {
  /** Kept images [B,C,H,W]; absent if the method has no use for them. */
  x: tf.Tensor
  /** Images to forget [B,C,H,W]. */
  a: tf.Tensor
  /** Times [B], as floats. */
  t: tf.Tensor
  /** √ᾱ_t and √(1−ᾱ_t), both [B,1,1,1]. */
  signal: tf.Tensor
  sigma: tf.Tensor
  /** N(0,1) noise [B,C,H,W], shared by x and a. */
  noise: tf.Tensor
  /** Uniform [0,1) numbers [B]. */
  coin: tf.Tensor
  /** Uniform [0,1) numbers [B,C,H,W]. */
  uniform: tf.Tensor
}

export type LossInput = keyof LossInputs

/** Shapes of all inputs for `rows` samples of [C,H,W]. */
export function lossInputShapes(rows: number, image: readonly number[]): Record<LossInput, number[]> {
  const images = [rows, ...image]
  const scales = [rows, ...image.map(() => 1)]
  return { x: images, a: images, noise: images, uniform: images, t: [rows], coin: [rows], signal: scales, sigma: scales }
}

/** ε_θ(x_t, t), [B,C,H,W]. */
export type Predict = (noisy: tf.Tensor, t: tf.Tensor) => tf.Tensor

/** The tensor half of a method: from inputs to the loss of each sample, [B], for each channel. The mean over the batch is the caller's. */
export interface Losses<Options = never, Channel extends string = string> {
  /** The inputs that are drawn and fed; others must not be read. */
  readonly needs: readonly LossInput[]
  readonly losses: (predict: Predict, inputs: LossInputs, options: Options) => Record<Channel, tf.Tensor>
}
