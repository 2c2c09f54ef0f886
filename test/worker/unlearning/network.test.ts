import t from 'tap'
import { methodOf } from '../../../protocol/methods/index.ts'
import { normals, uniforms } from '../../../protocol/random.ts'
import type { HostBatch } from '../../../worker/batch.ts'
import { openEngine } from '../../../worker/engine/open.ts'
import { Model } from '../../../worker/model.ts'
import { GradientProgram } from '../../../worker/step.ts'
import { lossesOf } from '../../../worker/unlearning/index.ts'
import { lossInputShapes } from '../../../worker/unlearning/losses.ts'
import { configFiles, tinyConfig } from '../../support/tiny-job.ts'

/* Targets and classes on a network with classes, as a run has it: what must vanish, and what must not. */

const rows = 2
const { model, parameters } = Model.initialise(configFiles({ ...tinyConfig, num_class_embeds: 4 }), 5)
const moved = parameters.map(
  (value, i) => value + 0.05 * normals({ seed: 1, purpose: 'noise', step: 0, sample: i % 64 }, new Float32Array(1))[0],
)
const shapes = lossInputShapes(rows, model.imageShape)
const filled = (name: 'x' | 'a' | 'noise', sample: number) => {
  const values = new Float32Array(rows * 64)
  return { shape: shapes[name], data: normals({ seed: 2, purpose: 'noise', step: 0, sample }, values) }
}
const classes = (value: number) => ({ shape: [rows], data: new Int32Array(rows).fill(value) })
const scales = (value: number) => ({ shape: shapes.signal, data: new Float32Array(rows).fill(value) })

const common: HostBatch = {
  x: filled('x', 0),
  a: filled('a', 1),
  noise: filled('noise', 2),
  uniform: {
    shape: shapes.uniform,
    data: uniforms({ seed: 2, purpose: 'uniform_target', step: 0, sample: 0 }, new Float32Array(rows * 64)),
  },
  t: { shape: [rows], data: Float32Array.of(300, 700) },
  signal: scales(0.6),
  sigma: scales(0.8),
  xClass: classes(0),
  aClass: classes(1),
  otherClass: classes(2),
  nullClass: classes(3),
}

async function compile(name: 'random-label' | 'esd', options: object) {
  const method = methodOf(name).options.parse({ name, ...options })
  const engine = await openEngine({ name: 'onnx', threads: 1 })
  const program = await GradientProgram.compile(engine, model, method as never, { rows, batchSize: rows, original: parameters })
  return {
    dispose: () => program.dispose(),
    /** Loss and norm of the gradient of the forget channel. */
    forget: async (at: Float32Array, changes: HostBatch) => {
      const all = { ...common, ...changes }
      const results = await program.run(at, Object.fromEntries(lossesOf(name).needs.map((need) => [need, all[need]])))
      const { loss, gradient } = results.find(({ channel }) => channel === 'forget') as (typeof results)[number]
      return { loss, norm: Math.hypot(...gradient) }
    },
  }
}

t.test(
  'swap label: a class that is swapped for itself costs nothing, another one does, and the target moves with the network',
  async (t) => {
    const program = await compile('random-label', {})
    for (const at of [parameters, moved]) {
      t.same(await program.forget(at, { otherClass: classes(1) }), { loss: 0, norm: 0 })
      const { loss, norm } = await program.forget(at, {})
      t.ok(loss > 1e-6 && norm > 1e-6, `${loss}, ${norm}`)
    }
    program.dispose()
  },
)

t.test('esd: at the original network, guidance away from the null class itself is nothing; the target stays where it was', async (t) => {
  const program = await compile('esd', { eta: 1 })
  const none = await program.forget(parameters, { aClass: classes(3) })
  t.same(none, { loss: 0, norm: 0 })
  const away = await program.forget(parameters, {})
  t.ok(away.loss > 1e-6 && away.norm > 1e-6, `${away.loss}`)
  const later = await program.forget(moved, { aClass: classes(3) })
  t.ok(later.loss > 1e-6, `another network no longer meets the target: ${later.loss}`)
  program.dispose()
})
