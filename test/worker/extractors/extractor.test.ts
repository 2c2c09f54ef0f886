import t from 'tap'
import { extractorOptions } from '../../../protocol/extractors.ts'
import { Extractor } from '../../../worker/extractors/extractor.ts'
import type { PictureShape } from '../../../worker/extractors/preparation.ts'
import { externalTensor, linearNetwork, meanNetwork, onnxModel, type Size } from '../../support/onnx-network.ts'

const grey = { height: 2, width: 2, channels: 1 }
const colour = { height: 2, width: 2, channels: 3 }

function open(model: Uint8Array, options: object = {}, picture: PictureShape = grey): Promise<Extractor> {
  const parsed = extractorOptions.parse({ score: 'fid', file: 'net.onnx', ...options })
  return Extractor.open({ label: 'the extractor net', options: parsed, model, picture, threads: 1 })
}

async function featuresOf(model: Uint8Array, pixels: number[], options: object = {}, picture: PictureShape = grey): Promise<number[]> {
  const extractor = await open(model, options, picture)
  t.teardown(() => extractor.dispose())
  return [...(await extractor.features(Uint8Array.from(pixels)))]
}

const identity = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
const pixels = [0, 255, 51, 102]
const values = [0, 1, 0.2, 0.4].map(Math.fround)

t.test('features of pictures', async (t) => {
  for (const batch of [1, 'N', null] as Size[])
    t.same(await featuresOf(linearNetwork([batch, 1, 2, 2], identity, 4), pixels), values, `N = ${batch}`)
  const centred = await featuresOf(linearNetwork([1, 1, 2, 2], identity, 4), pixels, { mean: [0.5], std: [0.5] })
  t.same(centred, [-1, 1, -0.6, -0.2].map(Math.fround))
  const open4 = await featuresOf(linearNetwork([1, 1, 'H', 'W'], Array(16).fill(1 / 16), 1), pixels, { size: [4, 4] })
  t.ok(Math.abs(open4[0] - 0.4) < 1e-6, 'resized')
  t.same(await featuresOf(linearNetwork([1, 'C', 2, 2], identity, 4), pixels), values, 'channels that are left open')
})

t.test('[N,F,1,1], and grey in three channels', async (t) => {
  const means = await featuresOf(meanNetwork(['N', 3, 'H', 'W']), pixels, { size: [2, 2], mean: [0, 0.4, 0], std: [1, 1, 0.5] })
  t.ok(
    [0.4, 0, 0.8].every((value, i) => Math.abs(means[i] - value) < 1e-6),
    `${means}`,
  )
  const rgb = await featuresOf(meanNetwork([1, 3, 1, 1]), [255, 0, 0, 255, 0, 0, 0, 0, 51, 0, 0, 51], {}, colour)
  t.ok(
    [0.5, 0, 0.1].every((value, i) => Math.abs(rgb[i] - value) < 1e-6),
    `${rgb}`,
  )
})

t.test('what it found', async (t) => {
  const extractor = await open(meanNetwork(['N', 3, 'H', 'W']), { size: [5, 7] })
  t.teardown(() => extractor.dispose())
  t.same(extractor.opened, { output: 'means', features: 3, channels: 3, size: [5, 7] })
})

const two = onnxModel({
  inputs: [{ name: 'images', shape: [1, 1, 2, 2] }],
  outputs: [
    { name: 'maps', shape: [1, 1, 2, 2] },
    { name: 'features', shape: [1, 4] },
  ],
  nodes: [
    { op: 'Relu', inputs: ['images'], outputs: ['maps'] },
    { op: 'Flatten', inputs: ['maps'], outputs: ['features'] },
  ],
})

t.test('one of several outputs', async (t) => {
  t.same(await featuresOf(two, pixels, { output: 'features' }), values)
})

const withInput = (name: string, shape: Size[], type: 'float32' | 'uint8' | 'float16' | 'int64' = 'float32') =>
  onnxModel({
    inputs: [{ name, shape, type }],
    outputs: [{ name: 'y', shape: ['N', 'F'], type }],
    nodes: [{ op: 'Flatten', inputs: [name], outputs: ['y'] }],
  })
