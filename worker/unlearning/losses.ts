import type * as tf from '@tensorflow/tfjs'
import type { Forward, NetworkKind, Predict } from '../nn/network.ts'

export type { Predict }

/** What a loss sees of one micro-batch; every tensor has the batch as its first axis. */
export interface LossInputs {
  /** Kept images [B,C,H,W]; absent if the method has no use for them. */
  x: tf.Tensor
  /** Images to forget [B,C,H,W]. */
  a: tf.Tensor
  /** Classes of x and of a [B], int32; there where the model has classes, and undefined elsewhere. */
  xClass: tf.Tensor | undefined
  aClass: tf.Tensor | undefined
  /** What the forgotten class of each row is swapped for, a kept class [B], int32 (`method.substitute`). Class-conditional models only. */
  otherClass: tf.Tensor | undefined
  /** The class that stands for no condition [B], int32. Class-conditional models only. */
  nullClass: tf.Tensor | undefined
  /** Images to be memorised in place of the forgotten ones [B,C,H,W] (`data.alternative`). */
  alternative: tf.Tensor
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
  const vectors = { t: [rows], coin: [rows], xClass: [rows], aClass: [rows], otherClass: [rows], nullClass: [rows] }
  return { x: images, a: images, alternative: images, noise: images, uniform: images, signal: scales, sigma: scales, ...vectors }
}

const classInputs: readonly LossInput[] = ['xClass', 'aClass', 'otherClass', 'nullClass']

export function isClassInput(name: LossInput): boolean {
  return classInputs.includes(name)
}

/** What is fed to a loss with these needs: a model without classes gets none. */
export function fedInputs(needs: readonly LossInput[], hasClasses: boolean): LossInput[] {
  return needs.filter((name) => hasClasses || !isClassInput(name))
}

/** Networks that targets may ask: the one in training, and the one that training began with. Neither is differentiated. */
export interface Teachers {
  current: Predict
  original: Predict
}

/** The tensor half of a method: from inputs to the loss of each sample, [B], for each channel. The mean over the batch is the caller's. */
export interface Losses<Options = never, Channel extends string = string, Kind extends NetworkKind = 'noise'> {
  /** The kind of network that the losses are of; one that predicts noise, where it is not given. */
  readonly network?: Kind
  /** The inputs that are drawn and fed, in an unconditional model without the classes; others must not be read. */
  readonly needs: readonly LossInput[]
  /** What is a constant to the derivative (a stop-gradient). */
  readonly targets?: (teachers: Teachers, inputs: LossInputs, options: Options) => Record<string, tf.Tensor>
  /** Do the targets ask the original network? Its parameters are fed only then. */
  readonly asksOriginal?: boolean
  /** Losses of the rounds before the first update, where they are others. */
  readonly prepare?: Pick<Losses<Options, string, Kind>, 'needs' | 'losses'>
  readonly losses: (
    network: Forward[Kind],
    inputs: LossInputs,
    options: Options,
    targets: Record<string, tf.Tensor>,
  ) => Record<Channel, tf.Tensor>
}
