import t from 'tap'
import { sha256 } from '../../protocol/digest.ts'
import type { Key } from '../../protocol/random.ts'
import { normals, philox4x32, purposes, uniforms, Words } from '../../protocol/random.ts'

const key: Key = { seed: 20_240_229, purpose: 'noise', step: 7, sample: 3 }
const integers = (one: Key, bound: number, count: number) => {
  const words = new Words(one)
  return Array.from({ length: count }, () => words.below(bound))
}
const hex = (words: readonly number[]) => words.map((word) => word.toString(16).padStart(8, '0')).join(' ')

/** Largest distance between the empirical distribution and `cdf`, times √n: above 1.95 with probability 0.001. */
function kolmogorovSmirnov(values: Float32Array, cdf: (x: number) => number): number {
  const sorted = Float64Array.from(values).sort()
  const n = sorted.length
  let distance = 0
  sorted.forEach((x, i) => {
    distance = Math.max(distance, Math.abs(cdf(x) - i / n), Math.abs((i + 1) / n - cdf(x)))
  })
  return distance * Math.sqrt(n)
}

/** Standard normal distribution function, Abramowitz and Stegun 7.1.26 (|error| < 1.5e-7). */
function normalCdf(x: number): number {
  const z = Math.abs(x) / Math.SQRT2
  const k = 1 / (1 + 0.3275911 * z)
  const poly = k * (0.254829592 + k * (-0.284496736 + k * (1.421413741 + k * (-1.453152027 + k * 1.061405429))))
  const upper = (poly * Math.exp(-z * z)) / 2
  return x > 0 ? 1 - upper : upper
}

const mean = (values: ArrayLike<number>) => (Array.prototype.reduce.call(values, (a, b) => (a as number) + b, 0) as number) / values.length
const moment = (values: ArrayLike<number>, power: number) => mean(Array.from(values, (x) => x ** power))

t.test('Philox4x32-10 gives the known answers of Random123', async (t) => {
  t.equal(hex(philox4x32([0, 0, 0, 0], [0, 0])), '6627e8d5 e169c58d bc57ac4c 9b00dbd8')
  const ones = 0xffffffff
  t.equal(hex(philox4x32([ones, ones, ones, ones], [ones, ones])), '408f276d 41c83b0e a20bc7c6 6d5451fd')
  const pi = philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])
  t.equal(hex(pi), 'd16cfe09 94fdcceb 5001e420 24126ea1')
})

t.test('the counter is [block, sample, step, purpose], the key the two halves of the seed', async (t) => {
  const seed = 5 * 2 ** 32 + 17
  const words = Array.from({ length: 3 }, (_, block) => philox4x32([block, 3, 7, purposes.noise], [17, 5])).flat()
  t.same(integers({ ...key, seed }, 2 ** 32, 12), words)
  t.same(
    [...uniforms({ ...key, seed }, new Float32Array(12))],
    words.map((word) => (word >>> 8) / 2 ** 24),
  )
})

t.test('normals are Box–Muller of the words, to float32', async (t) => {
  const values = normals(key, new Float32Array(4000))
  const words = integers(key, 2 ** 32, 4000)
  let worst = 0
  for (let i = 0; i < values.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log((words[i] + 1) / 2 ** 32))
    const angle = (2 * Math.PI * words[i + 1]) / 2 ** 32
    const exact = [radius * Math.cos(angle), radius * Math.sin(angle)]
    exact.forEach((x, k) => {
      worst = Math.max(worst, Math.abs(values[i + k] - x) / Math.max(Math.abs(x), 1e-6))
    })
  }
  t.ok(worst <= 2 ** -23, `relative error ${worst}`)
})

t.test('the bits of a draw never change', async (t) => {
  const values = normals(key, new Float32Array(10_000))
  t.equal(sha256(new Uint8Array(values.buffer)), 'bc7112351e44e126e0c7afc6818a7cca6bc42c569120dd65ba6fd52d243f1e5c')
})

