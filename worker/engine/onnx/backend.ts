import * as tf from '@tensorflow/tfjs'
import { LetheError } from '../../../protocol/errors.ts'
import { type DataType, Graph, type Value } from './graph.ts'

export const traceBackendName = 'trace'

type BackendValues = Parameters<tf.KernelBackend['write']>[0]

export interface TensorInfo {
  dataId: tf.DataId
  shape: number[]
  dtype: tf.DataType
}

/** A tfjs backend that computes nothing: each kernel appends nodes to an ONNX graph. */
export class TraceBackend extends tf.KernelBackend {
  graph = new Graph()
  #values = new WeakMap<object, Value>()
  #dataIds = 0

  value(info: { dataId: tf.DataId }): Value {
    const value = this.#values.get(info.dataId as object)
    if (!value) throw new LetheError('COMPUTE_ENGINE', { message: 'a traced step used a tensor from outside the trace' })
    return value
  }

  info(value: Value): TensorInfo {
    const dataId = {} as tf.DataId
    this.#values.set(dataId as object, value)
    this.#dataIds++
    return { dataId, shape: [...value.shape], dtype: value.dtype === 'int64' ? 'int32' : value.dtype }
  }

  override write(values: BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    return this.info(this.graph.constant(values as ArrayLike<number>, shape, dtype as DataType)).dataId
  }

  override move(dataId: tf.DataId, values: BackendValues, shape: number[], dtype: tf.DataType): void {
    this.#values.set(dataId as object, this.graph.constant(values as ArrayLike<number>, shape, dtype as DataType))
    this.#dataIds++
  }

  /** Only constants have values while a step is traced. */
  override readSync(dataId: tf.DataId): Float32Array {
    const { constant } = this.value({ dataId })
    if (!constant) throw new LetheError('COMPUTE_ENGINE', { message: 'a traced step reads a value that is not known before it runs' })
    return Float32Array.from(constant)
  }

  override async read(dataId: tf.DataId): Promise<Float32Array> {
    return this.readSync(dataId)
  }

  override numDataIds(): number {
    return this.#dataIds
  }

  override refCount(): number {
    return 1
  }

  override incRef(): void {}

  override disposeData(): boolean {
    this.#dataIds--
    return true
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true }
  }

  override floatPrecision(): 16 | 32 {
    return 32
  }

  override epsilon(): number {
    return 1e-7
  }

  override timerAvailable(): boolean {
    return false
  }

  override dispose(): void {}
}

type Attributes = Record<string, never>
export type Lowering = (graph: Graph, inputs: Record<string, Value>, attributes: Record<string, unknown>) => Value | Value[]

/** Registers how a tfjs kernel becomes ONNX nodes. Variadic inputs arrive under their positions '0', '1', … */
export function lower(kernelName: string, lowering: Lowering): void {
  tf.registerKernel({
    kernelName,
    backendName: traceBackendName,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const trace = backend as TraceBackend
      const values: Record<string, Value> = {}
      for (const [name, info] of Object.entries(inputs)) if (info) values[name] = trace.value(info as unknown as TensorInfo)
      const out = lowering(trace.graph, values, (attrs ?? {}) as Attributes)
      return (Array.isArray(out) ? out.map((value) => trace.info(value)) : trace.info(out)) as never
    },
  })
}
