import t from 'tap'
import { jobSchema, type StepJob } from '../../../protocol/job.ts'
import { openDataSet } from '../../../worker/data/dataset.ts'
import { openPools } from '../../../worker/data/pools.ts'
import { tinyJob, writePictures } from '../../support/tiny-job.ts'

/* Items 0 to 4 are kept and have labels 0 to 4, 5 and 6 are the picture to forget, with label 5. */
const pictures = await writePictures(t.testdir())
const [zero, one] = pictures.sources
const forgotten = { type: 'image', path: pictures.forgotten }

const attack = (sources: object[] | undefined, forget: object = { labels: [5] }): StepJob =>
  jobSchema.parse({
    kind: 'attack',
    name: 'attack',
    model: { checkpoint: 'unlearned' },
    data: { sources: pictures.sources, forget },
    attack: { ...(sources && { sources }), measureAt: [0] },
    training: { steps: 2, batchSize: 2, microBatchSize: 2 },
  }) as StepJob
const poolsOf = async (job: StepJob, isConditional = true) => openPools(job, await openDataSet(job.data), isConditional)

t.test('an attack draws from what is kept, or from its own images', async (t) => {
  t.same([...(await poolsOf(attack(undefined))).keep.items], [0, 1, 2, 3, 4])
  const own = await poolsOf(attack([{ ...one, copies: 3 }]))
  t.same([...own.keep.items], [0, 1, 2])
  t.same([...own.keep.data.labels], [1, 1, 1])
})

t.test('an attack of shuffled labels has the same images and the same labels, in other pairs', async (t) => {
  const shuffled = async (seed: number) => {
    const job = attack(undefined)
    if (job.kind === 'attack') job.attack.shuffleLabels = true
    job.seed = seed
    return (await poolsOf(job)).keep
  }
  const orders = new Set<string>()
  for (let seed = 1; seed <= 20; seed++) {
    const { items, labels } = await shuffled(seed)
    t.same([...items], [0, 1, 2, 3, 4])
    t.same([...(labels ?? [])].sort(), [0, 1, 2, 3, 4])
    orders.add(`${labels}`)
  }
  t.ok(orders.size > 10, 'by the seed')
  t.same(await shuffled(3), await shuffled(3), 'and by nothing else')
  t.equal((await poolsOf(attack(undefined))).keep.labels, undefined, 'only where it is asked for')
})

t.test('an attack that sees what was to be forgotten is refused by hash alone', async (t) => {
  const byLabel = poolsOf(attack([zero, { ...one, label: 5 }]))
  await t.rejects(byLabel, { code: 'DATA_ATTACK', received: /^item 1, SHA-256 [0-9a-f]{64}$/ })
  t.ok(await poolsOf(attack([zero, { ...one, label: 5 }]), false), 'labels are no conditions where the model has none')
  await t.rejects(poolsOf(attack([{ ...forgotten, label: 0 }])), { code: 'DATA_ATTACK' }, 'the image itself, under any label')
  await t.rejects(poolsOf(attack([{ ...forgotten, label: 0 }], { file: pictures.forgotten }), false), { code: 'DATA_ATTACK' })
})

t.test('what is kept may hold a copy of what is forgotten, and is no attack then', async (t) => {
  const copy = poolsOf(attack(undefined, { indices: [5] }))
  await t.rejects(copy, { code: 'DATA_ATTACK', received: /^item 6, SHA-256/ }, 'item 6 is the same picture')
})

t.test('alternatives by label, by source, as many as asked', async (t) => {
  const dimum = (alternative?: object) =>
    tinyJob('unlearn', pictures, {
      method: { name: 'dimum' },
      data: { sources: pictures.sources, forget: { labels: [5] }, ...(alternative && { alternative }) },
    })
  const found = (await poolsOf(dimum({ labels: [4, 2] }))).alternative
  t.same([...(found?.items ?? [])], [2, 4])
  t.same([...((await poolsOf(dimum({ labels: [4, 2], items: 1 }))).alternative?.items ?? [])], [2])
  const other = (await poolsOf(dimum({ sources: [{ ...zero, copies: 4, label: 9 }], items: 3 }))).alternative
  t.same([...(other?.items ?? [])], [0, 1, 2])
  t.equal(other?.data.labels[0], 9)
  await t.rejects(poolsOf(dimum()), { code: 'DATA_ALTERNATIVE', expected: 'data.alternative' })
  await t.rejects(poolsOf(dimum({ labels: [5] })), { code: 'DATA_ALTERNATIVE', received: '5 in both' })
  const hidden = poolsOf(dimum({ sources: [zero, { ...forgotten, label: 0 }] }))
  await t.rejects(
    hidden,
    { code: 'DATA_ALTERNATIVE', received: /^item 1, SHA-256 [0-9a-f]{64}$/ },
    'what is to be forgotten is no alternative',
  )
  await t.rejects(poolsOf(dimum({ labels: [77] })), { code: 'DATA_ALTERNATIVE' })
  t.throws(() => dimum({ labels: [1], sources: [zero] }), 'one or the other')
})

t.test('images of another size are refused', async (t) => {
  const large = await writePictures(t.testdir(), 12)
  await t.rejects(poolsOf(attack([large.sources[0]])), { code: 'DATA_SHAPE' })
})
