import t from 'tap'
import { ddimStep } from '../../../worker/diffusion/ddim.ts'
import { leadingTimesteps } from '../../../worker/diffusion/ddpm.ts'
import { addNoise, makeSchedule } from '../../../worker/diffusion/schedule.ts'
import { golden, relativeError } from '../golden.ts'

const reference = golden('schedule.safetensors')
const schedule = makeSchedule({ timesteps: 1000, betaSchedule: 'scaled_linear', betaStart: 0.00085, betaEnd: 0.012 })
const standIn = (x: Float32Array, time: number) => x.map((value) => 0.1 * value + Math.sin(time / 100))

t.test('20 deterministic steps are those of diffusers', async (t) => {
  const times = leadingTimesteps(schedule, 20, 1)
  t.same(times, [...reference.get('ddim20.timesteps').data])
  const x = reference.get('ddim20.x_init').data.slice()
  const states = reference.get('ddim20.xs').data
  const errors = times.map((time, k) => {
    ddimStep(schedule, time, time - 50, x, standIn(x, time), { clip: false, finalAlpha: schedule.alphasCumprod[0] })
    return relativeError(x, states.subarray(k * x.length, (k + 1) * x.length))
  })
  t.equal(errors.length, 20)
  t.ok(Math.max(...errors) < 1e-5, `every intermediate x, ${Math.max(...errors)}`)
})

t.test('with the true noise, steps stay on the way to the image and end at it', async (t) => {
  const image = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i))
  const noise = Float32Array.from({ length: 64 }, (_, i) => Math.cos(3 * i))
  const x = addNoise(schedule, 800, image, noise, new Float32Array(64))
  ddimStep(schedule, 800, 300, x, noise)
  t.ok(relativeError(x, addNoise(schedule, 300, image, noise, new Float32Array(64))) < 1e-5)
  ddimStep(schedule, 300, -1, x, noise)
  t.ok(relativeError(x, image) < 1e-5)
})

t.test('the predicted image is clipped unless told otherwise', async (t) => {
  const clipped = Float32Array.of(50)
  ddimStep(schedule, 400, -1, clipped, new Float32Array(1))
  t.equal(clipped[0], 1)
  const free = Float32Array.of(50)
  ddimStep(schedule, 400, -1, free, new Float32Array(1), { clip: false })
  t.ok(free[0] > 50)
})

t.test('where the image is clipped, the noise is what is left of x', async (t) => {
  const schedule = makeSchedule({ timesteps: 1000, betaSchedule: 'linear', betaStart: 1e-4, betaEnd: 0.02 })
  const [time, previous] = [500, 300]
  const x = Float32Array.of(2, 0.1)
  // The first is predicted to be an image value of −6.4, the second one of 0.36.
  const epsilon = Float32Array.of(3.94, 0)
  const [a, b] = [schedule.alphasCumprod[time], schedule.alphasCumprod[previous]]
  const left = (2 + Math.sqrt(a)) / Math.sqrt(1 - a)
  ddimStep(schedule, time, previous, x, epsilon)
  t.ok(Math.abs(x[0] - (-Math.sqrt(b) + Math.sqrt(1 - b) * left)) < 1e-6)
  t.ok(Math.abs(x[1] - Math.sqrt(b) * (0.1 / Math.sqrt(a))) < 1e-6, 'others are as they were')
})
