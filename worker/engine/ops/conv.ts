import * as tf from '@tensorflow/tfjs'
import { composeEagerly, run } from './eager.ts'

/*
 * Two-dimensional convolution in PyTorch's layouts: images [N,C,H,W], weights [O,I,kh,kw], bias [O]. Keeping these layouts everywhere
 * spares transposes in the ONNX graph and keeps checkpoints as diffusers writes them.
 */

export interface ConvAttributes {
  stride: number
  padding: number
}

export const convKernels = {
  forward: 'LetheConv2d',
  inputGradient: 'LetheConv2dInputGradient',
  weightGradient: 'LetheConv2dWeightGradient',
} as const

export function conv2d(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, attributes: ConvAttributes): tf.Tensor {
  return run(convKernels.forward, { x, weight, bias }, attributes)
}

export function convOutputSize(size: number, kernel: number, { stride, padding }: ConvAttributes): number {
  return Math.floor((size + 2 * padding - kernel) / stride) + 1
}

tf.registerGradient({
  kernelName: convKernels.forward,
  inputsToSave: ['x', 'weight'],
  gradFunc: (dy, saved, attrs) => {
    const [x, weight] = saved
    const attributes = attrs as unknown as ConvAttributes
    return {
      x: () => run(convKernels.inputGradient, { dy: dy as tf.Tensor, weight }, { ...attributes, inputShape: x.shape }),
      weight: () => run(convKernels.weightGradient, { x, dy: dy as tf.Tensor }, { ...attributes, weightShape: weight.shape }),
      bias: () => tf.sum(dy as tf.Tensor, [0, 2, 3]),
    }
  },
})

const toNhwc = (x: tf.Tensor) => tf.transpose(x, [0, 2, 3, 1])
const toNchw = (x: tf.Tensor) => tf.transpose(x, [0, 3, 1, 2])
const toHwio = (w: tf.Tensor) => tf.transpose(w, [2, 3, 1, 0])

composeEagerly(convKernels.forward, ({ x, weight, bias }, { stride, padding }: ConvAttributes) => {
  const y = tf.conv2d(toNhwc(x) as tf.Tensor4D, toHwio(weight) as tf.Tensor4D, stride, padding)
  return toNchw(tf.add(y, bias))
})

composeEagerly(convKernels.inputGradient, ({ dy, weight }, { stride, padding, inputShape }: ConvAttributes & { inputShape: number[] }) => {
  const [n, c, h, w] = inputShape
  const dx = run<tf.Tensor>(
    'Conv2DBackpropInput',
    { dy: toNhwc(dy), filter: toHwio(weight) },
    { strides: stride, pad: padding, dataFormat: 'NHWC', inputShape: [n, h, w, c] },
  )
  return toNchw(dx)
})

composeEagerly(convKernels.weightGradient, ({ x, dy }, { stride, padding, weightShape }: ConvAttributes & { weightShape: number[] }) => {
  const [o, i, kh, kw] = weightShape
  const dw = run<tf.Tensor>(
    'Conv2DBackpropFilter',
    { x: toNhwc(x), dy: toNhwc(dy) },
    { strides: stride, pad: padding, dataFormat: 'NHWC', filterShape: [kh, kw, i, o] },
  )
  return tf.transpose(dw, [3, 2, 0, 1])
})
