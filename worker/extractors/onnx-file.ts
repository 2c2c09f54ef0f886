import protobuf from 'protobufjs'

/*
 * What a file must be before ONNX Runtime sees it: one ONNX model that refers to no other file. The runtime would read weights from
 * wherever the model says that they are, on the machine of whoever computes. The fields are those of onnx.proto3; all others are skipped.
 */

const field = (id: number, type: string, repeated = false) => ({ id, type, ...(repeated ? { rule: 'repeated' } : {}) })
const root = protobuf.Root.fromJSON({
  nested: {
    Entry: { fields: {} },
    Tensor: { fields: { externalData: field(13, 'Entry', true), dataLocation: field(14, 'int32') } },
    SparseTensor: { fields: { values: field(1, 'Tensor'), indices: field(2, 'Tensor') } },
    Attribute: {
      fields: {
        t: field(5, 'Tensor'),
        g: field(6, 'Graph'),
        tensors: field(10, 'Tensor', true),
        graphs: field(11, 'Graph', true),
        sparseTensor: field(22, 'SparseTensor'),
        sparseTensors: field(23, 'SparseTensor', true),
      },
    },
    Node: { fields: { opType: field(4, 'string'), attribute: field(5, 'Attribute', true) } },
    Graph: {
      fields: { node: field(1, 'Node', true), initializer: field(5, 'Tensor', true), sparseInitializer: field(15, 'SparseTensor', true) },
    },
    Function: { fields: { node: field(7, 'Node', true) } },
    Model: { fields: { irVersion: field(1, 'int64'), graph: field(7, 'Graph'), functions: field(25, 'Function', true) } },
  },
})
const Model = root.lookupType('Model')

interface Tensor {
  externalData: unknown[]
  dataLocation: number
}
interface SparseTensor {
  values: Tensor | null
  indices: Tensor | null
}
interface Attribute {
  t: Tensor | null
  g: Graph | null
  tensors: Tensor[]
  graphs: Graph[]
  sparseTensor: SparseTensor | null
  sparseTensors: SparseTensor[]
}
interface Node {
  opType: string
  attribute: Attribute[]
}
interface Graph {
  node: Node[]
  initializer: Tensor[]
  sparseInitializer: SparseTensor[]
}

/** Of TensorProto.DataLocation. */
const external = 1

/** The runtime's own format, which it would know by these bytes at offset 4, is not looked into. */
const runtimeFormat = Buffer.from('ORTM')

export type OnnxFault = 'no ONNX model' | 'weights in other files'

/** What is wrong with the bytes of a file; null where it is one whole ONNX model. */
export function onnxFault(bytes: Uint8Array): OnnxFault | null {
  if (runtimeFormat.equals(bytes.subarray(4, 4 + runtimeFormat.length))) return 'no ONNX model'
  try {
    const { graph, functions } = Model.decode(bytes) as unknown as { graph: Graph | null; functions: { node: Node[] }[] }
    if (!graph || graph.node.length === 0 || graph.node.some(({ opType }) => opType === '')) return 'no ONNX model'
    const isWhole = isWholeGraph(graph) && functions.every(({ node }) => node.every(isWholeNode))
    return isWhole ? null : 'weights in other files'
  } catch {
    // Not these messages, cut short, or nested too deeply for anybody.
    return 'no ONNX model'
  }
}

function isWholeGraph({ node, initializer, sparseInitializer }: Graph): boolean {
  return initializer.every(isWholeTensor) && sparseInitializer.every(isWholeSparse) && node.every(isWholeNode)
}

function isWholeNode({ attribute }: Node): boolean {
  return attribute.every(
    ({ t, g, tensors, graphs, sparseTensor, sparseTensors }) =>
      [...(t ? [t] : []), ...tensors].every(isWholeTensor) &&
      [...(g ? [g] : []), ...graphs].every(isWholeGraph) &&
      [...(sparseTensor ? [sparseTensor] : []), ...sparseTensors].every(isWholeSparse),
  )
}

function isWholeSparse({ values, indices }: SparseTensor): boolean {
  return [values, indices].every((tensor) => tensor === null || isWholeTensor(tensor))
}

function isWholeTensor({ externalData, dataLocation }: Tensor): boolean {
  return externalData.length === 0 && dataLocation !== external
}
