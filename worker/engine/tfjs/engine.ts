import * as tf from '@tensorflow/tfjs'
import type { Engine, HostTensorMap, Program, Signature, StepFunction, TensorMap } from '../engine.ts'
import '../ops/index.ts'

class EagerProgram implements Program {
  readonly #step: StepFunction
  readonly #signature: Signature

  constructor(step: StepFunction, signature: Signature) {
    this.#step = step
    this.#signature = signature
  }

  async run(inputs: HostTensorMap): Promise<HostTensorMap> {
    tf.setBackend('cpu')
    const outputs = tf.tidy(() => {
      const tensors: TensorMap = {}
      for (const [name, { shape, dtype }] of Object.entries(this.#signature))
        tensors[name] = tf.tensor(inputs[name].data, [...shape], dtype ?? 'float32')
      return this.#step(tensors)
    })
    const results: HostTensorMap = {}
    for (const [name, tensor] of Object.entries(outputs))
      results[name] = { shape: tensor.shape, data: (await tensor.data()) as Float32Array }
    // Only now: two outputs may be one tensor.
    tf.dispose(outputs)
    return results
  }

  dispose(): void {}
}

/** Plain JavaScript kernels of tfjs, one call at a time: slow, and therefore the oracle for small shapes. */
export function openTfjsEngine(): Engine {
  return { name: 'tfjs', description: `tfjs ${tf.version.tfjs} cpu`, compile: async (step, signature) => new EagerProgram(step, signature) }
}
