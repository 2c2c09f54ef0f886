import t from 'tap'
import { encodePng } from '../../../protocol/picture.ts'
import { onnxFault } from '../../../worker/extractors/onnx-file.ts'
import { externalTensor, floatTensor, graphAttribute, linearNetwork, onnxModel, tensorAttribute } from '../../support/onnx-network.ts'
import { checkpointFiles } from '../../support/tiny-job.ts'

const io = { inputs: [{ name: 'x', shape: [1, 1, 2, 2] }], outputs: [{ name: 'y', shape: [1, 4] }] }
const flatten = { op: 'Flatten', inputs: ['x'], outputs: ['y'] }
const elsewhere = externalTensor('w', [4], '/etc/hostname')

t.test('a whole model', async (t) => {
  t.equal(onnxFault(linearNetwork([1, 1, 2, 2], [1, 2, 3, 4], 1)), null)
  const constant = { op: 'Constant', inputs: [], outputs: ['w'], attributes: [tensorAttribute('value', floatTensor('w', [1], [1]))] }
  t.equal(onnxFault(onnxModel({ ...io, nodes: [flatten, constant] })), null)
})

t.test('weights in other files, wherever a model can name them', async (t) => {
  const inner = (initializer: object[]) => ({ name: 'inner', node: [], initializer })
  const node = (attribute: object) => ({ op: 'If', inputs: [], outputs: ['w'], attributes: [attribute] })
  const raw = (attribute: object) => ({ opType: 'Constant', input: [], output: ['w'], attribute: [attribute] })
  const deep = Array.from({ length: 20 }).reduce<object>(
    (graph) => ({ name: 'g', node: [raw(graphAttribute('g', graph))] }),
    inner([elsewhere]),
  )
  const models = {
    'an initializer': onnxModel({ ...io, nodes: [flatten], initializer: [elsewhere] }),
    'a sparse initializer': onnxModel({ ...io, nodes: [flatten], sparseInitializer: [{ values: elsewhere }] }),
    'an attribute': onnxModel({ ...io, nodes: [flatten, node(tensorAttribute('value', elsewhere))] }),
    'a graph in a node': onnxModel({ ...io, nodes: [flatten, node(graphAttribute('then_branch', inner([elsewhere])))] }),
    'a graph in a graph in a graph': onnxModel({ ...io, nodes: [flatten, node(graphAttribute('g', deep))] }),
    'a function': onnxModel({ ...io, nodes: [flatten], functions: [{ name: 'f', node: [raw(tensorAttribute('value', elsewhere))] }] }),
    'a place without the word external': onnxModel({ ...io, nodes: [flatten], initializer: [{ ...elsewhere, dataLocation: 0 }] }),
    'the word external without a place': onnxModel({ ...io, nodes: [flatten], initializer: [{ ...elsewhere, externalData: [] }] }),
  }
  for (const [name, model] of Object.entries(models)) t.equal(onnxFault(model), 'weights in other files', name)
})

t.test('what is no ONNX model', async (t) => {
  const model = linearNetwork([1, 1, 2, 2], [1, 2, 3, 4], 1)
  const wrapped = (tag: number, bytes: Buffer) => Buffer.concat([Buffer.of(tag), varint(bytes.length), bytes])
  // A node with the operation `a` and an attribute that is a graph with such a node.
  const nested = (graph: Buffer) => wrapped(0x0a, Buffer.concat([Buffer.from('\x22\x01a'), wrapped(0x2a, wrapped(0x32, graph))]))
  const endless = wrapped(0x3a, Array.from({ length: 10_000 }).reduce<Buffer>(nested, Buffer.alloc(0)))
  const files: Record<string, Uint8Array> = {
    nothing: new Uint8Array(0),
    text: Buffer.from('{"_class_name": "Inception"}'),
    'a picture': encodePng({ height: 2, width: 2, channels: 1, pixels: new Uint8Array(4) }),
    'a checkpoint': checkpointFiles()[1].bytes,
    'the first half of a model': model.subarray(0, model.length >> 1),
    'a model without a node': onnxModel({ ...io, nodes: [] }),
    'messages in messages without end': endless,
    'the format of the runtime': Buffer.concat([Buffer.from('\x18\x00\x00\x00ORTM', 'latin1'), model]),
  }
  for (const [name, bytes] of Object.entries(files)) t.equal(onnxFault(bytes), 'no ONNX model', name)
})

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    bytes.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest)
    if (rest <= 0x7f) return Buffer.from(bytes)
  }
}
