import t from 'tap'
import { ddpmStep, leadingTimesteps, timestepsFrom } from '../../../worker/diffusion/ddpm.ts'
import { addNoise, makeSchedule } from '../../../worker/diffusion/schedule.ts'
import { golden, relativeError } from '../golden.ts'

const reference = golden('schedule.safetensors')
const schedule = makeSchedule({ timesteps: 1000, betaSchedule: 'linear', betaStart: 1e-4, betaEnd: 0.02 })
/** The network that stands in for a model in the golden trajectories. */
const standIn = (x: Float32Array, time: number) => x.map((value) => 0.1 * value + Math.sin(time / 100))

t.test('50 ancestral steps are those of diffusers', async (t) => {
  const times = leadingTimesteps(schedule, 50)
  t.same(times, [...reference.get('ddpm50.timesteps').data])
  const x = reference.get('ddpm50.x_init').data.slice()
  const noises = reference.get('ddpm50.noises').data
  const states = reference.get('ddpm50.xs').data
  const errors = times.map((time, k) => {
    const fresh = time > 0 ? noises.subarray(k * x.length, (k + 1) * x.length) : null
    ddpmStep(schedule, time, times[k + 1] ?? -1, x, standIn(x, time), fresh)
    return relativeError(x, states.subarray(k * x.length, (k + 1) * x.length))
  })
  t.equal(errors.length, 50)
  t.ok(Math.max(...errors) < 1e-5, `every intermediate x, ${Math.max(...errors)}`)
})

t.test('times', async (t) => {
  t.same(leadingTimesteps(schedule, 4), [750, 500, 250, 0])
  t.same(leadingTimesteps(schedule, 4, 1), [751, 501, 251, 1])
  t.same(timestepsFrom(500, 5), [500, 400, 300, 200, 100])
  t.same(timestepsFrom(2, 50), [2, 1, 0], 'no time twice')
  for (const [start, steps] of [
    [700, 50],
    [999, 1000],
    [1, 1],
    [17, 13],
  ]) {
    const times = timestepsFrom(start, steps)
    t.equal(times[0], start)
    t.ok(
      times.every((time, k) => Number.isInteger(time) && time >= 0 && (k === 0 || time < times[k - 1])),
      `${start} in ${steps} steps`,
    )
  }
})

t.test('knowing the noise, one step to the clean image ends at it', async (t) => {
  const image = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i))
  const noise = Float32Array.from({ length: 64 }, (_, i) => Math.cos(3 * i))
  const x = addNoise(schedule, 400, image, noise, new Float32Array(64))
  ddpmStep(schedule, 400, -1, x, noise, null)
  t.ok(relativeError(x, image) < 1e-5)
})

t.test('the predicted image is clipped', async (t) => {
  const x = Float32Array.of(50, -50)
  ddpmStep(schedule, 400, -1, x, new Float32Array(2), null)
  t.same([...x], [1, -1])
})
