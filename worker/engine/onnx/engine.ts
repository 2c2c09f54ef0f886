import * as tf from '@tensorflow/tfjs'
import ort from 'onnxruntime-node'
import { LetheError } from '../../../protocol/errors.ts'
import type { Engine, HostTensorMap, Program, Signature, StepFunction, TensorMap } from '../engine.ts'
import '../ops/index.ts'
import { TraceBackend, traceBackendName } from './backend.ts'
import { Graph, type Value } from './graph.ts'
import { registerConvolution } from './kernels/conv.ts'
import { registerElementwise } from './kernels/elementwise.ts'
import { registerNormalisation } from './kernels/norm.ts'
import { registerMatrixProducts, registerReductions } from './kernels/reduce.ts'
import { registerShape } from './kernels/shape.ts'
import { registerUpsampling } from './kernels/upsample.ts'
import { encodeModel } from './model.ts'
import { sessionOptions } from './session.ts'

let registered = false

function registerTracing(): void {
  if (registered) return
  tf.registerBackend(traceBackendName, () => new TraceBackend())
  registerElementwise()
  registerShape()
  registerReductions()
  registerMatrixProducts()
  registerConvolution()
  registerNormalisation()
  registerUpsampling()
  registered = true
}

/** Runs the step function once on the trace backend; returns the ONNX model and the graph value of every output. */
export function trace(step: StepFunction, signature: Signature): { model: Uint8Array; outputs: Record<string, Value> } {
  registerTracing()
  const before = tf.getBackend()
  tf.setBackend(traceBackendName)
  try {
    const backend = tf.backend() as TraceBackend
    const graph = new Graph()
    backend.graph = graph
    const outputs: Record<string, Value> = {}
    tf.tidy(() => {
      const inputs: TensorMap = {}
      for (const [name, { shape, dtype }] of Object.entries(signature)) {
        inputs[name] = tf.engine().makeTensorFromTensorInfo(backend.info(graph.input(name, shape, dtype ?? 'float32')))
      }
      for (const [name, tensor] of Object.entries(step(inputs))) outputs[name] = nameable(graph, backend.value(tensor))
    })
    return { model: encodeModel(graph, [...new Set(Object.values(outputs))]), outputs }
  } finally {
    if (before) tf.setBackend(before)
  }
}

/** A graph output must be the result of a node. */
function nameable(graph: Graph, value: Value): Value {
  const produced = graph.nodes.some((node) => node.outputs.includes(value.name))
  return produced ? value : graph.node('Identity', [value], value.shape)
}

class OnnxProgram implements Program {
  readonly #session: ort.InferenceSession
  readonly #signature: Signature
  readonly #outputs: Record<string, Value>

  constructor(session: ort.InferenceSession, signature: Signature, outputs: Record<string, Value>) {
    this.#session = session
    this.#signature = signature
    this.#outputs = outputs
  }

  async run(inputs: HostTensorMap): Promise<HostTensorMap> {
    const feeds: Record<string, ort.Tensor> = {}
    for (const name of this.#session.inputNames) {
      const { shape, dtype } = this.#signature[name]
      const { data } = inputs[name]
      feeds[name] =
        dtype === 'int32' ? new ort.Tensor('int32', data as Int32Array, shape) : new ort.Tensor('float32', data as Float32Array, shape)
    }
    const results = await this.#session.run(feeds)
    const outputs: HostTensorMap = {}
    for (const [name, value] of Object.entries(this.#outputs)) {
      outputs[name] = { shape: value.shape, data: results[value.name].data as Float32Array }
    }
    return outputs
  }

  dispose(): void {
    void this.#session.release()
  }
}

/** ONNX Runtime on the CPU: the default engine. */
export function openOnnxEngine(threads: number): Engine {
  return {
    name: 'onnx',
    description: `onnxruntime ${ort.env.versions.node ?? ort.env.versions.common} cpu ${process.arch}, ${threads} thread${threads === 1 ? '' : 's'}`,
    async compile(step, signature) {
      const { model, outputs } = trace(step, signature)
      try {
        const session = await ort.InferenceSession.create(model, sessionOptions(threads))
        return new OnnxProgram(session, signature, outputs)
      } catch (cause) {
        throw new LetheError('COMPUTE_ENGINE', { message: `ONNX Runtime refused the program: ${(cause as Error).message}`, cause })
      }
    },
  }
}
