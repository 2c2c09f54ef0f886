import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { FileBytes } from '../../protocol/digest.ts'
import { evaluationUnits } from '../../protocol/evaluation.ts'
import type { Job } from '../../protocol/job.ts'
import { addInPlace, subtrees, TreeSum } from '../../protocol/tree.ts'
import { type JobSession, openSession, type Partial } from '../../worker/session.ts'
import { checkpointFiles, configFiles, tinyConfig, tinyJob, writePictures } from '../support/tiny-job.ts'
import { relativeError } from './golden.ts'

t.setTimeout(120_000)
const pictures = await writePictures(t.testdir())
const microBatches = 5
/** One channel, where no more is needed: its program is ready sooner. */
const plain = tinyJob('unlearn', pictures, { method: { name: 'naive' } })

async function open(t: Test, job: Job, files: FileBytes[]): Promise<JobSession> {
  const session = await openSession(job, files)
  t.teardown(() => session.dispose())
  return session
}

const partials = (session: JobSession, step: number, start = 0, end = microBatches) =>
  session.partials(step, start, end, { signal: new AbortController().signal, onMicroBatch: () => {} })

/** The sum of each channel, finished by the tree. */
function finish(parts: Partial[]): Record<string, { loss: number; gradient: Float32Array }> {
  const channels = [...new Set(parts.map((part) => part.channel))]
  return Object.fromEntries(
    channels.map((channel) => {
      const sum = new TreeSum<{ loss: number; gradient: Float32Array }>(microBatches, (left, right) => ({
        loss: left.loss + right.loss,
        gradient: addInPlace(left.gradient, right.gradient),
      }))
      for (const { node, loss, gradient } of parts.filter((part) => part.channel === channel))
        sum.put(node, { loss, gradient: gradient.slice() })
      return [channel, sum.root() as { loss: number; gradient: Float32Array }]
    }),
  )
}

async function advance(session: JobSession): Promise<string> {
  const { keep } = finish(await partials(session, session.step))
  return session.apply(session.step, keep.gradient)
}

/** Opening costs most of the time here. Whatever leaves a session as it was shares this one. */
const siss = tinyJob('unlearn', pictures)
const session = await open(t, siss, checkpointFiles())

t.test('the sums are the same bits for every division of the micro-batches', async (t) => {
  t.match(session.summary, { channels: ['keep', 'forget'], microBatches, items: 7, forgetItems: 2 })
  const whole = finish(await partials(session, 0))
  t.ok(whole.keep.gradient.some((value) => value !== 0) && whole.forget.gradient.some((value) => value !== 0))
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: microBatches - 1 }), { maxLength: microBatches - 1 })
  await fc.assert(
    fc.asyncProperty(cuts, fc.integer(), async (inner, turn) => {
      const edges = [0, ...inner.toSorted(), microBatches]
      const ranges = edges.slice(1).map((end, k) => [edges[k], end] as const)
      const parts: Partial[][] = []
      for (const [start, end] of turn % 2 ? ranges.toReversed() : ranges) {
        const owned = await partials(session, 0, start, end)
        for (const channel of ['keep', 'forget'])
          if (
            JSON.stringify(owned.filter((part) => part.channel === channel).map((part) => part.node)) !==
            JSON.stringify(subtrees(start, end, microBatches))
          )
            return false
        parts.push(owned)
      }
      const sums = finish(parts.flat())
      return ['keep', 'forget'].every(
        (channel) =>
          sums[channel].loss === whole[channel].loss &&
          Buffer.compare(Buffer.from(sums[channel].gradient.buffer), Buffer.from(whole[channel].gradient.buffer)) === 0,
      )
    }),
    { numRuns: 8 },
  )
})

t.test('another session gets the same bits, with another number of threads too', async (t) => {
  const expected = await partials(session, 0)
  t.same(await partials(session, 0), expected, 'the same one as well')
  t.same(await partials(await open(t, siss, checkpointFiles()), 0), expected)
  t.same(await partials(await open(t, { ...siss, engine: { name: 'onnx', threads: 2 } }, checkpointFiles()), 0), expected)
})

t.test('the other engine agrees within rounding', async (t) => {
  const expected = finish(await partials(session, 0))
  const oracle = finish(await partials(await open(t, { ...siss, engine: { name: 'tfjs', threads: 1 } }, checkpointFiles()), 0))
  for (const channel of ['keep', 'forget']) {
    const error = relativeError(oracle[channel].gradient, expected[channel].gradient)
    t.ok(error < 1e-5, `${channel}: ${error}`)
  }
})

