import t from 'tap'
import { type Job, jobSchema } from '../../protocol/job.ts'
import { openSession } from '../../worker/session.ts'
import { checkpointFiles, configFiles, tinyClassifier, tinyJob, writePictures } from '../support/tiny-job.ts'

const pictures = await writePictures(t.testdir())
const training = { steps: 1, batchSize: 2, microBatchSize: 2 }
const job = (others: object) =>
  jobSchema.parse({
    kind: 'train',
    name: 'mixed',
    model: { config: 'config.json' },
    data: { sources: pictures.sources },
    training,
    ...others,
  })

t.test('a method and a model of two kinds', async (t) => {
  const classify = { method: { name: 'classify' } }
  await t.rejects(
    openSession(job(classify), configFiles()),
    { code: 'JOB_INVALID', message: /classify/, expected: /ImageClassifier/, received: /UNet2DModel/ },
    'a network that predicts noise cannot classify',
  )
  await t.rejects(
    openSession(job({}), configFiles(tinyClassifier)),
    { code: 'JOB_INVALID', message: /denoise/, expected: /UNet2DModel/, received: /ImageClassifier/ },
    'a classifier cannot denoise',
  )
  const unlearn = tinyJob('unlearn', pictures)
  await t.rejects(openSession(unlearn, checkpointFiles(tinyClassifier)), { code: 'JOB_INVALID', message: /siss/ }, 'nor unlearn')
})

t.test('a metric and a model of two kinds', async (t) => {
  const classifier = (evaluate: object) => job({ method: { name: 'classify' }, evaluate })
  await t.rejects(
    openSession(classifier({ keepLoss: {} }), configFiles(tinyClassifier)),
    { code: 'JOB_INVALID', message: /evaluate\.keepLoss/ },
    'a classifier has no loss of noise',
  )
  const { sources } = pictures
  const measured = { kind: 'evaluate', model: { checkpoint: 'parent' }, evaluate: { accuracy: { sources } } }
  const evaluation = jobSchema.parse({ name: 'mixed', data: { sources }, ...measured }) as Job
  await t.rejects(
    openSession(evaluation, checkpointFiles()),
    { code: 'JOB_INVALID', message: /evaluate\.accuracy/ },
    'and a network that predicts noise no accuracy',
  )
})

t.test('labels and images that a classifier does not take', async (t) => {
  const classify = (others: object = {}) => job({ method: { name: 'classify' }, ...others })
  const config = configFiles({ ...tinyClassifier, num_classes: 5 })
  await t.rejects(openSession(classify(), config), { code: 'DATA_LABEL', expected: '0 to 4', received: '5' }, 'a label too many')
  const few = { data: { sources: pictures.sources.slice(0, 5) }, evaluate: { accuracy: { sources: pictures.sources } } }
  await t.rejects(openSession(classify(few), config), { code: 'DATA_LABEL', received: '5' }, 'in what accuracy is measured on, too')
  const larger = await writePictures(t.testdir(), 16)
  const measured = { ...few, evaluate: { accuracy: { sources: larger.sources } } }
  await t.rejects(openSession(classify(measured), config), { code: 'DATA_SHAPE', received: '1×16×16' }, 'images of another size')
  const dropout = { training: { ...training, labelDropout: 0.1 } }
  await t.rejects(openSession(classify(dropout), configFiles(tinyClassifier)), { code: 'DATA_LABEL', received: '0.1' }, 'no class for none')
})
