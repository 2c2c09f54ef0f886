import protobuf from 'protobufjs'

/*
 * ONNX files by hand, the wrong ones too: axes that are left open, several inputs and outputs, weights in other files. Field numbers are
 * those of onnx.proto3.
 */

const field = (id: number, type: string, repeated = false) => ({ id, type, ...(repeated ? { rule: 'repeated' } : {}) })
const Model = protobuf.Root.fromJSON({
  nested: {
    Entry: { fields: { key: field(1, 'string'), value: field(2, 'string') } },
    Tensor: {
      fields: {
        dims: field(1, 'int64', true),
        dataType: field(2, 'int32'),
        name: field(8, 'string'),
        rawData: field(9, 'bytes'),
        externalData: field(13, 'Entry', true),
        dataLocation: field(14, 'int32'),
      },
    },
    SparseTensor: { fields: { values: field(1, 'Tensor') } },
    Dimension: { fields: { dimValue: field(1, 'int64'), dimParam: field(2, 'string') } },
    Shape: { fields: { dim: field(1, 'Dimension', true) } },
    TensorType: { fields: { elemType: field(1, 'int32'), shape: field(2, 'Shape') } },
    Type: { fields: { tensorType: field(1, 'TensorType') } },
    ValueInfo: { fields: { name: field(1, 'string'), type: field(2, 'Type') } },
    Attribute: {
      fields: {
        name: field(1, 'string'),
        i: field(3, 'int64'),
        t: field(5, 'Tensor'),
        g: field(6, 'Graph'),
        ints: field(8, 'int64', true),
        type: field(20, 'int32'),
      },
    },
    Node: {
      fields: {
        input: field(1, 'string', true),
        output: field(2, 'string', true),
        opType: field(4, 'string'),
        attribute: field(5, 'Attribute', true),
      },
    },
    Graph: {
      fields: {
        node: field(1, 'Node', true),
        name: field(2, 'string'),
        initializer: field(5, 'Tensor', true),
        input: field(11, 'ValueInfo', true),
        output: field(12, 'ValueInfo', true),
        sparseInitializer: field(15, 'SparseTensor', true),
      },
    },
    OperatorSet: { fields: { domain: field(1, 'string'), version: field(2, 'int64') } },
    Function: { fields: { name: field(1, 'string'), node: field(7, 'Node', true) } },
    Model: {
      fields: {
        irVersion: field(1, 'int64'),
        graph: field(7, 'Graph'),
        opsetImport: field(8, 'OperatorSet', true),
        functions: field(25, 'Function', true),
      },
    },
  },
}).lookupType('Model')

/** A fixed size, the name of one that is left open, or null for one without a name. */
export type Size = number | string | null

const elementTypes = { float32: 1, uint8: 2, int64: 7, float16: 10 } as const

interface Value {
  name: string
  type?: keyof typeof elementTypes
  shape: readonly Size[]
}

export interface Node {
  op: string
  inputs: readonly string[]
  outputs: readonly string[]
  attributes?: object[]
}

interface Network {
  inputs: readonly Value[]
  outputs: readonly Value[]
  nodes: readonly Node[]
  /** Messages of the schema above, as they are. */
  initializer?: object[]
  sparseInitializer?: object[]
  functions?: object[]
}

export function onnxModel({ inputs, outputs, nodes, initializer = [], sparseInitializer = [], functions = [] }: Network): Uint8Array {
  const dimension = (size: Size) => (typeof size === 'number' ? { dimValue: size } : size === null ? {} : { dimParam: size })
  const info = ({ name, type = 'float32', shape }: Value) => ({
    name,
    type: { tensorType: { elemType: elementTypes[type], shape: { dim: shape.map(dimension) } } },
  })
  const graph = {
    ...{ name: 'extractor', initializer, sparseInitializer, input: inputs.map(info), output: outputs.map(info) },
    node: nodes.map(({ op, inputs: input, outputs: output, attributes: attribute = [] }) => ({ input, output, opType: op, attribute })),
  }
  const model = { irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph, functions }
  return Model.encode(Model.fromObject(model)).finish()
}

export function floatTensor(name: string, shape: readonly number[], values: ArrayLike<number>): object {
  return { name, dims: shape, dataType: elementTypes.float32, rawData: new Uint8Array(Float32Array.from(values).buffer) }
}

/** One whose values are said to be in another file. */
export function externalTensor(name: string, shape: readonly number[], location: string): object {
  return { name, dims: shape, dataType: elementTypes.float32, externalData: [{ key: 'location', value: location }], dataLocation: 1 }
}

const type = { int: 2, tensor: 4, graph: 5 }
export const tensorAttribute = (name: string, t: object) => ({ name, t, type: type.tensor })
export const graphAttribute = (name: string, g: object) => ({ name, g, type: type.graph })

/** features = W·pixels of images [N,C,H,W]: `weights` [C·H·W, F], row after row. */
export function linearNetwork(
  shape: readonly [Size, Size, Size, Size],
  weights: ArrayLike<number>,
  features: number,
  output = 'features',
): Uint8Array {
  return onnxModel({
    inputs: [{ name: 'images', shape }],
    outputs: [{ name: output, shape: [shape[0], features] }],
    nodes: [
      { op: 'Flatten', inputs: ['images'], outputs: ['flat'] },
      { op: 'MatMul', inputs: ['flat', 'weights'], outputs: [output] },
    ],
    initializer: [floatTensor('weights', [weights.length / features, features], weights)],
  })
}

/** The mean of each channel, [N,C,1,1], of images of any size. */
export function meanNetwork(shape: readonly [Size, Size, Size, Size]): Uint8Array {
  return onnxModel({
    inputs: [{ name: 'images', shape }],
    outputs: [{ name: 'means', shape: [shape[0], shape[1], 1, 1] }],
    nodes: [{ op: 'GlobalAveragePool', inputs: ['images'], outputs: ['means'] }],
  })
}
