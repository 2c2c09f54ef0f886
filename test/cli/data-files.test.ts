import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { checkJobFiles } from '../../cli/data-files.ts'
import { jobYaml } from '../../protocol/jobfile.ts'
import { mapPaths } from '../../protocol/paths.ts'
import { checkpointFiles, tinyJob, writePictures } from '../support/tiny-job.ts'
import { lethe } from './command.ts'

t.setTimeout(60_000)

t.test('a data file that is not there ends a run before any worker starts', async (t) => {
  const cwd = t.testdir({ parent: {} })
  for (const { path, bytes } of checkpointFiles()) writeFileSync(join(cwd, 'parent', path), bytes)
  const job = tinyJob('unlearn', await writePictures(cwd))
  writeFileSync(join(cwd, 'job.yaml'), jobYaml(job))
  const absolute = mapPaths(job, (path) => resolve(cwd, path))
  t.doesNotThrow(() => checkJobFiles(absolute))

  const paths: string[] = []
  mapPaths(job, (path) => {
    if (path !== 'parent') paths.push(path)
    return path
  })
  rmSync(resolve(cwd, paths[paths.length - 1]))
  t.throws(() => checkJobFiles(absolute), { code: 'DATA_FILE_MISSING', received: 'ENOENT' })
  const run = await lethe(['run', 'job.yaml', '--out', 'out'], { cwd })
  t.match(run, { status: 20, stderr: /^error DATA_FILE_MISSING: cannot read .*ENOENT/m })
  t.notOk(existsSync(join(cwd, 'out/logs')), 'no worker was started')
})

t.test('an experiment begins no job before the files of all are there, but for what its jobs make', async (t) => {
  const cwd = t.testdir({ parent: {}, judge: {} })
  for (const { path, bytes } of checkpointFiles()) writeFileSync(join(cwd, 'parent', path), bytes)
  const job = tinyJob('unlearn', await writePictures(cwd))
  writeFileSync(join(cwd, 'job.yaml'), jobYaml(job))
  const refused = async (name: string, late: string) => {
    const jobs = `jobs:\n  - { id: a, file: job.yaml }\n  - { id: b, file: job.yaml, set: [${late}] }\n`
    writeFileSync(join(cwd, `${name}.yaml`), `kind: experiment\nname: ${name}\n${jobs}`)
    const dry = await lethe(['experiment', `${name}.yaml`, '--dry-run'], { cwd })
    const run = dry.status === 0 ? dry : await lethe(['experiment', `${name}.yaml`], { cwd })
    t.notOk(existsSync(join(cwd, 'runs')), 'nothing was begun')
    t.match(run, { status: dry.status, stderr: dry.stderr })
    return dry.stderr
  }
  t.match(await refused('model', 'model.checkpoint=nowhere'), /^error CHECKPOINT_MISSING: job b: cannot read .*nowhere.config\.json/)
  t.match(await refused('image', '"data.forget={file: gone.png}"'), /^error DATA_FILE_MISSING: job b: cannot read .*gone\.png; got ENOENT/)
  t.match(await refused('judge', 'evaluate.classifier=judge'), /^error CHECKPOINT_MISSING: job b: cannot read .*judge.config\.json/)
  t.equal(await refused('made', 'model.checkpoint=@a'), '')
})
