import t from 'tap'
import { reportFiles } from '../../../coordinator/report/files.ts'
import { sampleMeasure } from '../../../coordinator/report/samples.ts'
import { evaluationUnits, readingsOf } from '../../../protocol/evaluation.ts'
import { jobSchema } from '../../../protocol/job.ts'
import { attackJob, attackResults, madeUpRun } from '../../support/report-input.ts'

const sha256 = '0123456789abcdef'.repeat(4)
const featureSpace = 'features of ImageClassifier 0123456789ab'

t.test('scores and distances are of kept classes alone', async (t) => {
  const job = attackJob()
  const measure = await sampleMeasure(job, [...attackResults(job, 10, 20)].reverse(), sha256)
  t.match(measure, {
    forgotten: { samples: 20, recognised: 20 },
    kept: { samples: 20, recognised: 18 },
    guidance: 1.5,
    sampler: { name: 'ddim', steps: 20 },
    // One distribution for all: exp(0). The other class would give 2.
    inceptionScore: { mean: 1, standardDeviation: 0, chunks: 10, samples: 20 },
    precisionRecall: { precision: 1, recall: 1, neighbours: 3, featureSpace, samples: 20, references: 20 },
  })
  // Equal covariances, means 2 apart.
  t.match(measure?.frechetDistance, { featureSpace, samples: 20, references: 20 })
  t.ok(Math.abs((measure?.frechetDistance?.value ?? 0) - 4) < 1e-9)
})

t.test('less was asked for', async (t) => {
  const job = attackJob()
  const results = attackResults(job, 10, 20)
  const { samples, references, ...others } = job.evaluate
  const bare = { ...job, evaluate: { ...others, samples } }
  t.match(await sampleMeasure(bare, results, sha256), { kept: { samples: 20 }, frechetDistance: null, precisionRecall: null })
  t.equal(await sampleMeasure({ ...job, evaluate: { ...others, references } }, results, sha256), null)
  t.equal(await sampleMeasure(job, undefined, sha256), null)
  await t.rejects(sampleMeasure(job, results.slice(0, 3), sha256), { code: 'INTERNAL' })
})

t.test('a model that has diverged draws no images: nothing of it is a share', async (t) => {
  const job = attackJob()
  const diverged = (value: number) =>
    attackResults(job, 10, 0).map(({ unit, result }) => {
      if (unit.metric !== 'samples' || !result.readings) return { unit, result }
      const readings = result.readings.map((matrix) => matrix.map(() => Number.NaN))
      return { unit, result: { ...result, values: result.values.map(() => value), readings } }
    })
  // Journals from before have −1.
  for (const value of [Number.NaN, -1])
    t.match(await sampleMeasure(job, diverged(value), sha256), {
      classes: [
        { class: 1, recognised: null, interval: null },
        { class: 3, recognised: null },
      ],
      forgotten: { samples: 20, recognised: null, interval: null },
      kept: { samples: 20, recognised: null, interval: null },
      inceptionScore: { mean: null, standardDeviation: null },
      frechetDistance: { value: null },
      precisionRecall: { precision: null, recall: null, samples: 20 },
    })
})

t.test('hits and samples of one draw: hits are over all, and quality leaves them out', async (t) => {
  const run = madeUpRun()
  const evaluate = { hits: { samples: 30 }, samples: { count: 40 }, references: { samples: 20 }, classifier: 'judge', unitSize: 16 }
  const job = jobSchema.parse({ ...run.job, evaluate })
  t.same(readingsOf(job.evaluate, 'samples'), ['distance', 'probabilities', 'features'])
  // Samples 0, 10, 20, 30 are the forgotten image; the classifier sees a class of their own there.
  const isHit = (number: number) => number % 10 === 0
  const results = evaluationUnits(job).map((unit) => {
    const numbers = Array.from({ length: unit.count }, (_, i) => unit.start + i)
    const isDrawn = unit.metric === 'samples'
    const matrix = (row: (number: number) => number[]) => Float32Array.from(numbers.flatMap(row))
    const readings = [
      ...(isDrawn ? [matrix((number) => [isHit(number) ? 2 : 14])] : []),
      matrix((number) => (isDrawn && isHit(number) ? [0, 1] : [1, 0])),
      matrix((number) => [isDrawn && isHit(number) ? 1000 : number % 20, 0]),
    ]
    const images = Buffer.concat(isDrawn ? numbers.map((number) => new Uint8Array(16).fill(number)) : [])
    return { unit, result: { values: numbers.map(() => 1), images, readings } }
  })
  const input = { ...run, job, classifierSha256: sha256, evaluation: new Map([['after', results]] as const) }
  const { report, files } = await reportFiles(input, '/')
  t.match(report.forget.after, { hits: 4, samples: 40, noises: 0 })
  t.same(report.forget.after?.sampleDistances.slice(0, 3), [2, 14, 14])
  t.match(report.samples.after, {
    classes: [{ class: null, samples: 40 }],
    inceptionScore: { mean: 1, samples: 36 },
    frechetDistance: { samples: 36 },
  })
  t.ok(
    files.some(({ path }) => path === 'images/samples-after.png'),
    'the pictures are there, the hits framed',
  )
  const page = Buffer.from(files.find(({ path }) => path === 'report.html')?.bytes ?? []).toString()
  t.ok(page.includes('36 samples that are not the forgotten image'))
  const guided = { ...job, evaluate: { ...job.evaluate, samples: { ...job.evaluate.samples, guidance: 1 } } }
  t.ok(
    evaluationUnits(jobSchema.parse(guided)).some(({ metric }) => metric === 'hits'),
    'another sampler draws other pictures',
  )
})
