import t from 'tap'
import { pictureFiles } from '../../../coordinator/report/pictures.ts'
import { type Job, jobSchema } from '../../../protocol/job.ts'
import { decodePng } from '../../../protocol/picture.ts'

/* The sheet of samples: a row a class, or rows of sixteen where there are no classes. */

const size = 3
const evaluate = (samples: object): Job =>
  jobSchema.parse({
    kind: 'evaluate',
    name: 'draw',
    model: { checkpoint: 'original' },
    data: { sources: [{ type: 'mnist' }], forget: { labels: [7] } },
    evaluate: { classifier: 'judge', samples },
  })

function sheetOf(job: Job, seen: readonly number[]) {
  const images = new Uint8Array(seen.length * size * size).fill(255)
  const results = [{ unit: { metric: 'samples' as const, start: 0, count: seen.length }, result: { values: [...seen], images } }]
  const evaluation = new Map([['after' as const, results]])
  const input = { job, evaluation, imageShape: [size, size, 1], referenceImage: null }
  const file = pictureFiles(input as unknown as Parameters<typeof pictureFiles>[0]).find(({ path }) => path === 'images/classes-after.png')
  const { width, height, pixels } = decodePng(file?.bytes as Uint8Array)
  const hasRed = pixels.some((value, i) => i % 3 === 0 && value === 220 && pixels[i + 1] === 38)
  return { columns: (width - 2) / (size + 2), rows: (height - 2) / (size + 2), hasRed }
}

t.test('samples without classes are shown in rows of sixteen, four of them at most', async (t) => {
  const job = evaluate({ count: 100 })
  const seen = Array.from({ length: 100 }, () => 1)
  t.match(sheetOf(job, seen), { columns: 16, rows: 4 })
  t.match(sheetOf(job, seen.slice(0, 20)), { columns: 16, rows: 2 })
  t.match(sheetOf(job, seen.slice(0, 5)), { columns: 5, rows: 1 })
})

t.test('with classes each has a row of its own, and a forgotten one that is recognised a red frame', async (t) => {
  const job = evaluate({ classes: [4, 7], count: 20 })
  const seen = [...Array(20).fill(7), ...Array(20).fill(4)]
  t.same(sheetOf(job, seen), { columns: 16, rows: 2, hasRed: false }, 'a 4 that looks like a 7 is none')
  t.same(sheetOf(job, [...seen.slice(0, 20), 7, ...seen.slice(21)]), { columns: 16, rows: 2, hasRed: true })
})
