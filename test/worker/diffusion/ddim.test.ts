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
