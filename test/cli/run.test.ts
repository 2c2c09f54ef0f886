import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { jobYaml, parseJob } from '../../protocol/jobfile.ts'
import { runReport } from '../../protocol/report.ts'
import { examplesPath, lethe, lethePath } from './command.ts'

/** A network of a few thousand parameters that learns a few digits: the whole house in seconds. */
function smallJob(t: Test, steps = 4): { cwd: string; file: string } {
  const cwd = t.testdir({})
  const config = JSON.parse(readFileSync(join(examplesPath, 'models/mnist-unet.json'), 'utf8'))
  mkdirSync(join(cwd, 'jobs'))
  writeFileSync(
    join(cwd, 'jobs/model.json'),
    JSON.stringify({
      ...config,
      block_out_channels: [8, 8],
      layers_per_block: 1,
      norm_num_groups: 4,
      attention_head_dim: 8,
      down_block_types: ['DownBlock2D', 'DownBlock2D'],
      up_block_types: ['UpBlock2D', 'UpBlock2D'],
    }),
  )
  const job = {
    kind: 'train',
    name: 'small',
    model: { config: 'model.json' },
    data: { sources: [{ type: 'image', path: join(examplesPath, 'data/tshirt.png'), copies: 8 }], forget: { indices: [0] } },
    training: { steps, batchSize: 4, microBatchSize: 1, checkpointEvery: 2 },
    evaluate: { keepLoss: { samples: 4 }, unitSize: 2 },
  }
  writeFileSync(join(cwd, 'jobs/small.yaml'), jobYaml(parseJob(JSON.stringify(job))))
  return { cwd, file: 'jobs/small.yaml' }
}

t.test('a run ends with a table, a report and a checkpoint; the same command again gives the stored result', async (t) => {
  const { cwd, file } = smallJob(t)
  const first = await lethe(['run', file], { cwd })
  t.equal(first.status, 0, first.stderr)
  t.match(first.stdout, /loss on the kept data/)
  t.match(first.stdout, 'runs/small/report.html')
  t.match(first.stderr, /^waiting for workers to be ready: 0 of 2$/m)
  t.match(first.stderr, /^steps 4\/4/m)
  const out = join(cwd, 'runs/small')
  for (const path of [
    'job.yaml',
    'report.html',
    'checkpoint/config.json',
    'checkpoint/diffusion_pytorch_model.safetensors',
    'logs/worker-2.log',
  ]) {
    t.ok(existsSync(join(out, path)), path)
  }
  const again = await lethe(['run', file, '--json'], { cwd })
  t.equal(again.status, 0, again.stderr)
  t.match(again.stderr, /^this run was finished before: nothing was computed/)
  const report = runReport.parse(JSON.parse(again.stdout))
  t.same(report, JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')), 'stdout is the report and nothing else')
  t.match(report, { workers: 2, steps: 4, checkpoint: { sha256: /^[0-9a-f]{64}$/ } })

  const alone = await lethe(['run', file, '--workers', '1', '--out', 'runs/alone', '--no-evaluate', '--json'], { cwd })
  t.equal(alone.status, 0, alone.stderr)
  t.equal(JSON.parse(alone.stdout).checkpoint.sha256, report.checkpoint.sha256, 'one worker gives the same bits')

  const other = await lethe(['run', file, '--set', 'seed=5'], { cwd })
  t.match(other, { status: 70, stdout: '', stderr: /^error RUN_EXISTS: / }, 'another job does not touch the folder')
  const fresh = await lethe(['run', file, '--set', 'seed=5', '--fresh', '--json', '--no-evaluate'], { cwd })
  t.equal(fresh.status, 0, fresh.stderr)
  t.not(JSON.parse(fresh.stdout).checkpoint.sha256, report.checkpoint.sha256)
})

t.test('Ctrl-C leaves a run that the printed command resumes, to the same bits', async (t) => {
  const { cwd, file } = smallJob(t, 40)
  const whole = await lethe(['run', file, '--workers', '1', '--out', 'runs/whole', '--no-evaluate', '--json'], { cwd })
  t.equal(whole.status, 0, whole.stderr)

  const args = ['run', file, '--workers', '2', '--no-evaluate', '--fresh', '--json']
  const child = spawn(process.execPath, [lethePath, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    if (/^steps \d/m.test(stderr + chunk) && !/^steps \d/m.test(stderr)) child.kill('SIGINT')
    stderr += chunk
  })
  const status = await new Promise((resolve) => child.once('close', resolve))
  t.equal(status, 130, stderr)
  t.equal(stdout, '')
  t.match(stderr, /^error INTERRUPTED: .*Resume with: npx lethe run jobs\/small\.yaml --workers 2 --no-evaluate --json$/m)
  t.notOk(readdirSync(join(cwd, 'runs/small')).includes('report.json'))

  const resumed = await lethe(['run', file, '--workers', '2', '--no-evaluate', '--json'], { cwd })
  t.equal(resumed.status, 0, resumed.stderr)
  t.equal(JSON.parse(resumed.stdout).checkpoint.sha256, JSON.parse(whole.stdout).checkpoint.sha256)
})

t.test('what workers find wrong with the data ends the run with their error', async (t) => {
  const { cwd, file } = smallJob(t)
  const missing = await lethe(['run', file, '--set', 'data.sources.0.path=nowhere.png', '--workers', '1'], { cwd })
  t.match(missing, { status: 20, stdout: '', stderr: /^error DATA_FILE_MISSING: /m })
  const outside = await lethe(['run', file, '--set', 'data.forget.indices=[99]', '--workers', '1'], { cwd })
  t.match(outside, { status: 23, stdout: '', stderr: /^error DATA_FORGET_EMPTY: /m })
})
