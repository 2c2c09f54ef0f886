import t from 'tap'
import { normals } from '../../../protocol/random.ts'
import type { HostTensorMap } from '../../../worker/engine/engine.ts'
import { openEngine } from '../../../worker/engine/open.ts'
import { Model } from '../../../worker/model.ts'
import { GradientProgram } from '../../../worker/step.ts'
import { configFiles } from '../../support/tiny-job.ts'
import { type Array64, build, conv2d, differences, fold, groupNorm, map, matMul, reshape, zip } from '../engine/array64.ts'
import { relativeError } from '../golden.ts'

const tiny = {
  _class_name: 'ImageClassifier',
  sample_size: [5, 4],
  in_channels: 2,
  block_out_channels: [4, 6],
  norm_num_groups: 2,
  feature_dim: 3,
  num_classes: 4,
}
const rows = 2
const labels = [3, 1]
const drawn = (count: number, sample: number) => normals({ seed: 4, purpose: 'noise', step: 0, sample }, new Float32Array(count))
const x = drawn(rows * 2 * 5 * 4, 0)
const { model } = Model.initialise(configFiles(tiny), 1)
/** Far from the initial values, so that norms and biases show. */
const parameters = drawn(model.parameterCount, 1).map((value) => 0.5 * value + 0.2)

/** The network and its loss in float64, by definition. `flat` is read at each call. */
function reference(flat: Float64Array): { features: Array64; logits: Array64; loss: number } {
  let offset = 0
  const take = (shape: number[]): Array64 => {
    const length = shape.reduce((product, n) => product * n, 1)
    offset += length
    return { shape, data: flat.subarray(offset - length, offset) }
  }
  const silu = (value: number) => value / (1 + Math.exp(-value))
  const dense = (input: Array64, weight: Array64, bias: Array64) =>
    zip(matMul(input, transposed(weight)), bias, (value, shift) => value + shift)
  const block = (input: Array64, shape: number[], stride: number) => {
    const convolved = conv2d(input, take(shape), take([shape[0]]), { stride, padding: 1 })
    return map(groupNorm(convolved, take([shape[0]]), take([shape[0]]), { groups: 2, epsilon: 1e-5 }), silu)
  }
  const images = { shape: [rows, 2, 5, 4], data: Float64Array.from(x) }
  const maps = block(block(images, [4, 2, 3, 3], 1), [6, 4, 3, 3], 2)
  const pixels = maps.shape[2] * maps.shape[3]
  const means = reshape(
    map(
      fold(maps, [2, 3], 0, (sum, value) => sum + value),
      (sum) => sum / pixels,
    ),
    [rows, 6],
  )
  const features = map(dense(means, take([3, 6]), take([3])), silu)
  const logits = dense(features, take([4, 3]), take([4]))
  const loss = labels.reduce((sum, label, row) => {
    const own = logits.data.subarray(4 * row, 4 * row + 4)
    return sum + Math.log(own.reduce((total, value) => total + Math.exp(value), 0)) - own[label]
  }, 0)
  return { features, logits, loss: loss / rows }
}

const transposed = (w: Array64) => build([w.shape[1], w.shape[0]], ([i, o]) => w.data[o * w.shape[1] + i])

t.test('names, shapes and order of the parameters', async (t) => {
  t.same(
    model.specs.map(({ name, shape }) => [name, shape]),
    [
      ['blocks.0.conv.weight', [4, 2, 3, 3]],
      ['blocks.0.conv.bias', [4]],
      ['blocks.0.norm.weight', [4]],
      ['blocks.0.norm.bias', [4]],
      ['blocks.1.conv.weight', [6, 4, 3, 3]],
      ['blocks.1.conv.bias', [6]],
      ['blocks.1.norm.weight', [6]],
      ['blocks.1.norm.bias', [6]],
      ['features.weight', [3, 6]],
      ['features.bias', [3]],
      ['head.weight', [4, 3]],
      ['head.bias', [4]],
    ],
  )
  t.match(model, { kind: 'classifier', imageShape: [2, 5, 4], classCount: 4, isConditional: false })
  t.throws(() => model.nullClass, { code: 'INTERNAL' })
  t.throws(() => model.predictor({}), { code: 'INTERNAL' })
  const { parameters: initial } = Model.initialise(configFiles(tiny), 1)
  const [first, , scale, shift] = model.views(initial)
  t.ok(
    first.data.every((value) => value !== 0 && Math.abs(value) <= 1 / Math.sqrt(18)),
    'U(±1/√fanIn)',
  )
  t.same([...scale.data, ...shift.data], [1, 1, 1, 1, 0, 0, 0, 0])
})

