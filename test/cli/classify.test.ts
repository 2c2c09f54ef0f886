import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { jobYaml, parseJob } from '../../protocol/jobfile.ts'
import { type RunReport, runReport } from '../../protocol/report.ts'
import { tinyClassifier } from '../support/tiny-job.ts'
import { lethe } from './command.ts'

/* A classifier through the command that users type: trained by one and by two workers, then measured from its checkpoint. */

t.setTimeout(120_000)

t.test('1 and 2 workers train one classifier, and evaluation finds it again', async (t) => {
  const cwd = t.testdir({})
  mkdirSync(join(cwd, 'jobs'))
  writeFileSync(join(cwd, 'jobs/model.json'), JSON.stringify({ ...tinyClassifier, sample_size: 28, num_classes: 10 }))
  const digits = (part: 'train' | 'test') => ({ sources: [{ type: 'mnist', holdout: { every: 50, part } }] })
  const job = (others: object) =>
    jobYaml(parseJob(JSON.stringify({ name: 'judge', evaluate: { accuracy: digits('test'), unitSize: 32 }, ...others })))
  const training = { steps: 12, batchSize: 40, microBatchSize: 8, optimizer: { learningRate: 0.01 }, checkpointEvery: 5 }
  const train = { kind: 'train', model: { config: 'model.json' }, data: digits('train'), method: { name: 'classify' }, training }
  writeFileSync(join(cwd, 'jobs/train.yaml'), job(train))
  writeFileSync(
    join(cwd, 'jobs/measure.yaml'),
    job({ kind: 'evaluate', model: { checkpoint: '../one/checkpoint' }, data: digits('train') }),
  )

  const run = async (file: string, workers: string, out: string): Promise<RunReport> => {
    const { status, stdout, stderr } = await lethe(['run', `jobs/${file}.yaml`, '--workers', workers, '--out', out, '--json'], { cwd })
    t.equal(status, 0, stderr)
    return runReport.parse(JSON.parse(stdout))
  }
  const one = await run('train', '1', 'one')
  const two = await run('train', '2', 'two')
  t.equal(two.checkpoint.sha256, one.checkpoint.sha256)
  t.strictSame(two.accuracy, one.accuracy)
  t.strictSame(two.history, one.history)
  t.match(one, { method: 'classify', steps: 12, accuracy: { before: null, after: { samples: 200 } } })
  t.ok((one.history.at(-1)?.losses.keep ?? Number.NaN) < (one.history[0]?.losses.keep ?? 0), 'it learns')
  t.ok(readFileSync(join(cwd, 'one/checkpoint/model.safetensors')).byteLength > 4 * one.parameterCount)

  const measured = await run('measure', '2', 'measured')
  t.strictSame(measured.accuracy, one.accuracy)
  t.equal(measured.checkpoint.sha256, one.checkpoint.sha256)
})
