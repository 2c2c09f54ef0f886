import t, { type Test } from 'tap'
import type { StepJob } from '../../protocol/job.ts'
import { unlearningMethods } from '../../protocol/methods/index.ts'
import { roundsOf, totalRounds } from '../../protocol/rounds.ts'
import { decodeSafetensors, floats } from '../../worker/checkpoint/safetensors.ts'
import { type JobSession, openSession } from '../../worker/session.ts'
import { reduceRound } from '../support/reduced-run.ts'
import { checkpointFiles, tinyConfig, tinyJob, writePictures } from '../support/tiny-job.ts'

/* Whole runs of every method on a tiny network, by one session and by several: what rounds do to parameters, and that it is the same. */

t.setTimeout(200_000)
const pictures = await writePictures(t.testdir())
const conditional = { ...tinyConfig, num_class_embeds: 7 }

const job = (method: { name: string; [option: string]: unknown }, training: object = {}) =>
  tinyJob('unlearn', pictures, {
    method,
    training: { steps: 2, batchSize: 6, microBatchSize: 2, ...training },
    data: { sources: pictures.sources, forget: { labels: [5] }, ...(method.name === 'dimum' && { alternative: { labels: [1, 2] } }) },
  })

async function open(t: Test, one: StepJob, config: object = conditional): Promise<JobSession> {
  const session = await openSession(one, checkpointFiles(config))
  t.teardown(() => session.dispose())
  return session
}

/** A test's own comparison of long vectors takes minutes where they differ. */
const isSame = (one: Float32Array, other: Float32Array) => Buffer.from(one.buffer).equals(Buffer.from(other.buffer))

const vector = (session: JobSession, name = 'parameters') => floats(decodeSafetensors(session.exportState()).tensors, name).slice()

/** Options with which a method shows all that it has. */
const options: Record<string, object> = {
  erasediff: { innerSteps: 2, target: 'random-label', weight: { rule: 'cosine' }, eta: 0.1 },
  salun: { saliency: { share: 0.3, batches: 2 } },
  'selective-amnesia': { fisher: { samples: 6 } },
}

for (const name of Object.keys(unlearningMethods)) {
  t.test(`${name}: the same bits by one session, by two and by three, and with the state carried over in the middle`, async (t) => {
    const method = { name, ...options[name] }
    const isConditional = name !== 'siss' && name !== 'siss-bernoulli'
    const one = job(method)
    const config = isConditional ? conditional : tinyConfig
    const [alone, left, right, first, second, third] = await Promise.all(Array.from({ length: 6 }, () => open(t, one, config)))
    const start = alone.digest()
    const digests: string[] = []
    for (let round = 0; round < totalRounds(roundsOf(one)); round++) digests.push(await reduceRound(one, [alone]))
    t.not(digests.at(-1), start, 'something was learned')
    for (const [round, digest] of digests.entries()) {
      t.equal(await reduceRound(one, [left, right]), digest, `round ${round} by two`)
      // The second of three is new in every round, and knows what the state tells.
      second.importState(first.exportState())
      t.equal(await reduceRound(one, [first, second, third]), digest, `round ${round} by three`)
    }
  })
}

t.test('SalUn moves exactly the share of weights, and no other bit', async (t) => {
  for (const share of [0.3, 0.5]) {
    const one = job({ name: 'salun', saliency: { share, batches: 3 } }, { optimizer: { learningRate: 1e-3, weightDecay: 0.1 } })
    const session = await open(t, one)
    const before = vector(session)
    for (let round = 0; round < 3; round++) {
      await reduceRound(one, [session])
      t.ok(isSame(vector(session), before), 'looking changes nothing')
    }
    const saliency = vector(session, 'prepared').map(Math.abs)
    await reduceRound(one, [session])
    await reduceRound(one, [session])
    const after = vector(session)
    const moved = after.map((value, i) => (Object.is(value, before[i]) ? 0 : 1))
    const count = moved.reduce((sum, one) => sum + one, 0)
    t.equal(count, Math.floor(share * before.length))
    const least = saliency.reduce((low, value, i) => (moved[i] ? Math.min(low, value) : low), Number.POSITIVE_INFINITY)
    t.ok(
      saliency.every((value, i) => moved[i] === 1 || value <= least),
      'those with the largest saliency',
    )
    for (const moment of ['m', 'v'])
      t.ok(
        vector(session, moment).every((value, i) => moved[i] === 1 || value === 0),
        `${moment} of a weight that must not move stays 0`,
      )
  }
})

t.test('inner steps are taken back, the moments of the optimizer are not', async (t) => {
  const one = job({ name: 'erasediff', innerSteps: 2, innerLearningRate: 0.01 })
  const session = await open(t, one)
  const before = vector(session)
  await reduceRound(one, [session])
  t.notOk(isSame(vector(session), before), 'the first inner step moves')
  await reduceRound(one, [session])
  t.ok(isSame(vector(session), before), 'after the last the parameters are back')
  t.ok(vector(session, 'm').some((value) => value !== 0))
  await reduceRound(one, [session])
  t.notOk(isSame(vector(session), before), 'the update stays')
})

t.test('Fisher information is the mean of squares over single samples, and pulls back to the original', async (t) => {
  // Micro-batches of one row give single gradients, the reference.
  const sizes = { steps: 2, batchSize: 6, microBatchSize: 3 }
  const one = job({ name: 'selective-amnesia', fisher: { samples: 6 }, lambda: 10 }, sizes)
  const session = await open(t, one)
  await reduceRound(one, [session])
  const fisher = vector(session, 'prepared')

  const single = await open(t, job({ name: 'selective-amnesia', lambda: 0 }, { ...sizes, microBatchSize: 1 }))
  const reference = new Float64Array(fisher.length)
  for (let row = 0; row < 6; row++) {
    const partials = await single.partials(0, row, row + 1, { signal: new AbortController().signal, onMicroBatch: () => {} })
    const gradient = partials.find(({ channel }) => channel === 'keep')?.gradient as Float32Array
    // Of one of six in the batch.
    gradient.forEach((value, i) => {
      reference[i] += (6 * value) ** 2 / 6
    })
  }
  const error = Math.sqrt(
    fisher.reduce((sum, value, i) => sum + (value - reference[i]) ** 2, 0) / reference.reduce((sum, value) => sum + value ** 2, 0),
  )
  t.ok(error < 1e-4, `relative error ${error}`)

  // Twice the weight adds the same pull once more: 2·10·F·(θ − θ*), and only to the first micro-batch.
  const stronger = await open(t, job({ name: 'selective-amnesia', fisher: { samples: 6 }, lambda: 20 }, sizes))
  const before = vector(session)
  await reduceRound(one, [session])
  stronger.importState(session.exportState())
  const distance = vector(session).map((value, i) => value - before[i])
  const forgetOf = async (own: JobSession, index: number) => {
    const partials = await own.partials(2, index, index + 1, { signal: new AbortController().signal, onMicroBatch: () => {} })
    return partials.find(({ channel }) => channel === 'forget')?.gradient as Float32Array
  }
  const [weak, strong] = [await forgetOf(session, 0), await forgetOf(stronger, 0)]
  const pull = distance.map((value, i) => 20 * fisher[i] * value)
  const size = Math.sqrt(pull.reduce((sum, value) => sum + value ** 2, 0))
  const missed = Math.sqrt(pull.reduce((sum, value, i) => sum + (strong[i] - weak[i] - value) ** 2, 0))
  t.ok(size > 0 && missed < 1e-3 * size, `relative error ${missed / size}`)
  t.ok(isSame(await forgetOf(session, 1), await forgetOf(stronger, 1)))
})
