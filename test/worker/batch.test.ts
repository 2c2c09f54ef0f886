import t from 'tap'
import { jobSchema, type StepJob } from '../../protocol/job.ts'
import { BatchSource } from '../../worker/batch.ts'
import { type DataSet, openDataSet } from '../../worker/data/dataset.ts'
import { pixelsToModel } from '../../worker/data/pixels.ts'
import { openPools } from '../../worker/data/pools.ts'
import { makeSchedule } from '../../worker/diffusion/schedule.ts'
import type { LossInput } from '../../worker/unlearning/losses.ts'
import { keptPictures, tinyJob, writePictures } from '../support/tiny-job.ts'

const pictures = await writePictures(t.testdir())
const everything: LossInput[] = ['x', 'a', 'noise', 't', 'signal', 'sigma', 'coin']
const open = async (job: StepJob, needs = everything, nullClass: number | null = null) => {
  const data = await openDataSet(job.data)
  return { data, source: new BatchSource(job, await openPools(job, data, false), makeSchedule(job.diffusion), { needs, nullClass }) }
}

/** The items whose pixels the rows of a batch hold. */
function itemsOf(rows: Float32Array, data: DataSet): number[] {
  const width = 64
  const known = new Map<string, number>()
  for (let item = data.items - 1; item >= 0; item--) known.set(pixelsToModel(data.read(item), new Float32Array(width)).join(), item)
  return Array.from({ length: rows.length / width }, (_, row) => known.get(rows.subarray(row * width, (row + 1) * width).join()) ?? -1)
}

t.test('draws are the same whoever draws, in whatever order', async (t) => {
  const job = tinyJob('unlearn', pictures)
  const { source: one } = await open(job)
  const { source: other } = await open(job)
  const places = [0, 1, 2, 700].flatMap((step) => [0, 1, 2, 3, 4].map((index) => [step, index] as const))
  const first = places.map(([step, index]) => one.draw(step, index))
  const second = places.toReversed().map(([step, index]) => other.draw(step, index))
  t.same(second.toReversed(), first)
  t.same(one.draw(1, 2), first[7], 'and again')
  t.notSame(first[0], first[1], 'micro-batches differ')
  t.notSame(first[0].noise, first[5].noise, 'steps differ')
  const { source: seeded } = await open(tinyJob('unlearn', pictures, { seed: 8 }))
  t.notSame(seeded.draw(0, 0).noise, first[0].noise, 'seeds differ')
})

t.test('a place of the batch gets the same numbers in micro-batches of any size', async (t) => {
  const { source: small } = await open(tinyJob('unlearn', pictures))
  const { source: large } = await open(tinyJob('unlearn', pictures, { training: { microBatchSize: 10 } }))
  const whole = large.draw(3, 0)
  for (const name of everything) {
    const parts = [0, 1, 2, 3, 4].flatMap((index) => [...(small.draw(3, index)[name]?.data ?? [])])
    t.same(parts, [...(whole[name]?.data ?? [])], name)
  }
})

t.test('times lie in the range of the method, with their own signal and sigma', async (t) => {
  const job = tinyJob('unlearn', pictures, { method: { name: 'naive', timesteps: [300, 302] } })
  const { source } = await open(job)
  const schedule = makeSchedule(job.diffusion)
  const seen = new Set<number>()
  for (let step = 0; step < 20; step++) {
    const { t: times, signal, sigma, coin } = source.draw(step, 0)
    times?.data.forEach((time, row) => {
      seen.add(time)
      t.equal(signal?.data[row], schedule.signal[time])
      t.equal(sigma?.data[row], schedule.noise[time])
    })
    t.ok(coin?.data.every((value) => value >= 0 && value < 1))
  }
  t.same([...seen].sort(), [300, 301, 302])
})

t.test('only what the method needs is drawn', async (t) => {
  const { source } = await open(tinyJob('unlearn', pictures), ['t', 'noise'])
  t.same(Object.keys(source.draw(0, 0)).sort(), ['noise', 't'])
})

