import t from 'tap'
import { addNoise, makeSchedule } from '../../../worker/diffusion/schedule.ts'
import { golden, relativeError } from '../golden.ts'

const reference = golden('schedule.safetensors')
const linear = makeSchedule({ timesteps: 1000, betaSchedule: 'linear', betaStart: 1e-4, betaEnd: 0.02 })

t.test('ᾱ of every schedule is that of diffusers', async (t) => {
  const ends = { linear: [1e-4, 0.02], scaled_linear: [0.00085, 0.012], squaredcos_cap_v2: [1e-4, 0.02] } as const
  for (const betaSchedule of ['linear', 'scaled_linear', 'squaredcos_cap_v2'] as const) {
    const expected = reference.get(`alphas_cumprod.${betaSchedule}`).data
    const [betaStart, betaEnd] = ends[betaSchedule]
    const { alphasCumprod } = makeSchedule({ timesteps: 1000, betaSchedule, betaStart, betaEnd })
    t.ok(relativeError(alphasCumprod, expected) < 1e-5, `${betaSchedule}: ${relativeError(alphasCumprod, expected)}`)
    // diffusers rounds β to float32 before it takes 1 − β. Where β is capped at 0.999, its last one, that alone costs 1.3e-5.
    const rounded = betaSchedule === 'squaredcos_cap_v2' ? (1 - Math.fround(0.999)) / (1 - 0.999) : 1
    const worst = Math.max(...alphasCumprod.map((value, time) => Math.abs((value * (time === 999 ? rounded : 1)) / expected[time] - 1)))
    t.ok(worst < 1e-6, `${betaSchedule}: each ᾱ, ${worst}`)
  }
})

t.test('published values of the linear schedule', async (t) => {
  const values = {
    0: 0.9999,
    100: 0.89514,
    250: 0.52142,
    500: 0.077797,
    600: 0.025567,
    700: 6.8683e-3,
    800: 1.5075e-3,
    900: 2.7024e-4,
    999: 4.0358e-5,
  }
  for (const [time, value] of Object.entries(values)) t.ok(Math.abs(linear.alphasCumprod[Number(time)] / value - 1) < 1e-4, `t = ${time}`)
  const deviations = { 0: 0.01, 100: 0.3238, 250: 0.6918, 500: 0.9603, 700: 0.9966, 999: 1 }
  for (const [time, value] of Object.entries(deviations)) t.ok(Math.abs(linear.noise[Number(time)] - value) < 5e-5, `σ at t = ${time}`)
  const scaled = makeSchedule({ timesteps: 1000, betaSchedule: 'scaled_linear', betaStart: 0.00085, betaEnd: 0.012 })
  t.ok(Math.abs(scaled.alphasCumprod[999] / 4.66e-3 - 1) < 1e-4, 'Stable Diffusion at t = 999')
})

t.test('signal and noise keep the variance, and ᾱ falls', async (t) => {
  for (let time = 0; time < linear.timesteps; time++) {
    const variance = linear.signal[time] ** 2 + linear.noise[time] ** 2
    if (Math.abs(variance - 1) > 1e-6 || (time > 0 && linear.alphasCumprod[time] >= linear.alphasCumprod[time - 1])) t.fail(`t = ${time}`)
  }
  t.equal(linear.alphasCumprod.length, 1000)
})

t.test('noise is added as diffusers adds it', async (t) => {
  const [x0, noise, expected] = ['x0', 'noise', 'out'].map((name) => reference.get(`add_noise.${name}`).data)
  const times = reference.get('add_noise.t').data
  const width = x0.length / times.length
  const out = new Float32Array(x0.length)
  times.forEach((time, row) => {
    const rows = (values: Float32Array) => values.subarray(row * width, (row + 1) * width)
    addNoise(linear, time, rows(x0), rows(noise), rows(out))
  })
  t.ok(relativeError(out, expected) < 1e-6, `${relativeError(out, expected)}`)
})