for (const name of ['onnx', 'tfjs'] as const) {
  t.test(`${name}: features, logits, loss and gradient, against float64 and its finite differences`, async (t) => {
    const engine = await openEngine({ name, threads: 1 })
    const inputs: HostTensorMap = { x: { shape: [rows, 2, 5, 4], data: x } }
    for (const view of model.views(parameters)) inputs[view.name] = view
    const forward = await engine.compile(
      (tensors) => ({ ...model.classifier(tensors)(tensors.x) }),
      Object.fromEntries(Object.entries(inputs).map(([key, { shape }]) => [key, { shape }])),
    )
    const { features, logits } = await forward.run(inputs)
    forward.dispose()
    const flat = Float64Array.from(parameters)
    const expected = reference(flat)
    t.same(features.shape, [rows, 3])
    t.same(logits.shape, [rows, 4])
    t.ok(relativeError(features.data, expected.features.data) < 1e-5, `features ${relativeError(features.data, expected.features.data)}`)
    t.ok(relativeError(logits.data, expected.logits.data) < 1e-5, `logits ${relativeError(logits.data, expected.logits.data)}`)

    const program = await GradientProgram.compile(engine, model, { name: 'classify' }, { rows, batchSize: rows, original: parameters })
    const batch = { x: inputs.x, xClass: { shape: [rows], data: Int32Array.from(labels) } }
    const [{ channel, loss, gradient }] = await program.run(parameters, batch)
    program.dispose()
    t.equal(channel, 'keep')
    t.ok(Math.abs(loss - expected.loss) < 1e-5 * expected.loss, `${loss} for ${expected.loss}`)
    const slopes = differences({ shape: [flat.length], data: flat }, () => reference(flat).loss)
    t.ok(relativeError(gradient, slopes) < 1e-5, `∇ ${relativeError(gradient, slopes)}`)
    for (const [view, other] of model
      .views(gradient)
      .map((view, i) => [view, model.views(Float32Array.from(slopes))[i]] as const)
      .filter(([, { data }]) => Math.hypot(...data) > 1e-6))
      t.ok(relativeError(view.data, other.data) < 1e-4, `∇ ${view.name}`)
  })
}

t.test('configurations that are none', async (t) => {
  const refused = (change: object) => () => Model.initialise(configFiles({ ...tiny, ...change }), 1)
  for (const [key, value] of Object.entries({
    block_out_channels: [4, 5],
    norm_num_groups: 0,
    feature_dim: 0,
    num_classes: 1,
    sample_size: 'small',
    in_channels: 1.5,
  }))
    t.throws(refused({ [key]: value }), { code: 'CHECKPOINT_CONFIG', message: new RegExp(key) }, key)
  t.throws(refused({ dropout: 0.1 }), { code: 'CHECKPOINT_CONFIG', message: /dropout/ }, 'a key that would be passed over')
  t.throws(refused({ _class_name: 'ResNet' }), {
    code: 'CHECKPOINT_CONFIG',
    expected: 'UNet2DModel or ImageClassifier',
    received: '"ResNet"',
  })
  for (const config of [null, 3, [], { _class_name: 7 }])
    t.throws(() => Model.initialise(configFiles(config as object), 1), { code: 'CHECKPOINT_CONFIG' }, JSON.stringify(config))
})
