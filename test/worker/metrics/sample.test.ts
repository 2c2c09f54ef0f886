import t from 'tap'
import { normals } from '../../../protocol/random.ts'
import { leadingTimesteps, timestepsFrom } from '../../../worker/diffusion/ddpm.ts'
import { addNoise, makeSchedule } from '../../../worker/diffusion/schedule.ts'
import { denoiseFrom, sample } from '../../../worker/metrics/sample.ts'
import { relativeError } from '../golden.ts'
import { fakePredictor } from './fake-predictor.ts'

const schedule = makeSchedule({ timesteps: 1000, betaSchedule: 'linear', betaStart: 1e-4, betaEnd: 0.02 })
const elements = 16
const image = Float32Array.from({ length: elements }, (_, i) => Math.sin(1 + i))
/** A network that knows the one image there is. */
const perfect = fakePredictor(elements, (value, i, time) => (value - schedule.signal[time] * image[i]) / schedule.noise[time])
const context = (predictor: typeof perfect) => ({ predictor, parameters: new Float32Array(0), schedule, seed: 4, onProgress: () => {} })

t.test('a perfect network brings the image back', async (t) => {
  for (const sampler of ['ddpm', 'ddim'] as const)
    for (const [start, steps] of [
      [999, 50],
      [700, 20],
      [5, 50],
    ]) {
      const x = new Float32Array(3 * elements)
      for (let row = 0; row < 3; row++) {
        const noise = normals({ seed: 1, purpose: 'noise', step: 0, sample: row }, new Float32Array(elements))
        addNoise(schedule, start, image, noise, x.subarray(row * elements, (row + 1) * elements))
      }
      await denoiseFrom(context(perfect), x, timestepsFrom(start, steps), {
        sampler,
        purpose: 'reconstruction_noise',
        first: 0,
        classes: undefined,
      })
      for (let row = 0; row < 3; row++)
        t.ok(relativeError(x.subarray(row * elements, (row + 1) * elements), image) < 1e-4, `${sampler} from ${start}`)
    }
})

t.test('and finds it from pure noise', async (t) => {
  for (const name of ['ddpm', 'ddim'] as const) {
    const x = await sample(context(perfect), { name, steps: 50 }, { first: 10, count: 2, classes: undefined })
    for (const row of [0, 1]) t.ok(relativeError(x.subarray(row * elements, (row + 1) * elements), image) < 1e-4, name)
  }
})

t.test('a sample depends on its number alone', async (t) => {
  const vague = fakePredictor(elements, (value, i, time) => 0.3 * value + Math.sin(time + i))
  for (const name of ['ddpm', 'ddim'] as const) {
    const together = await sample(context(vague), { name, steps: 10 }, { first: 0, count: 4, classes: undefined })
    const apart = [
      await sample(context(vague), { name, steps: 10 }, { first: 2, count: 2, classes: undefined }),
      await sample(context(vague), { name, steps: 10 }, { first: 0, count: 2, classes: undefined }),
    ]
    t.same([...apart[1], ...apart[0]], [...together], name)
    t.notSame([...apart[0]], [...apart[1]])
    const seeded = await sample({ ...context(vague), seed: 5 }, { name, steps: 10 }, { first: 0, count: 2, classes: undefined })
    t.notSame([...seeded], [...apart[1]])
  }
})

t.test('every evaluation of the network is a sign of life', async (t) => {
  let signs = 0
  await sample(
    { ...context(perfect), onProgress: () => (signs += 1) },
    { name: 'ddim', steps: 7 },
    { first: 0, count: 1, classes: undefined },
  )
  t.equal(signs, leadingTimesteps(schedule, 7).length)
})