t.test('x comes from the kept items, a from the forgotten, each pass through all of them once', async (t) => {
  const { data, source } = await open(tinyJob('unlearn', pictures))
  const draws = Array.from({ length: 10 }, (_, k) => source.draw(Math.floor(k / 5), k % 5))
  const kept = draws.flatMap(({ x }) => itemsOf(x?.data as Float32Array, data))
  for (let pass = 0; pass < 20; pass += keptPictures) t.same(kept.slice(pass, pass + keptPictures).sort(), [0, 1, 2, 3, 4])
  t.notSame(kept.slice(0, 5), kept.slice(5, 10), 'reshuffled')
  const forgotten = draws.flatMap(({ a }) => itemsOf(a?.data as Float32Array, data))
  t.ok(
    forgotten.every((item) => item === keptPictures),
    'the first of two equal pictures',
  )
})

t.test('training includes the forget set or leaves it out', async (t) => {
  for (const include of ['all', 'keep'] as const) {
    const { data, source } = await open(tinyJob('train', pictures, { training: { include, batchSize: 70, microBatchSize: 35 } }), ['x'])
    const items = [0, 1].flatMap((index) => itemsOf(source.draw(0, index).x?.data as Float32Array, data))
    const counts = Array.from({ length: data.items }, (_, item) => items.filter((one) => one === item).length)
    t.same(counts, include === 'all' ? [10, 10, 10, 10, 10, 20, 0] : [14, 14, 14, 14, 14, 0, 0], include)
  }
})

t.test('classes are those of the images; a share of the kept ones is dropped, of the forgotten none', async (t) => {
  const nullClass = 9
  const job = tinyJob('unlearn', pictures, { training: { labelDropout: 0.25, batchSize: 400, microBatchSize: 400 } })
  const { data, source } = await open(job, ['x', 'xClass', 'a', 'aClass', 'nullClass'], nullClass)
  const { x, xClass, aClass, nullClass: none } = source.draw(2, 0)
  const labels = itemsOf(x?.data as Float32Array, data).map((item) => data.labels[item])
  const dropped = [...(xClass?.data ?? [])].filter((label) => label === nullClass).length
  t.ok(Math.abs(dropped - 100) < 30, `${dropped} of 400 dropped`)
  t.ok([...(xClass?.data ?? [])].every((label, row) => label === nullClass || label === labels[row]))
  t.same([...new Set(aClass?.data)], [5])
  t.same([...new Set(none?.data)], [nullClass])
  t.ok(xClass?.data instanceof Int32Array)
  const { source: whole } = await open(tinyJob('unlearn', pictures), ['x', 'xClass'], nullClass)
  t.notOk([...(whole.draw(0, 0).xClass?.data ?? [])].includes(nullClass), 'none without dropout')
})

t.test('alternative images have an order of their own', async (t) => {
  const job = tinyJob('unlearn', pictures, {
    method: { name: 'dimum' },
    data: { sources: pictures.sources, forget: { file: pictures.forgotten }, alternative: { labels: [1, 3] } },
  })
  const { data, source } = await open(job, ['x', 'alternative'])
  const drawn = [0, 1, 2].flatMap((index) => itemsOf(source.draw(0, index).alternative?.data as Float32Array, data))
  t.same([...new Set(drawn)].sort(), [1, 3])
  t.equal(drawn.filter((item) => item === 1).length, 3, 'each once a pass')
})

t.test('an attack of shuffled labels teaches each image one label, not always its own', async (t) => {
  const job = jobSchema.parse({
    kind: 'attack',
    name: 'shuffled',
    model: { checkpoint: 'unlearned' },
    data: { sources: pictures.sources, forget: { labels: [5] } },
    attack: { shuffleLabels: true, measureAt: [0] },
    training: { steps: 1, batchSize: 50, microBatchSize: 50 },
  }) as StepJob
  const { data, source } = await open(job, ['x', 'xClass'])
  const { x, xClass } = source.draw(0, 0)
  const taught = new Set(itemsOf(x?.data as Float32Array, data).map((item, row) => `${item} ${xClass?.data[row]}`))
  t.equal(taught.size, keptPictures)
  t.same([...taught].map((pair) => Number(pair.split(' ')[1])).sort(), [0, 1, 2, 3, 4])
  t.notSame([...taught].sort(), ['0 0', '1 1', '2 2', '3 3', '4 4'])
})
