import t from 'tap'
import { emptyHistory, fold } from '../../../coordinator/journal/journal.ts'
import type { RunOptions } from '../../../coordinator/run/options.ts'
import { reportInput } from '../../../coordinator/run/result.ts'
import { filesDigest, sha256 } from '../../../protocol/digest.ts'
import { type Job, jobSchema } from '../../../protocol/job.ts'
import { attackJob, attackResults, evaluated, madeUpRun } from '../../support/report-input.ts'

const digest = 'a'.repeat(64)
const summary = {
  parameterCount: 7,
  channels: ['keep'],
  microBatches: 1,
  manifestDigest: digest,
  forgetDigest: digest,
  items: 10_000,
  forgetItems: 1032,
  imageShape: [8, 8, 1] as [number, number, number],
  engine: 'onnx',
}

/** The parts of a run that its report is made from, after so many commits. */
function runOf(job: Job, commits: number): RunOptions {
  const history = emptyHistory()
  fold(history, { type: 'session', summary })
  for (let version = 1; version <= commits; version++)
    fold(history, { type: 'committed', version, digest, workers: 2, losses: {}, norms: {}, updateNorm: version, stepMs: 100 })
  if (commits > 0) fold(history, { type: 'checkpoint', version: commits, digest, sha256: digest, stateSha256: digest })
  const run = {
    job,
    written: job,
    jobDigest: digest,
    parentSha256: digest,
    files: ['config.json', 'classifier/config.json', 'classifier/model.safetensors'].map((path) => ({
      ...{ path, bytes: Buffer.from(path), sha256: sha256(Buffer.from(path)) },
    })),
    folder: { finalCheckpoint: 'runs/a/checkpoint' },
    history,
    settings: { reducer: 'central', expectedWorkers: 1, auditEvery: 0, epoch: 1 },
  }
  return run as unknown as RunOptions
}

const classifier = filesDigest(['config.json', 'model.safetensors'].map((path) => ({ path, bytes: Buffer.from(`classifier/${path}`) })))

const attendance = { most: 1, reference: null }

t.test('an attack: every stop, from version 0 to the end', async (t) => {
  const measuredAt = (job: ReturnType<typeof attackJob>, commits: number, recognised: Record<number, number>) => {
    const options = runOf(job, commits)
    for (const [version, share] of Object.entries(recognised))
      attackResults(job, Number(version), share).forEach(({ result }, unit) => {
        fold(options.history, evaluated(Number(version), unit, result))
      })
    return reportInput(options, attendance)
  }
  const all = measuredAt(attackJob(), 40, { 40: 9, 0: 0, 10: 3 })
  t.same([...all.measured.keys()], [0, 10, 40])
  t.equal(all.evaluation.get('before'), all.measured.get(0))
  t.equal(all.evaluation.get('after'), all.measured.get(40))
  t.same(all.measured.get(10)?.[1].result.values, attackResults(attackJob(), 10, 3)[1].result.values)
  t.match(all, { attack: { stoppedAt: null }, steps: 40, stepsPerSecond: 10, classifierSha256: classifier })
  const stopped = measuredAt(attackJob({ stopAt: 0.5 }), 10, { 0: 0, 10: 12 })
  t.equal(stopped.evaluation.get('after'), stopped.measured.get(10))
  t.match(stopped, { attack: { stoppedAt: 10 }, steps: 10 })
  const atOnce = attackJob({ stopAt: 0.5 })
  const none = measuredAt(atOnce, 0, { 0: 12 })
  const parent = { path: atOnce.model.checkpoint, sha256: runOf(atOnce, 0).parentSha256 }
  t.match(none, { attack: { stoppedAt: 0 }, steps: 0, checkpoint: parent }, 'it had succeeded before its first step')
})

t.test('rounds of other phases are no steps', async (t) => {
  const { job } = madeUpRun()
  if (job.kind !== 'unlearn') return t.fail('another job')
  const salun = jobSchema.parse({ ...job, method: { name: 'salun', saliency: { batches: 3 } }, training: { ...job.training, steps: 2 } })
  const { history, steps, stepMs } = reportInput(runOf(salun, 5), attendance)
  t.same(
    history.map(({ phase, step }) => [phase, step]),
    [
      ['prepare', 0],
      ['prepare', 0],
      ['prepare', 0],
      ['update', 0],
      ['update', 1],
    ],
  )
  t.same([steps, stepMs.length], [2, 5])
})

t.test('an unlearning run that was not measured', async (t) => {
  const { evaluation, measured, attack } = reportInput(runOf(madeUpRun().job, 60), attendance)
  t.same([evaluation.size, measured.size, attack], [0, 0, null])
})
