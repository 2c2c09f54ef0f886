import type * as tf from '@tensorflow/tfjs'

/** Named tensors inside a step function. */
export type TensorMap = Record<string, tf.Tensor>

/** Float32 values with a shape, as they enter and leave a program. Inputs of dtype int32 hold whole numbers. */
export interface HostTensor {
  shape: readonly number[]
  data: Float32Array | Int32Array
}

export type HostTensorMap = Record<string, HostTensor>

/** Shapes of a step function's inputs; every input is float32 unless it says int32. */
export type Signature = Record<string, { shape: readonly number[]; dtype?: 'float32' | 'int32' }>

/** A pure function of tensors, written with tfjs operations and those of `worker/engine/ops`. */
export type StepFunction = (inputs: TensorMap) => TensorMap

/** A step function made ready to run. Same inputs, same engine, same machine: same bits. */
export interface Program {
  run(inputs: HostTensorMap): Promise<HostTensorMap>
  dispose(): void
}

/** Makes step functions runnable. One conformance suite (test/worker/engine) runs against every engine. */
export interface Engine {
  readonly name: 'onnx' | 'tfjs'
  /** Engine, version and thread count: what a report must name for its bits to be repeatable. */
  readonly description: string
  compile(step: StepFunction, signature: Signature): Promise<Program>
}
