import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { jobYaml, parseJob } from '../../protocol/jobfile.ts'
import { type RunReport, runReport } from '../../protocol/report.ts'
import { tinyClassifier, writePictures } from '../support/tiny-job.ts'
import { lethe } from './command.ts'

/* A classifier through the command that users type: trained by one and by two workers, then measured from its checkpoint. */

t.setTimeout(280_000)

t.test('1 and 2 workers train one classifier, and evaluation finds it again', async (t) => {
  const cwd = t.testdir({ jobs: {} })
  const { sources } = await writePictures(cwd)
  writeFileSync(join(cwd, 'jobs/model.json'), JSON.stringify(tinyClassifier))
  const write = (name: string, job: object) => {
    const text = JSON.stringify({ name: 'judge', data: { sources }, evaluate: { accuracy: { sources }, unitSize: 2 }, ...job })
    writeFileSync(join(cwd, `jobs/${name}.yaml`), jobYaml(parseJob(text)))
  }
  const training = { steps: 12, batchSize: 10, microBatchSize: 2, optimizer: { learningRate: 0.01 }, checkpointEvery: 5 }
  write('train', { kind: 'train', model: { config: 'model.json' }, method: { name: 'classify' }, training })
  write('measure', { kind: 'evaluate', model: { checkpoint: '../one/checkpoint' } })

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
  t.match(one, { method: 'classify', steps: 12, accuracy: { before: null, after: { samples: 7 } } })
  t.ok((one.history.at(-1)?.losses.keep ?? Number.NaN) < (one.history[0]?.losses.keep ?? 0), 'it learns')
  t.ok(readFileSync(join(cwd, 'one/checkpoint/model.safetensors')).byteLength > 4 * one.parameterCount)

  const measured = await run('measure', '1', 'measured')
  t.strictSame(measured.accuracy, one.accuracy)
  t.equal(measured.checkpoint.sha256, one.checkpoint.sha256)
})