t.test('every number of a key counts, and none reaches another key', async (t) => {
  const first = (change: Partial<Key>) => hex(integers({ ...key, ...change }, 2 ** 32, 4))
  const seen = new Set([{}, { seed: 1 }, { seed: key.seed + 2 ** 32 }, { step: 8 }, { sample: 4 }, { purpose: 'coin' } as const].map(first))
  t.equal(seen.size, 6)
  t.equal(new Set(Object.values(purposes)).size, Object.keys(purposes).length)
})

t.test('a longer draw begins with the shorter one', async (t) => {
  const long = normals(key, new Float32Array(50))
  for (const length of [0, 1, 2, 3, 4, 5, 7, 49]) t.same(normals(key, new Float32Array(length)), long.slice(0, length))
})

t.test('uniforms are uniform', async (t) => {
  const values = uniforms(key, new Float32Array(200_000))
  t.ok(values.every((x) => x >= 0 && x < 1))
  t.ok(Math.abs(mean(values) - 0.5) < 0.002)
  t.ok(Math.abs(moment(values, 2) - 1 / 3) < 0.002)
  t.ok(kolmogorovSmirnov(values, (x) => x) < 1.95)
})

t.test('normals are normal', async (t) => {
  const values = normals(key, new Float32Array(200_000))
  t.ok(Math.abs(mean(values)) < 0.008)
  t.ok(Math.abs(moment(values, 2) - 1) < 0.012)
  t.ok(Math.abs(moment(values, 3)) < 0.04)
  t.ok(Math.abs(moment(values, 4) - 3) < 0.12)
  t.ok(kolmogorovSmirnov(values, normalCdf) < 1.95)
  for (const lag of [1, 2, 4]) {
    const products = values.subarray(lag).map((x, i) => x * values[i])
    t.ok(Math.abs(mean(products)) < 0.008, `lag ${lag}`)
  }
})

t.test('neighbouring keys are independent', async (t) => {
  const across = Float32Array.from({ length: 50_000 }, (_, sample) => normals({ ...key, sample }, new Float32Array(1))[0])
  t.ok(kolmogorovSmirnov(across, normalCdf) < 1.95)
  t.ok(Math.abs(mean(across.subarray(1).map((x, i) => x * across[i]))) < 0.016)
})

t.test('integers are unbiased and within the bound', async (t) => {
  for (const bound of [1, 2, 3, 10, 1000, 3 * 2 ** 30]) {
    const values = integers(key, bound, 60_000)
    t.ok(values.every((x) => x < bound))
    const cells = Math.min(bound, 10)
    const counts = new Float64Array(cells)
    for (const x of values) counts[Math.floor((x / bound) * cells)] += 1
    const expected = 60_000 / cells
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
    t.ok(chiSquare < 29.7, `bound ${bound}: chi square ${chiSquare}`)
  }
})

t.test('bad keys are refused', async (t) => {
  const bad: Partial<Key>[] = [
    { seed: -1 },
    { seed: 0.5 },
    { seed: 2 ** 53 },
    { step: 2 ** 32 },
    { step: -1 },
    { sample: 1.5 },
    { sample: Number.NaN },
  ]
  for (const change of bad) t.throws(() => uniforms({ ...key, ...change }, new Float32Array(1)), RangeError)
  t.throws(() => uniforms({ ...key, purpose: 'toString' as Key['purpose'] }, new Float32Array(1)), RangeError)
})

t.test('normals are drawn fast enough to be no matter', async (t) => {
  const out = new Float32Array(1_000_000)
  const rates = Array.from({ length: 5 }, (_, step) => {
    const start = performance.now()
    normals({ ...key, step }, out)
    return out.length / (performance.now() - start) / 1000
  })
  t.comment(`${Math.max(...rates).toFixed(1)} million normals per second`)
  t.ok(Math.max(...rates) > 2)
})