for (const ema of [undefined, {}]) {
  t.test(`state goes over bit for bit${ema ? ', with its average' : ''}`, async (t) => {
    const job = tinyJob('train', pictures, { training: { ema } })
    const one = await open(t, job, configFiles())
    await advance(one)
    const digest = await advance(one)
    const state = one.exportState()
    const other = await open(t, job, configFiles())
    t.not(other.digest(), digest)
    other.importState(state)
    t.equal(other.digest(), digest)
    t.equal(other.step, 2)
    t.same(other.exportState(), state)
    t.same(other.checkpointFiles(), one.checkpointFiles())
    t.equal(await advance(other), await advance(one), 'and the next step')
    t.same(other.exportState(), one.exportState())
    const saved = await open(t, plain, one.checkpointFiles())
    t.equal(saved.digest() === one.digest(), ema === undefined, 'the checkpoint holds the average where there is one')
  })
}

t.test('a checkpoint opens again as the same parameters', async (t) => {
  const session = await open(t, plain, checkpointFiles())
  await advance(session)
  const files = session.checkpointFiles()
  t.same(
    files.map((file) => file.path),
    ['config.json', 'diffusion_pytorch_model.safetensors'],
  )
  const again = await open(t, plain, files)
  t.equal(again.digest(), session.digest())
  t.same(again.checkpointFiles(), files)
})

t.test('training with and without the forget set are two things', async (t) => {
  const all = await open(t, tinyJob('train', pictures), configFiles())
  const keep = await open(t, tinyJob('train', pictures, { training: { include: 'keep' } }), configFiles())
  t.equal(all.digest(), keep.digest(), 'from the same weights')
  t.not(await advance(all), await advance(keep))
})

t.test('evaluation gives the same bits to all, before and after a step', async (t) => {
  const [one, other] = [await open(t, plain, checkpointFiles()), await open(t, plain, checkpointFiles())]
  const units = evaluationUnits(plain)
  t.same(
    units.map((unit) => [unit.metric, unit.start, unit.count]),
    [
      ['reconstruction', 0, 4],
      ['keepLoss', 0, 4],
      ['keepLoss', 4, 2],
      ['hits', 0, 4],
      ['hits', 4, 2],
    ],
  )
  const measure = async (session: JobSession, order: typeof units) => {
    const results = new Map<string, unknown>()
    for (const unit of order) results.set(JSON.stringify(unit), await session.evaluate(unit))
    return units.map((unit) => results.get(JSON.stringify(unit)))
  }
  const before = await measure(one, units)
  t.same(await measure(other, units.toReversed()), before)
  for (const session of [one, other]) await advance(session)
  const after = await measure(one, units)
  t.notSame(after, before, 'the model that is measured is the current one')
  t.same(await measure(other, units), after)

  const reader = await open(t, { ...plain, kind: 'evaluate' } as unknown as Job, one.checkpointFiles())
  t.same(await measure(reader, units), after, 'and so does an evaluate job on the checkpoint')
  await t.rejects(partials(reader, 0), { code: 'INTERNAL' })
})

t.test('the picture for the report is the forgotten one', async (t) => {
  const picture = session.referenceImage()
  t.match(picture, { height: 8, width: 8, channels: 1 })
  t.equal(picture?.pixels.length, 64)
  const { forget: _, ...data } = tinyJob('train', pictures).data
  const without = await open(t, { ...tinyJob('train', pictures), data } as Job, configFiles())
  t.equal(without.referenceImage(), null)
})

t.test('what cannot be', async (t) => {
  await t.rejects(openSession(plain, checkpointFiles({ ...tinyConfig, sample_size: 16 })), {
    code: 'DATA_SHAPE',
    expected: '1×16×16',
    received: '1×8×8',
  })
  await t.rejects(openSession(plain, checkpointFiles({ ...tinyConfig, in_channels: 3, out_channels: 3 })), { code: 'DATA_SHAPE' })
  await t.rejects(openSession(plain, configFiles()), { code: 'CHECKPOINT_MISSING' })
  await t.rejects(partials(session, 1), { code: 'INTERNAL' }, 'a step out of order')
  t.throws(() => session.apply(1, new Float32Array(session.summary.parameterCount)), { code: 'INTERNAL' })
  const stop = new AbortController()
  let done = 0
  const onMicroBatch = () => {
    done += 1
    stop.abort()
  }
  await t.rejects(session.partials(0, 0, microBatches, { signal: stop.signal, onMicroBatch }), { name: 'AbortError' })
  t.equal(done, 1, 'a stop is heard between two micro-batches')
})
