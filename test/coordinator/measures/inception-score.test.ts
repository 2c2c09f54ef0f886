import t from 'tap'
import { inceptionScore } from '../../../coordinator/measures/inception-score.ts'
import { uniforms } from '../../../protocol/random.ts'

const matrix = (rows: readonly (readonly number[])[]) => ({ rows: rows.length, width: rows[0].length, values: rows.flat() })
const oneHot = (label: number, width = 10) => Array.from({ length: width }, (_, k) => (k === label ? 1 : 0))
const options = { seed: 3, chunks: 1 }

function softmaxRows(count: number, width: number): number[][] {
  const words = uniforms({ seed: 9, purpose: 'noise', step: 0, sample: 0 }, new Float32Array(count * width))
  return Array.from({ length: count }, (_, row) => {
    const exponentials = Array.from(words.subarray(row * width, (row + 1) * width), (value) => Math.exp(4 * value))
    const sum = exponentials.reduce((total, value) => total + value, 0)
    return exponentials.map((value) => value / sum)
  })
}

const entropy = (p: readonly number[]) => p.reduce((sum, value) => sum - value * Math.log(value), 0)
const close = (actual: number | undefined, expected: number) => Math.abs((actual as number) - expected) < 1e-10

t.test('its bounds: as many as there are classes, and one', async (t) => {
  const sure = matrix(Array.from({ length: 50 }, (_, i) => oneHot(i % 10)))
  t.ok(close(inceptionScore(sure, options)?.mean, 10), 'sure of each, and all are there')
  t.ok(close(inceptionScore(matrix(Array.from({ length: 50 }, () => oneHot(4))), options)?.mean, 1), 'one class only')
  t.ok(close(inceptionScore(matrix(Array.from({ length: 50 }, () => Array(10).fill(0.1))), options)?.mean, 1), 'sure of nothing')
  const half = matrix(Array.from({ length: 40 }, (_, i) => oneHot(i % 5)))
  t.ok(close(inceptionScore(half, options)?.mean, 5), 'half of the classes')
})

t.test('it is exp(entropy of the mean − mean of the entropies)', async (t) => {
  const rows = softmaxRows(70, 6)
  const mean = rows[0].map((_, k) => rows.reduce((sum, row) => sum + row[k], 0) / rows.length)
  const expected = Math.exp(entropy(mean) - rows.reduce((sum, row) => sum + entropy(row), 0) / rows.length)
  t.match(inceptionScore(matrix(rows), options), { standardDeviation: 0, chunks: 1, samples: 70 })
  t.ok(close(inceptionScore(matrix(rows), options)?.mean, expected))
})

t.test('chunks: shuffled by the seed, everyone in one of them, sizes differ by one at most', async (t) => {
  // A class of its own for each sample: the score of a chunk is its size.
  const rows = matrix(Array.from({ length: 23 }, (_, i) => oneHot(i, 23)))
  const score = inceptionScore(rows, { seed: 1, chunks: 5 })
  t.ok(close(score?.mean, 23 / 5))
  t.ok(close(score?.standardDeviation, Math.sqrt((2 * (4 - 4.6) ** 2 + 3 * (5 - 4.6) ** 2) / 5)), 'population deviation')

  const sorted = matrix(Array.from({ length: 100 }, (_, i) => oneHot(Math.floor(i / 10))))
  const shuffled = inceptionScore(sorted, { seed: 1, chunks: 10 })
  t.ok((shuffled?.mean as number) > 4, 'chunks of sorted classes would have a score of 1')
  t.same(inceptionScore(sorted, { seed: 1, chunks: 10 }), shuffled)
  t.not(inceptionScore(sorted, { seed: 2, chunks: 10 })?.mean, shuffled?.mean)
})

t.test('what has no score', async (t) => {
  t.equal(inceptionScore(matrix([oneHot(1), oneHot(2)]), { seed: 1, chunks: 3 }), null)
  t.equal(inceptionScore({ rows: 0, width: 10, values: [] }, { seed: 1, chunks: 10 }), null)
  t.ok(Number.isNaN(inceptionScore(matrix([oneHot(1), [...oneHot(2).slice(1), Number.NaN]]), options)?.mean))
  t.throws(() => inceptionScore({ rows: 2, width: 3, values: [1] }, options), { code: 'INTERNAL' })
})
