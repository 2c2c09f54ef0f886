import * as tf from '@tensorflow/tfjs'
import t from 'tap'
import { type MethodName, methodOf, methods } from '../../../protocol/methods/index.ts'
import { openEngine } from '../../../worker/engine/open.ts'
import { lossesOf } from '../../../worker/unlearning/index.ts'
import type { LossInput, LossInputs, Predict } from '../../../worker/unlearning/losses.ts'
import { fedInputs, isClassInput, lossInputShapes } from '../../../worker/unlearning/losses.ts'
import { differences } from '../engine/array64.ts'
import { relativeError } from '../golden.ts'
import { type Formulas, formulas } from './formulas.ts'
import { image, original, rows, theta, values } from './toy.ts'

/*
 * The loss of every method on a network of four parameters, against its formula in float64 and finite differences of that, with the
 * targets held fixed; in a model with classes and in one without, as far as the method fits both.
 */

/** ε_θ(m, t, c) = θ₀·tanh(m) + θ₁·m + θ₂·t/1000 + θ₃·c·m/10 */
const network =
  (p: tf.Tensor): Predict =>
  (m, time, classes) => {
    const [p0, p1, p2, p3] = tf.split(p, 4)
    const perRow = (row: tf.Tensor) => tf.reshape(row, [-1, 1, 1, 1])
    const free = tf.add(tf.add(tf.mul(p0, tf.tanh(m)), tf.mul(p1, m)), perRow(tf.mul(p2, tf.div(time, 1000))))
    return classes ? tf.add(free, tf.mul(tf.mul(p3, m), perRow(tf.div(tf.cast(classes, 'float32'), 10)))) : free
  }

const shapes = lossInputShapes(rows, image)

/** What was called and read while one program was made. */
interface Witness {
  forwards: number
  originals: number
  read: Set<string>
}

async function run(engineName: 'onnx' | 'tfjs', { name, options, losses }: Formulas, hasClasses: boolean) {
  const method = lossesOf(name)
  const settings = methodOf(name).options.parse({ name, ...options })
  const seen: Witness = { forwards: 0, originals: 0, read: new Set() }
  const witnessed = (predict: Predict, isOriginal = false): Predict => {
    return (...args) => {
      seen.forwards += 1
      if (isOriginal) seen.originals += 1
      return predict(...args)
    }
  }
  // Only what the method says that it needs.
  const needs = fedInputs(method.needs, hasClasses)
  const inputs = Object.fromEntries(needs.map((need) => [need, { shape: shapes[need], data: values[need] }]))
  const dtypeOf = (need: LossInput) => (isClassInput(need) ? 'int32' : 'float32')
  const engine = await openEngine({ name: engineName, threads: 1 })
  const program = await engine.compile(
    (tensors) => {
      const fed = new Proxy(tensors as unknown as LossInputs, {
        get: (target, key) => {
          seen.read.add(String(key))
          return Reflect.get(target, key)
        },
      })
      const teachers = { current: witnessed(network(tensors.theta)), original: witnessed(network(tensors.original), true) }
      const targets = method.targets?.(teachers, fed, settings as never) ?? {}
      const lossesAt = (p: tf.Tensor, see: boolean) =>
        method.losses(see ? witnessed(network(p)) : network(p), fed, settings as never, targets) as Record<string, tf.Tensor>
      lossesAt(tensors.theta, true)
      return Object.fromEntries(
        Object.keys(losses).flatMap((channel) => {
          const { value, grad } = tf.valueAndGrad((p: tf.Tensor) => tf.sum(lossesAt(p, false)[channel]) as tf.Scalar)(tensors.theta)
          return [
            [channel, value],
            [`d${channel}`, grad],
          ]
        }),
      )
    },
    {
      theta: { shape: [4] },
      original: { shape: [4] },
      ...Object.fromEntries(needs.map((need) => [need, { shape: shapes[need], dtype: dtypeOf(need) }])),
    },
  )
  const parameters = { theta: { shape: [4], data: theta }, original: { shape: [4], data: original } }
  const outputs = await program.run({ ...parameters, ...inputs })
  program.dispose()
  return { outputs, seen }
}

/** The settings that a method fits with these options. */
function variants({ name, options }: Formulas): boolean[] {
  const method = methodOf(name)
  const conditioning = method.conditioning?.(method.options.parse({ name, ...options }) as never) ?? 'either'
  return [...(conditioning === 'needed' ? [] : [false]), ...(conditioning === 'refused' ? [] : [true])]
}

for (const engineName of ['onnx', 'tfjs'] as const) {
  for (const one of formulas)
    for (const hasClasses of variants(one))
      t.test(`${engineName}: ${one.name} ${JSON.stringify(one.options)}${hasClasses ? ' with classes' : ''}`, async (t) => {
        const { outputs, seen } = await run(engineName, one, hasClasses)
        t.same(Object.keys(one.losses), methodOf(one.name).channels)
        t.equal(seen.forwards, one.forwards, 'forward passes')
        t.equal(seen.originals > 0, lossesOf(one.name).asksOriginal ?? false, 'of the original')
        for (const [channel, formula] of Object.entries(one.losses)) {
          const p = Float64Array.from(theta)
          const value = () => formula(p, hasClasses)
          const gradient = differences({ shape: [4], data: p }, value)
          t.ok(gradient.some((slope) => Math.abs(slope) > 1e-2))
          const errors = [relativeError(outputs[channel].data, [value()]), relativeError(outputs[`d${channel}`].data, gradient)]
          t.ok(errors[0] < 1e-5, `${channel}: ${outputs[channel].data[0]} for ${value()}`)
          t.ok(errors[1] < 1e-5, `∇ ${channel}: ${errors[1]}`)
        }
      })
}

t.test('every method that works on noise has its formula', async (t) => {
  const all = (Object.keys(methods) as MethodName[]).filter((name) => lossesOf(name).network !== 'classifier')
  t.same(new Set(formulas.map(({ name }) => name)), new Set(all))
})

t.test('a method reads what it says that it needs, and nothing else', async (t) => {
  for (const name of new Set(formulas.map((one) => one.name))) {
    const read = new Set<string>()
    for (const one of formulas.filter((other) => other.name === name)) {
      for (const hasClasses of variants(one)) {
        const { seen } = await run('tfjs', one, hasClasses)
        for (const key of seen.read) read.add(key)
      }
    }
    t.same([...read].sort(), [...lossesOf(name).needs].sort(), name)
  }
})
