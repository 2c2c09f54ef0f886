import * as tf from '@tensorflow/tfjs'

/** tfjs backends that compute at once; our own kernels are compositions of tfjs operations on these. */
const eagerBackends = ['cpu', 'wasm', 'tensorflow']

type Tensors = Record<string, tf.Tensor>

/** Registers a kernel of ours as a composition of tfjs operations, for every eager backend. */
export function composeEagerly(kernelName: string, compute: (inputs: Tensors, attributes: never) => tf.Tensor | tf.Tensor[]): void {
  for (const backendName of eagerBackends) {
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs }) => compute(inputs as unknown as Tensors, attrs as never) as never,
    })
  }
}

export function run<T extends tf.Tensor | tf.Tensor[]>(kernelName: string, inputs: Tensors, attributes: object = {}): T {
  return tf.engine().runKernel(kernelName, inputs, attributes as never) as unknown as T
}
