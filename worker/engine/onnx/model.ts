import protobuf from 'protobufjs'
import type { Attribute, DataType, Graph, Node, Value } from './graph.ts'

/* The part of the ONNX protobuf schema (onnx.proto3, IR version 9) that a traced step needs, field numbers as published. */
const field = (id: number, type: string, repeated = false) => ({ id, type, ...(repeated ? { rule: 'repeated' } : {}) })
const root = protobuf.Root.fromJSON({
  nested: {
    Dimension: { fields: { dimValue: field(1, 'int64') } },
    Shape: { fields: { dim: field(1, 'Dimension', true) } },
    TensorType: { fields: { elemType: field(1, 'int32'), shape: field(2, 'Shape') } },
    Type: { fields: { tensorType: field(1, 'TensorType') } },
    ValueInfo: { fields: { name: field(1, 'string'), type: field(2, 'Type') } },
    Attribute: {
      fields: {
        name: field(1, 'string'),
        f: field(2, 'float'),
        i: field(3, 'int64'),
        s: field(4, 'bytes'),
        ints: field(8, 'int64', true),
        type: field(20, 'int32'),
      },
    },
    Node: {
      fields: {
        input: field(1, 'string', true),
        output: field(2, 'string', true),
        name: field(3, 'string'),
        opType: field(4, 'string'),
        attribute: field(5, 'Attribute', true),
        domain: field(7, 'string'),
      },
    },
    Tensor: {
      fields: { dims: field(1, 'int64', true), dataType: field(2, 'int32'), name: field(8, 'string'), rawData: field(9, 'bytes') },
    },
    Graph: {
      fields: {
        node: field(1, 'Node', true),
        name: field(2, 'string'),
        initializer: field(5, 'Tensor', true),
        input: field(11, 'ValueInfo', true),
        output: field(12, 'ValueInfo', true),
      },
    },
    OperatorSet: { fields: { domain: field(1, 'string'), version: field(2, 'int64') } },
    Model: {
      fields: {
        irVersion: field(1, 'int64'),
        producerName: field(2, 'string'),
        graph: field(7, 'Graph'),
        opsetImport: field(8, 'OperatorSet', true),
      },
    },
  },
})
const Model = root.lookupType('Model')

const elementType: Record<DataType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 }
const attributeType = { float: 1, int: 2, string: 3, ints: 7 }

/** Encodes the nodes that `outputs` need as an ONNX model, opset 20. */
export function encodeModel(graph: Graph, outputs: readonly Value[]): Uint8Array {
  const nodes = graph.live(outputs)
  const used = new Set(nodes.flatMap((node) => node.inputs))
  const model = {
    irVersion: 9,
    producerName: 'lethe',
    opsetImport: [
      { domain: '', version: 20 },
      { domain: 'com.microsoft', version: 1 },
    ],
    graph: {
      name: 'step',
      node: nodes.map(encodeNode),
      initializer: [...graph.constants.values()].filter((value) => used.has(value.name)).map(encodeTensor),
      input: graph.inputs.filter((value) => used.has(value.name)).map(valueInfo),
      output: outputs.map(valueInfo),
    },
  }
  return Model.encode(Model.fromObject(model)).finish()
}

function valueInfo(value: Value) {
  return {
    name: value.name,
    type: { tensorType: { elemType: elementType[value.dtype], shape: { dim: value.shape.map((dimValue) => ({ dimValue })) } } },
  }
}

function encodeNode(node: Node, index: number) {
  return {
    name: `n${index}`,
    opType: node.op,
    domain: node.domain,
    input: node.inputs,
    output: node.outputs,
    attribute: Object.entries(node.attributes).map(([name, value]) => encodeAttribute(name, value)),
  }
}

function encodeAttribute(name: string, value: Attribute) {
  if (typeof value === 'number') return { name, i: value, type: attributeType.int }
  if (typeof value === 'string') return { name, s: Buffer.from(value), type: attributeType.string }
  if ('float' in value) return { name, f: value.float, type: attributeType.float }
  return { name, ints: value, type: attributeType.ints }
}

function encodeTensor(value: Value) {
  const values = value.constant as ArrayLike<number>
  return { name: value.name, dims: value.shape, dataType: elementType[value.dtype], rawData: rawBytes(values, value.dtype) }
}

function rawBytes(values: ArrayLike<number>, dtype: DataType): Uint8Array {
  switch (dtype) {
    case 'float32':
      return new Uint8Array(Float32Array.from(values).buffer)
    case 'int32':
      return new Uint8Array(Int32Array.from(values).buffer)
    case 'int64':
      return new Uint8Array(BigInt64Array.from(Array.from(values, BigInt)).buffer)
    case 'bool':
      return Uint8Array.from(values, (v) => (v ? 1 : 0))
  }
}
