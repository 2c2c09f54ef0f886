import t from 'tap'
import { classifierFolder } from '../../protocol/checkpoint.ts'
import { type Job, jobSchema } from '../../protocol/job.ts'
import { openSession } from '../../worker/session.ts'
import { checkpointFiles, configFiles, tinyClassifier, tinyConfig, tinyJob, writePictures } from '../support/tiny-job.ts'

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
  await t.rejects(
    openSession(classify(dropout), configFiles(tinyClassifier)),
    { code: 'DATA_LABEL', received: 'none' },
    'no class for none',
  )
})

t.test('samples of classes that there are', async (t) => {
  const judge = (classes: number) =>
    checkpointFiles({ ...tinyClassifier, num_classes: classes }).map((file) => ({ ...file, path: `${classifierFolder}${file.path}` }))
  const open = async (samples: object, { embeddings = 7, judged = 6 }: { embeddings?: number; judged?: number } = {}) => {
    const evaluate = { classifier: 'judge', samples: { count: 1, ...samples } }
    const one = jobSchema.parse({
      kind: 'evaluate',
      name: 'draw',
      model: { checkpoint: 'parent' },
      data: { sources: pictures.sources },
      evaluate,
    })
    const network = checkpointFiles(embeddings > 0 ? { ...tinyConfig, num_class_embeds: embeddings } : tinyConfig)
    const session = await openSession(one, [...network, ...judge(judged)])
    session.dispose()
    return true
  }
  t.ok(await open({ classes: [0, 5], guidance: 1 }))
  t.ok(await open({}, { embeddings: 0 }))
  const refused = { code: 'JOB_INVALID', message: /^evaluate\.samples\.classes/ }
  await t.rejects(open({ classes: [0] }, { embeddings: 0 }), { ...refused, received: '0' }, 'a model without classes')
  await t.rejects(open({}), { ...refused, received: 'nothing' }, 'a model with classes, and none asked for')
  await t.rejects(open({ classes: [0, 50] }), { ...refused, expected: /at most 6/, received: '50' })
  await t.rejects(open({ classes: [6] }), { ...refused, received: /stands for none/ }, 'the null class')
  t.ok(await open({ classes: [5] }, { embeddings: 6 }), 'the last class where the data have it')
  await t.rejects(open({ classes: [5] }, { judged: 4 }), { ...refused, expected: /of the classifier/ })
  const noNull = { code: 'DATA_LABEL', message: /evaluate\.samples\.guidance/ }
  await t.rejects(open({ classes: [1], guidance: 2 }, { embeddings: 6 }), { ...noNull, expected: '0 to 4' }, 'guidance by a real class')
  await t.rejects(open({ guidance: 2 }, { embeddings: 0 }), noNull)
})

t.test('a method that needs the class for none needs it beside those of the data', async (t) => {
  const esd = tinyJob('unlearn', pictures, { method: { name: 'esd' }, data: { sources: pictures.sources, forget: { labels: [5] } } })
  await t.rejects(openSession(esd, checkpointFiles({ ...tinyConfig, num_class_embeds: 6 })), { code: 'DATA_LABEL', message: /method esd/ })
  const session = await openSession(esd, checkpointFiles({ ...tinyConfig, num_class_embeds: 7 }))
  session.dispose()
})

t.test('labels are not shuffled for a model that has none', async (t) => {
  const open = (config: object) => {
    const attack = jobSchema.parse({
      kind: 'attack',
      name: 'shuffled',
      model: { checkpoint: 'unlearned' },
      data: { sources: pictures.sources, forget: { labels: [5] } },
      attack: { shuffleLabels: true, measureAt: [0] },
      training,
    })
    return openSession(attack, checkpointFiles(config))
  }
  await t.rejects(open(tinyConfig), { code: 'JOB_INVALID', message: /attack\.shuffleLabels/, received: 'none' })
  const session = await open({ ...tinyConfig, num_class_embeds: 6 })
  session.dispose()
})
