import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { checkDataFiles } from '../../cli/data-files.ts'
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
  t.doesNotThrow(() => checkDataFiles(absolute))

  const paths: string[] = []
  mapPaths(job, (path) => {
    if (path !== 'parent') paths.push(path)
    return path
  })
  rmSync(resolve(cwd, paths[paths.length - 1]))
  t.throws(() => checkDataFiles(absolute), { code: 'DATA_FILE_MISSING', received: 'ENOENT' })
  const run = await lethe(['run', 'job.yaml', '--out', 'out'], { cwd })
  t.match(run, { status: 20, stderr: /^error DATA_FILE_MISSING: cannot read .*ENOENT/m })
  t.notOk(existsSync(join(cwd, 'out/logs')), 'no worker was started')
})
