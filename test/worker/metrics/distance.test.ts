import t from 'tap'
import { pixelDistance } from '../../../worker/metrics/distance.ts'

const flat = (value: number) => new Float32Array(784).fill(value)

t.test('L2 over pixels in [0,1]', async (t) => {
  t.equal(pixelDistance(flat(0.3), flat(0.3)), 0)
  t.equal(pixelDistance(flat(-1), flat(1)), 28, 'black to white')
  t.equal(pixelDistance(Float32Array.of(0.6, -0.2), Float32Array.of(0.6, 0.8)), pixelDistance(Float32Array.of(-0.2), Float32Array.of(0.8)))
  t.ok(Math.abs(pixelDistance(Float32Array.of(0, 0), Float32Array.of(0.6, 0.8)) - 0.5) < 1e-7)
})

t.test('a sample is clipped to what can be shown', async (t) => {
  t.equal(pixelDistance(flat(5), flat(1)), 0)
  t.equal(pixelDistance(flat(-7), flat(1)), 28)
})
