import t from 'tap'
import { frechetDistance } from '../../../coordinator/measures/frechet.ts'
import { normals } from '../../../protocol/random.ts'
import { golden } from '../../worker/golden.ts'

const matrix = (values: ArrayLike<number>, width: number) => ({ rows: values.length / width, width, values })
const noise = (rows: number, width: number, seed = 1) =>
  normals({ seed, purpose: 'noise', step: 0, sample: 0 }, new Float32Array(rows * width))

/** Four points of the plane whose covariance is diag(x, y), turned by `angle`, and whose mean is (shift, shift). */
function cross([x, y]: readonly [number, number], angle = 0, shift = 0): number[] {
  const [a, b] = [Math.sqrt(1.5 * x), Math.sqrt(1.5 * y)]
  const [c, s] = [Math.cos(angle), Math.sin(angle)]
  const points = [
    [a, 0],
    [-a, 0],
    [0, b],
    [0, -b],
  ]
  return points.flatMap(([u, v]) => [c * u - s * v + shift, s * u + c * v + shift])
}

t.test('the golden pair, as scipy has it', async (t) => {
  const file = golden('frechet.safetensors')
  const [a, b] = [file.get('a'), file.get('b')].map(({ data, shape }) => ({ values: data, rows: shape[0], width: shape[1] }))
  const expected = file.get('distance').data[0]
  for (const distance of [await frechetDistance(a, b), await frechetDistance(b, a)])
    t.ok(Math.abs((distance as number) / expected - 1) < 1e-7, `${distance} of ${expected}`)
})

t.test('closed forms in two dimensions', async (t) => {
  const [a, b] = [matrix(cross([4, 1]), 2), matrix(cross([9, 0.25], 0, 2), 2)]
  t.ok(Math.abs(((await frechetDistance(a, b)) as number) - (1 + 0.25 + 4 + 4)) < 1e-12, 'axes in common: Σ(√a − √b)² + ‖shift‖²')

  const angle = 0.7
  const turned = matrix(cross([9, 0.25], angle), 2)
  const [c, s] = [Math.cos(angle) ** 2, Math.sin(angle) ** 2]
  const traceOfProduct = 4 * (9 * c + 0.25 * s) + (9 * s + 0.25 * c)
  const root = Math.sqrt(traceOfProduct + 2 * Math.sqrt(4 * 1 * 9 * 0.25))
  t.ok(Math.abs(((await frechetDistance(a, turned)) as number) - (5 + 9.25 - 2 * root)) < 1e-12, 'axes apart')
})

t.test('singular covariances: fewer samples than features', async (t) => {
  const few = noise(20, 64)
  const shifted = few.map((value) => value + 0.5)
  t.ok(((await frechetDistance(matrix(few, 64), matrix(few, 64))) as number) < 1e-10)
  const offsets = few.reduce((sum, value, i) => sum + (shifted[i] - value), 0) / few.length
  t.ok(Math.abs(((await frechetDistance(matrix(few, 64), matrix(shifted, 64))) as number) - 64 * offsets ** 2) < 1e-5)
  const scaled = few.map((value) => 2 * value)
  const moments = Array.from({ length: 64 }, (_, i) => {
    const column = Array.from({ length: 20 }, (_, row) => few[row * 64 + i])
    const mean = column.reduce((sum, value) => sum + value, 0) / 20
    return mean ** 2 + column.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 19
  })
  const expected = moments.reduce((sum, value) => sum + value, 0)
  t.ok(Math.abs(((await frechetDistance(matrix(few, 64), matrix(scaled, 64))) as number) / expected - 1) < 1e-10, 'S₂ = 4·S₁')
  t.ok(
    Math.abs(((await frechetDistance(matrix(new Float32Array(64), 16), matrix(new Float32Array(32).fill(3), 16))) as number) - 144) < 1e-12,
  )
})

t.test('fewer samples than features: the same as from covariances', async (t) => {
  // Features beside those of the samples are zero: they change nothing but the route.
  const widened = (values: Float32Array, width: number, to: number) => {
    const out = new Float32Array((values.length / width) * to)
    for (let row = 0; row < values.length / width; row++) out.set(values.subarray(row * width, (row + 1) * width), row * to)
    return matrix(out, to)
  }
  const [a, b] = [noise(40, 24), noise(70, 24, 2).map((value, i) => value * (1 + (i % 5)) + 0.2)]
  const expected = (await frechetDistance(matrix(a, 24), matrix(b, 24))) as number
  for (const to of [41, 64, 71, 100]) {
    const distance = (await frechetDistance(widened(a, 24, to), widened(b, 24, to))) as number
    t.ok(Math.abs(distance / expected - 1) < 1e-9, `${to} features: ${distance} of ${expected}`)
  }
  const file = golden('frechet.safetensors')
  const [one, other] = [file.get('a'), file.get('b')]
  const to = Math.max(one.shape[0], other.shape[0]) + 1
  const distance = (await frechetDistance(widened(one.data, one.shape[1], to), widened(other.data, other.shape[1], to))) as number
  t.ok(Math.abs(distance / file.get('distance').data[0] - 1) < 1e-6, `the golden pair in ${to} features: ${distance}`)
})

t.test('256 features: quick, and with the value of the closed form', async (t) => {
  const features = noise(300, 256)
  const scaled = features.map((value) => value / 2)
  const before = process.cpuUsage()
  const distance = (await frechetDistance(matrix(features, 256), matrix(scaled, 256))) as number
  const { user } = process.cpuUsage(before)
  let expected = 0
  for (let i = 0; i < 256; i++) {
    let [sum, square] = [0, 0]
    for (let row = 0; row < 300; row++) {
      sum += features[row * 256 + i]
      square += features[row * 256 + i] ** 2
    }
    expected += (sum / 300) ** 2 / 4 + (square - sum ** 2 / 300) / 299 / 4
  }
  t.ok(Math.abs(distance / expected - 1) < 1e-10, `${distance} of ${expected}`)
  t.ok(user < 3e6, `${user / 1e6} s of CPU time`)
})

t.test('the event loop runs meanwhile', async (t) => {
  let turns = 0
  const timer = setInterval(() => (turns += 1), 1)
  // Long enough on any machine.
  await frechetDistance(matrix(noise(1000, 400), 400), matrix(noise(1000, 400, 2), 400))
  clearInterval(timer)
  t.ok(turns > 0)
})

t.test('what has no distance', async (t) => {
  const fine = matrix(noise(10, 4), 4)
  t.equal(await frechetDistance(fine, matrix([1, 2, 3, 4], 4)), null, 'one sample has no covariance')
  const broken = noise(10, 4)
  broken[7] = Number.NaN
  t.ok(Number.isNaN(await frechetDistance(fine, matrix(broken, 4))))
  broken[7] = Number.POSITIVE_INFINITY
  t.ok(Number.isNaN(await frechetDistance(matrix(broken, 4), fine)))
  await t.rejects(frechetDistance(fine, matrix(noise(10, 5), 5)), { code: 'INTERNAL', received: '5' })
  await t.rejects(frechetDistance(fine, { rows: 3, width: 4, values: [1, 2] }), { code: 'INTERNAL' })
})
