import * as tf from '@tensorflow/tfjs'
import t from 'tap'
import { normals } from '../../../protocol/random.ts'
import type { Engine, HostTensorMap, Signature } from '../../../worker/engine/engine.ts'
import { trace } from '../../../worker/engine/onnx/engine.ts'
import { openEngine } from '../../../worker/engine/open.ts'
import { conv2d, groupNorm, silu } from '../../../worker/engine/ops/index.ts'
import { type Array64, differences, sizeOf } from './array64.ts'
import { basicCases, type Case } from './cases.ts'
import { networkCases } from './network-cases.ts'

const draw = (sample: number, shape: readonly number[]) =>
  normals({ seed: 1, purpose: 'noise', step: 0, sample }, new Float32Array(sizeOf(shape)))

function inputsOf({ shapes, positive }: Case): HostTensorMap {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape], k) => {
      const data = draw(k, shape)
      return [name, { shape, data: positive ? data.map((value) => Math.abs(value) + 0.5) : data }]
    }),
  )
}

/** The value of an operation, and the gradients of its sum weighted with fixed numbers. */
function check(one: Case) {
  const inputs = inputsOf(one)
  const names = Object.keys(one.shapes)
  const copies = Object.fromEntries(
    names.map((name) => [name, { shape: one.shapes[name], data: Float64Array.from(inputs[name].data) } as Array64]),
  )
  const value = one.expected(copies)
  const weights = draw(100, value.shape)
  const weighted = () => one.expected(copies).data.reduce((sum, element, i) => sum + element * weights[i], 0)
  const gradients = one.differentiable === false ? {} : Object.fromEntries(names.map((name) => [name, differences(copies[name], weighted)]))
  const step = (tensors: Record<string, tf.Tensor>) => {
    const apply = (...values: tf.Tensor[]) => one.op(Object.fromEntries(values.map((tensor, i) => [names[i], tensor])))
    const given = names.map((name) => tensors[name])
    if (one.differentiable === false) return { value: apply(...given) }
    const { grads } = tf.valueAndGrads(
      (...values: tf.Tensor[]) => tf.sum(tf.mul(apply(...values), tf.tensor(weights, value.shape))) as tf.Scalar,
    )(given)
    return { value: apply(...given), ...Object.fromEntries(grads.map((grad, i) => [`d${names[i]}`, grad])) }
  }
  return { inputs, step, value, gradients }
}

/** ‖actual − expected‖ against ‖expected‖, or against numbers of size 0.01 where the truth is zero. */
function deviation(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY
  let difference = 0
  let norm = 1e-4 * expected.length
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i] - expected[i]) ** 2
    norm += expected[i] ** 2
  }
  return Math.sqrt(difference / norm)
}

async function evaluate(engine: Engine, step: Parameters<Engine['compile']>[0], inputs: HostTensorMap) {
  const program = await engine.compile(step, Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, { shape }])))
  const outputs = await program.run(inputs)
  program.dispose()
  return outputs
}

for (const name of ['onnx', 'tfjs'] as const) {
  t.test(`${name}: values and gradients`, async (t) => {
    const engine = await openEngine({ name, threads: 1 })
    for (const one of [...basicCases, ...networkCases]) {
      const { inputs, step, value, gradients } = check(one)
      const outputs = await evaluate(engine, step, inputs)
      t.same(outputs.value.shape, value.shape, `${one.name}: shape`)
      t.ok(
        deviation(outputs.value.data, value.data) < 1e-5,
        `${one.name}: value ${deviation(outputs.value.data, value.data).toExponential(1)}`,
      )
      for (const [input, expected] of Object.entries(gradients)) {
        const error = deviation(outputs[`d${input}`].data, expected)
        t.ok(error < 1e-5, `${one.name}: gradient of ${input} ${error.toExponential(1)}`)
      }
    }
  })

  t.test(`${name}: outputs may be inputs, constants, or one tensor twice`, async (t) => {
    const engine = await openEngine({ name, threads: 1 })
    const x = { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }
    const outputs = await evaluate(
      engine,
      ({ x }) => {
        const doubled = tf.mul(x, 2)
        return {
          x,
          again: x,
          doubled,
          doubledAgain: doubled,
          same: tf.mul(x, 2),
          seven: tf.scalar(7),
          zeros: tf.zeros([3]),
          more: tf.tensor1d([1, 2]),
        }
      },
      { x },
    )
    const plain = Object.fromEntries(Object.entries(outputs).map(([key, { data }]) => [key, [...data]]))
    const twice = [2, 4, 6, 8]
    t.same(plain, {
      x: [1, 2, 3, 4],
      again: [1, 2, 3, 4],
      doubled: twice,
      doubledAgain: twice,
      same: twice,
      seven: [7],
      zeros: [0, 0, 0],
      more: [1, 2],
    })
  })

  t.test(`${name}: an input that nothing needs, and whole numbers`, async (t) => {
    const engine = await openEngine({ name, threads: 1 })
    const program = await engine.compile(({ table, rows }) => ({ picked: tf.gather(table, rows as tf.Tensor1D) }), {
      table: { shape: [3, 2] },
      rows: { shape: [2], dtype: 'int32' },
      unused: { shape: [5] },
    })
    const inputs = { table: { shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) }, unused: { shape: [5], data: new Float32Array(5) } }
    const { picked } = await program.run({ ...inputs, rows: { shape: [2], data: Int32Array.of(2, 0) } })
    t.same([...picked.data], [5, 6, 1, 2])
    const { picked: others } = await program.run({ ...inputs, rows: { shape: [2], data: Int32Array.of(1, 1) } })
    t.same([...others.data], [3, 4, 3, 4], 'a program runs again with other inputs')
    program.dispose()
  })

  t.test(`${name}: large arguments saturate without NaN`, async (t) => {
    const engine = await openEngine({ name, threads: 1 })
    const x = { shape: [4], data: Float32Array.of(-1e4, -200, 200, 1e4) }
    const outputs = await evaluate(engine, ({ x }) => ({ sigmoid: tf.sigmoid(x), softmax: tf.softmax(x), silu: silu(x) }), { x })
    t.same(
      [...outputs.sigmoid.data].map((value) => Math.round(value * 1e6) / 1e6),
      [0, 0, 1, 1],
    )
    t.same([...outputs.softmax.data], [0, 0, 0, 1])
    t.same(
      [...outputs.silu.data].map((value) => Math.round(value * 1e6) / 1e6 + 0),
      [0, 0, 200, 1e4],
    )
  })
}

