import t from 'tap'
import { emaDecay, emaUpdate } from '../../../worker/optimizer/ema.ts'
import { golden } from '../golden.ts'

const options = { maxDecay: 0.9999, inverseGamma: 1, power: 0.75 }

t.test('the decay warms up as in diffusers', async (t) => {
  const reference = golden('schedule.safetensors')
  const expected = reference.get('ema.decay_at_step').data
  reference.get('ema.steps').data.forEach((step, i) => {
    t.ok(Math.abs(emaDecay(step, options) - expected[i]) < 1e-6, `step ${step}: ${expected[i]}`)
  })
  t.equal(emaDecay(1, options), 0, 'the first average is the parameters themselves')
  t.equal(emaDecay(1e9, options), 0.9999)
})

t.test('the update moves by 1 − decay', async (t) => {
  const average = Float32Array.of(1, -2, 0)
  emaUpdate(average, Float32Array.of(3, 2, 0), 0.75)
  t.same([...average], [1.5, -1, 0])
  emaUpdate(average, Float32Array.of(7, 7, 7), 0)
  t.same([...average], [7, 7, 7])
})
