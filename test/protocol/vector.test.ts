import t from 'tap'
import { normals } from '../../protocol/random.ts'
import { addInPlace, dot, squaredNorm } from '../../protocol/vector.ts'

t.test('addInPlace adds in float32 into the left array', async (t) => {
  const left = Float32Array.of(1, 2 ** 24, 0.1)
  t.equal(addInPlace(left, Float32Array.of(1, 1, 0.2)), left)
  t.same(left, Float32Array.of(2, 2 ** 24, Math.fround(Math.fround(0.1) + Math.fround(0.2))))
  t.throws(() => addInPlace(left, new Float32Array(2)), RangeError)
})

t.test('dot is the inner product in float64', async (t) => {
  for (const length of [0, 1, 7, 8, 9, 1003]) {
    const a = normals({ seed: 1, purpose: 'noise', step: 1, sample: 0 }, new Float32Array(length))
    const b = normals({ seed: 1, purpose: 'noise', step: 1, sample: 1 }, new Float32Array(length))
    const exact = a.reduce((sum, x, i) => sum + x * b[i], 0)
    t.ok(Math.abs(dot(a, b) - exact) < 1e-12, `length ${length}`)
    t.equal(squaredNorm(a), dot(a, a))
  }
  t.equal(dot(Float32Array.of(2 ** 13, 1), Float32Array.of(2 ** 13, 1)), 2 ** 26 + 1, 'more digits than float32 has')
  t.throws(() => dot(new Float32Array(3), new Float32Array(4)), RangeError)
})

t.test('dot keeps its one order of adding', async (t) => {
  const values = normals({ seed: 4, purpose: 'noise', step: 0, sample: 0 }, new Float32Array(1 << 12)).map((x, i) => x * 10 ** (i % 12))
  const accumulators = new Float64Array(8)
  for (let i = 0; i < values.length; i++) accumulators[i % 8] += values[i] ** 2
  const [s0, s1, s2, s3, s4, s5, s6, s7] = accumulators
  t.equal(squaredNorm(values), s0 + s1 + (s2 + s3) + (s4 + s5 + (s6 + s7)))
})
