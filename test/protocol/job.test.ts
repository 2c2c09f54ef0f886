import t from 'tap'
import { LetheError } from '../../protocol/errors.ts'
import { evaluationUnits, unmeasured } from '../../protocol/evaluation.ts'
import { parseJob, resolvePaths } from '../../protocol/jobfile.ts'

/* Jobs that train a classifier. */

const classify = `kind: train
name: judge
model:
  config: classifier.json
data:
  sources:
    - type: mnist
      holdout: { every: 10, part: train }
method:
  name: classify
training:
  steps: 10
  batchSize: 8
  microBatchSize: 4
evaluate:
  accuracy:
    sources:
      - type: mnist
        holdout: { every: 10, part: test }
  unitSize: 300
`
const failure = (text: string, overrides: string[] = []): LetheError => {
  try {
    parseJob(text, { file: 'job.yaml', overrides })
  } catch (error) {
    if (error instanceof LetheError) return error
  }
  throw new Error(`no error for ${overrides}`)
}
const idx = '{type: idx, images: i.gz, labels: l.gz}'

t.test('a training job denoises unless it says that it classifies', async (t) => {
  const job = parseJob(classify)
  t.match(job, { kind: 'train', method: { name: 'classify' }, data: { sources: [{ holdout: { every: 10, part: 'train' } }] } })
  t.match(parseJob(classify.replace('method:\n  name: classify\n', '')), { method: { name: 'denoise', timesteps: [0, 999] } })
  t.match(failure(classify, ['method={name: siss}']), { code: 'JOB_INVALID', expected: 'denoise or classify', received: '"siss"' })
  t.match(failure(classify, ['method={name: clasify}']), { hint: 'Did you mean `classify`?' })
  t.match(failure(classify, ['method.timesteps=[0, 10]']), { code: 'JOB_UNKNOWN_KEY', expected: 'one of name' }, 'there is no t')
  const unlearn = classify
    .replace('kind: train', 'kind: unlearn')
    .replace('config: classifier.json', 'checkpoint: c')
    .replace('data:', 'data:\n  forget: { labels: [1] }')
  t.match(failure(unlearn), { code: 'JOB_INVALID', received: '"classify"' }, 'nothing is unlearned by it')
})

t.test('units of accuracy: all images of the sources, or so many', async (t) => {
  const counts = (overrides: string[] = []) => evaluationUnits(parseJob(classify, { overrides })).map(({ start, count }) => [start, count])
  t.same(counts(), [
    [0, 300],
    [300, 300],
    [600, 300],
    [900, 100],
  ])
  t.same(counts(['evaluate.accuracy.samples=301']), [
    [0, 300],
    [300, 1],
  ])
  t.same(counts([`evaluate.accuracy.sources=[${idx}]`, 'evaluate.accuracy.samples=5']), [[0, 5]])
  t.ok(evaluationUnits(parseJob(classify)).every(({ metric }) => metric === 'accuracy'))
  t.same(evaluationUnits(unmeasured(parseJob(classify))), [])
})

t.test('what cannot be measured is refused, by name', async (t) => {
  const unknown = failure(classify, [`evaluate.accuracy.sources=[${idx}]`])
  t.match(unknown, { code: 'JOB_INVALID', message: /`evaluate\.accuracy\.samples`.* is missing/, expected: /the number of images/ })
  t.match(failure(classify, ['evaluate.accuracy.samples=1001']), { code: 'JOB_INVALID', expected: /no more images/, received: '1001' })
  t.match(failure(classify, ['evaluate.accuracy.sources=[]']), { code: 'JOB_INVALID' })
  t.match(failure(classify, ['data.sources.0.holdout.every=1']), { code: 'JOB_INVALID', expected: 'a number at least 2' })
  t.match(failure(classify, ['data.sources.0.holdout.part=validation']), { expected: 'train or test' })
  t.match(failure(classify, ['data.sources.0.holdout={every: 4}']), { code: 'JOB_INVALID', message: /part/ })
  const picture = failure(classify, ['data.sources=[{type: image, path: a.png, holdout: {every: 2, part: test}}]'])
  t.match(picture, { code: 'JOB_UNKNOWN_KEY' }, 'copies of one picture have no parts')
})

t.test('paths of what accuracy is measured on are resolved as well', async (t) => {
  const job = parseJob(classify, { overrides: [`evaluate.accuracy.sources=[${idx}]`, 'evaluate.accuracy.samples=5'] })
  const sources = [{ images: '/jobs/here/i.gz', labels: '/jobs/here/l.gz' }]
  t.match(resolvePaths(job, '/jobs/here').evaluate, { accuracy: { sources, samples: 5 }, unitSize: 300 })
})

t.test('a likelihood of more runs than anybody waits for is refused', async (t) => {
  const forget = ['evaluate={ likelihood: { images: 1000, probes: 1000 } }']
  t.match(failure(classify, forget), { code: 'JOB_INVALID', message: /evaluate\.likelihood\.probes/, expected: /100000 runs/ })
})