const sum = onnxModel({
  inputs: ['a', 'b'].map((name) => ({ name, shape: [1, 4] })),
  outputs: [{ name: 'y', shape: [1, 4] }],
  nodes: [{ op: 'Add', inputs: ['a', 'b'], outputs: ['y'] }],
})
const outside = onnxModel({
  inputs: [{ name: 'images', shape: [1, 1, 2, 2] }],
  outputs: [{ name: 'y', shape: [1, 1] }],
  nodes: [
    { op: 'Flatten', inputs: ['images'], outputs: ['flat'] },
    { op: 'MatMul', inputs: ['flat', 'weights'], outputs: ['y'] },
  ],
  initializer: [externalTensor('weights', [4, 1], 'package.json')],
})
const unknown = onnxModel({
  inputs: [{ name: 'x', shape: [1, 1, 2, 2] }],
  outputs: [{ name: 'y', shape: [1, 4] }],
  nodes: [{ op: 'Inception', inputs: ['x'], outputs: ['y'] }],
})
const maps = onnxModel({
  inputs: [{ name: 'x', shape: [1, 1, 2, 2] }],
  outputs: [{ name: 'y', shape: [1, 1, 2, 2] }],
  nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
})

const refusals: [string, Uint8Array, object, { code: string; message?: RegExp; expected?: RegExp; received?: RegExp }, PictureShape?][] = [
  ['no ONNX file', Buffer.from('weights'), {}, { code: 'EXTRACTOR_FORMAT', message: /the extractor net is not an ONNX file/ }],
  ['weights elsewhere', outside, {}, { code: 'EXTRACTOR_FORMAT', message: /other files/ }],
  ['an unknown operation', unknown, {}, { code: 'EXTRACTOR_FORMAT', message: /refused by ONNX Runtime/ }],
  ['two inputs', sum, {}, { code: 'EXTRACTOR_SHAPE', received: /^a, b$/ }],
  ['two axes', withInput('x', ['N', 4]), {}, { code: 'EXTRACTOR_SHAPE', expected: /\[N,C,H,W\]/, received: /^float32 \[N,4\]$/ }],
  ['bytes', withInput('x', [1, 1, 2, 2], 'uint8'), {}, { code: 'EXTRACTOR_SHAPE', received: /^uint8 \[1,1,2,2\]$/ }],
  ['half floats', withInput('x', [1, 1, 2, 2], 'float16'), {}, { code: 'EXTRACTOR_SHAPE', received: /^float16/ }],
  [
    'a fixed batch',
    withInput('x', [8, 1, 2, 2]),
    {},
    { code: 'EXTRACTOR_SHAPE', message: /fixed number of images/, received: /\[8,1,2,2\]/ },
  ],
  ['grey from colours', withInput('x', [1, 1, 2, 2]), {}, { code: 'EXTRACTOR_SHAPE', expected: /3 channels/ }, colour],
  ['five channels', withInput('x', [1, 5, 2, 2]), {}, { code: 'EXTRACTOR_SHAPE', expected: /at most 4 channels/ }],
  ['a size beyond all memory', withInput('x', [1, 1, 2 ** 30, 2 ** 30]), {}, { code: 'EXTRACTOR_SHAPE', expected: /4096×4096/ }],
  [
    'an open size',
    withInput('x', [1, 1, 'H', 'W']),
    {},
    { code: 'EXTRACTOR_SHAPE', expected: /`size: \[height, width\]`/, received: /\[1,1,H,W\]/ },
  ],
  ['an open width', withInput('x', [1, 1, 2, null]), {}, { code: 'EXTRACTOR_SHAPE', received: /\[1,1,2,\?\]/ }],
  ['another size', withInput('x', [1, 1, 2, 2]), { size: [4, 4] }, { code: 'EXTRACTOR_SHAPE', expected: /size \[4, 4\]/ }],
  ['no such output', two, { output: 'logits' }, { code: 'EXTRACTOR_SHAPE', expected: /^maps, features$/, received: /logits/ }],
  ['which output?', two, {}, { code: 'EXTRACTOR_SHAPE', received: /^maps, features$/ }],
  ['an output of maps', maps, {}, { code: 'EXTRACTOR_SHAPE', expected: /\[1,F\]/, received: /^float32 \[1,1,2,2\]$/ }],
  ['too many features', linearNetwork([1, 1, 2, 2], new Float32Array(4 * 4097), 4097), {}, { code: 'EXTRACTOR_SHAPE', received: /^4097$/ }],
  ['means of two channels', withInput('x', [1, 3, 2, 2]), { mean: [0, 1] }, { code: 'EXTRACTOR_SHAPE', expected: /^1 or 3 numbers$/ }],
  [
    'weights for another size',
    linearNetwork([1, 1, 'H', 'W'], identity, 4),
    { size: [3, 3] },
    { code: 'EXTRACTOR_SHAPE', message: /fails on an image/ },
  ],
]

t.test('what does not fit is told before any work', async (t) => {
  for (const [name, model, options, error, picture] of refusals) await t.rejects(open(model, options, picture), error, name)
})