/** Two convolutions with a norm between them: [2,3,20,20] to [2,1,20,20]. */
const smallShapes: Record<string, number[]> = { x: [2, 3, 20, 20], w1: [8, 3, 3, 3], b1: [8], g: [8], s: [8], w2: [1, 8, 3, 3], b2: [1] }
const signature: Signature = Object.fromEntries(Object.entries(smallShapes).map(([name, shape]) => [name, { shape }]))
const smallNames = Object.keys(smallShapes)
const small = (...[x, w1, b1, g, s, w2, b2]: tf.Tensor[]) => {
  const options = { stride: 1, padding: 1 }
  return conv2d(groupNorm(conv2d(x, w1, b1, options), g, s, { groups: 4, epsilon: 1e-5, silu: true }), w2, b2, options)
}
const gradients = (tensors: Record<string, tf.Tensor>, loss: (y: tf.Tensor) => tf.Tensor, label: string) => {
  const { value, grads } = tf.valueAndGrads((...values: tf.Tensor[]) => loss(small(...values)) as tf.Scalar)(
    smallNames.map((name) => tensors[name]),
  )
  return { [`${label}:value`]: value, ...Object.fromEntries(grads.map((grad, i) => [`${label}:${smallNames[i]}`, grad])) }
}

t.test('onnx: the same bits from one thread, from two and again', async (t) => {
  const inputs = Object.fromEntries(Object.entries(smallShapes).map(([name, shape], k) => [name, { shape, data: draw(k, shape) }]))
  const step = (tensors: Record<string, tf.Tensor>) => gradients(tensors, (y) => tf.sum(tf.square(y)), 'square')
  const bits = async (threads: number, runs: number) => {
    const program = await (await openEngine({ name: 'onnx', threads })).compile(step, signature)
    const results: Record<string, string>[] = []
    for (let run = 0; run < runs; run++) {
      const outputs = Object.entries(await program.run(inputs))
      results.push(
        Object.fromEntries(
          outputs.map(([name, { data }]) => [name, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')]),
        ),
      )
    }
    program.dispose()
    return results
  }
  const [first, second] = await bits(1, 2)
  t.same(second, first, 'a second run')
  t.same((await bits(1, 1))[0], first, 'a second session')
  for (const other of await bits(2, 3)) t.same(other, first, 'two threads')
})

t.test('onnx: two gradients share one forward pass', async (t) => {
  // A node's op_type is field 4 of its message: a tag byte, the length, the name.
  const convolutions = (step: Parameters<typeof trace>[0]) =>
    Buffer.from(trace(step, signature).model).toString('latin1').split('"\x04Conv').length - 1
  const forward = convolutions((tensors) => ({ y: small(...smallNames.map((name) => tensors[name])) }))
  const one = convolutions((tensors) => gradients(tensors, (y) => tf.sum(tf.square(y)), 'square'))
  const two = convolutions((tensors) => ({
    ...gradients(tensors, (y) => tf.sum(tf.square(y)), 'square'),
    ...gradients(tensors, (y) => tf.mean(tf.exp(y)), 'exp'),
  }))
  t.equal(forward, 2)
  t.equal(one, 4, 'each convolution has an input gradient')
  t.equal(two, 6, 'a second loss adds its input gradients and nothing else')
})

t.test('onnx: a step that reads a value before it is known', async (t) => {
  const engine = await openEngine({ name: 'onnx', threads: 1 })
  await t.rejects(
    engine.compile(({ x }) => ({ y: tf.mul(x, tf.sum(x).dataSync()[0]) }), { x: { shape: [2] } }),
    {
      name: 'LetheError',
      code: 'COMPUTE_ENGINE',
    },
  )
  const x = { shape: [2], data: Float32Array.of(1, 2) }
  const { y } = await evaluate(engine, ({ x }) => ({ y: tf.mul(x, tf.scalar(3).dataSync()[0]) }), { x })
  t.same([...y.data], [3, 6], 'constants are known')
})
