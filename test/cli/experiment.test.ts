import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { lock } from '../../coordinator/storage/lock.ts'
import { errorTable } from '../../protocol/errors.ts'
import { experimentReport } from '../../protocol/experiment/report.ts'
import { checkpointFiles, tinyConfig, writePictures } from '../support/tiny-job.ts'
import { lethe, lethePath } from './command.ts'

/* Experiments through the command that users type, on real worker processes: a network of a few thousand parameters, pictures of 8×8. */

t.setTimeout(280_000)

const evaluate = { hits: { samples: 4, sampler: { name: 'ddim', steps: 2 } }, keepLoss: { samples: 4 }, unitSize: 4 }

async function tinyExperiment(t: Test): Promise<string> {
  const cwd = t.testdir({})
  mkdirSync(join(cwd, 'jobs'))
  for (const model of ['model', 'other']) {
    mkdirSync(join(cwd, model))
    for (const { path, bytes } of checkpointFiles()) writeFileSync(join(cwd, model, path), bytes)
  }
  const pictures = await writePictures(cwd)
  writeFileSync(join(cwd, 'jobs/net.json'), JSON.stringify(tinyConfig))
  const shared = {
    data: { sources: pictures.sources, forget: { file: pictures.forgotten } },
    training: { steps: 4, batchSize: 4, microBatchSize: 2, checkpointEvery: 2 },
    evaluate,
  }
  const jobs = {
    train: { kind: 'train', name: 'train', model: { config: 'net.json' }, ...shared },
    unlearn: { kind: 'unlearn', name: 'unlearn', model: { checkpoint: '../model' }, method: { name: 'naive' }, ...shared },
    attack: {
      kind: 'attack',
      name: 'attack',
      model: { checkpoint: '../other' },
      attack: { measureAt: [0, 2], controls: { original: '../model', retrained: '../other' } },
      ...shared,
    },
  }
  for (const [name, job] of Object.entries(jobs)) writeFileSync(join(cwd, `jobs/${name}.yaml`), JSON.stringify(job))
  writeFileSync(
    join(cwd, 'table.yaml'),
    `kind: experiment
name: table
title: A tiny table
budgets: { quick: { set: [training.steps=2] } }
jobs:
  - { id: retrain, file: jobs/train.yaml, set: [training.include=keep], row: { method: retrain } }
  - { id: naive, file: jobs/unlearn.yaml, row: { method: naive } }
  - { id: lost, file: jobs/unlearn.yaml, set: ['data.forget={indices: [99]}'], row: { method: lost } }
  - { id: lost-again, file: jobs/unlearn.yaml, set: [model.checkpoint=@lost] }
  - { id: naive-attacked, file: jobs/attack.yaml, set: [model.checkpoint=@naive, attack.controls.retrained=@retrain], row: { method: naive } }
`,
  )
  return cwd
}

t.test('an experiment goes on after a failure, is interrupted, resumed, and ends in one page and one JSON', async (t) => {
  const cwd = await tinyExperiment(t)
  const args = ['experiment', 'table.yaml', '--set', 'budget=quick', '--workers', '1', '--json']

  const plan = await lethe([...args, '--dry-run'], { cwd })
  t.equal(plan.status, 0, plan.stderr)
  const ids = JSON.parse(plan.stdout).map(({ id }: { id: string }) => id)
  t.same(ids, ['retrain', 'naive', 'lost', 'lost-again', 'naive-attacked', 'naive-attacked.original', 'naive-attacked.retrained'])
  t.notOk(existsSync(join(cwd, 'runs')), 'nothing was run')

  // The first job, as a script would run it.
  const { stdout: list } = await lethe(['experiment', 'table.yaml', '--set', 'budget=quick', '--workers', '1', '--list'], { cwd })
  const commands = list.trimEnd().split('\n')
  t.equal(commands.length, ids.length)
  t.match(
    commands[4],
    /^npx lethe run jobs\/attack\.yaml --set .* --no-controls --workers 1 --out runs\/table-quick\/naive-attacked # needs naive$/,
  )
  const words = commands[0].split(' ').slice(2)
  const alone = await lethe([...words, '--json'], { cwd })
  t.equal(alone.status, 0, alone.stderr)

  const folder = join(cwd, 'runs/table-quick')
  const unlock = await lock(join(folder, 'experiment.lock'))
  t.match(await lethe(args, { cwd }), {
    status: errorTable.RUN_LOCKED.exitCode,
    stdout: '',
    stderr: /^error RUN_LOCKED: process \d+ works on [^\n]*table-quick\. [^\n]*\n$/,
  })
  await unlock()

  const interrupted = await untilSeen(cwd, [...args, '--fresh', 'naive'], /job 2 of 7[\s\S]*1 worker/)
  t.equal(interrupted.status, errorTable.INTERRUPTED.exitCode, interrupted.stderr)
  t.match(interrupted.stderr, 'retrain was finished before', 'what a script has run is not run again')
  t.match(interrupted.stderr, /Resume with: npx lethe experiment table\.yaml --set budget=quick --workers 1 --json$/m)
  t.match(readFileSync(join(cwd, 'runs/table-quick/experiment.html'), 'utf8'), 'not run', 'a page of what there is so far')

  const whole = await lethe(args, { cwd })
  t.equal(whole.status, errorTable.DATA_FORGET_EMPTY.exitCode, 'the error of the job that failed, at the end')
  t.match(whole.stderr, /lost failed: DATA_FORGET_EMPTY/)
  t.match(whole.stderr, /lost-again is skipped, it needs lost/)
  const report = experimentReport.parse(JSON.parse(whole.stdout))
  t.same(
    report.jobs.map(({ state }) => state),
    ['finished', 'finished', 'failed', 'skipped', 'finished', 'finished', 'finished'],
  )
  t.equal(report.jobs[0].checkpointSha256, JSON.parse(alone.stdout).checkpoint.sha256)
  t.match(report.rows, [{ title: 'retrain' }, { title: 'naive', attacks: [{ name: 'kept data', measure: 'hits' }] }, { title: 'lost' }])
  const [attack] = report.rows[1].attacks
  t.same(
    attack.curve.map(({ step }) => step),
    [0, 2],
  )
  t.ok(attack.controls.original && attack.controls.retrained)
  t.same(JSON.parse(readFileSync(join(cwd, 'runs/table-quick/experiment.json'), 'utf8')), JSON.parse(whole.stdout))

  const again = await lethe(['experiment', 'table.yaml', '--set', 'budget=quick', '--report'], { cwd })
  t.equal(again.status, 0, again.stderr)
  t.match(again.stdout, 'A tiny table')
  t.match(again.stdout, /report +runs\/table-quick\/experiment\.html/)
  t.match(again.stdout, /lost: lost failed \(DATA_FORGET_EMPTY: .+\)/, 'why, although its folder holds nothing')
  t.notOk(existsSync(join(folder, 'experiment.lock')))

  const reportPath = join(folder, 'retrain/report.json')
  const written = readFileSync(reportPath, 'utf8')
  writeFileSync(reportPath, written.slice(0, 1000))
  const retrain = [...args, '--only', 'retrain']
  const repaired = await lethe(retrain, { cwd })
  t.equal(repaired.status, 0, repaired.stderr)
  t.match(repaired.stderr, 'retrain was finished before')
  t.match(JSON.parse(repaired.stdout).jobs, [{ id: 'retrain', state: 'finished' }, {}, { id: 'lost', state: 'failed' }])
  t.equal(readFileSync(reportPath, 'utf8'), written, 'the journal holds the report')

  const other = [...retrain, '--set', 'seed=9']
  t.match(await lethe(other, { cwd }), { status: errorTable.RUN_EXISTS.exitCode, stderr: /--fresh retrain/ })
  const fresh = await lethe([...other, '--fresh', 'retrain'], { cwd })
  t.equal(fresh.status, 0, fresh.stderr)
  t.match(JSON.parse(fresh.stdout).jobs[0], { state: 'finished', seed: 9 })
  t.match(await lethe([...args, '--fresh', 'nobody'], { cwd }), {
    status: errorTable.USAGE.exitCode,
    stderr: /--fresh nobody is of no job/,
  })
})

t.test('an attack with controls runs its arms', async (t) => {
  const cwd = await tinyExperiment(t)
  const args = ['run', 'jobs/attack.yaml', '--steps', '2', '--workers', '1', '--json']
  const { status, stdout, stderr } = await lethe(args, { cwd })
  t.equal(status, 0, stderr)
  const report = experimentReport.parse(JSON.parse(stdout))
  t.same(
    report.jobs.map(({ id, state }) => `${id} ${state}`),
    ['attack finished', 'attack.original finished'],
    'the model that is attacked is the retrained one, and that is one run',
  )
  const [{ curve, controls }] = report.rows[0].attacks
  t.same(controls.original?.curve, curve, 'the same weights under another name')
  t.same(controls.retrained?.curve, curve)
})

t.test('what is wrong with an experiment ends the command in one line', async (t) => {
  const cwd = t.testdir({ 'bad.yaml': 'kind: experiment\nname: bad\njobs:\n  - { id: a, file: none.yaml }\n' })
  const missing = await lethe(['experiment', 'bad.yaml', '--dry-run'], { cwd })
  t.match(missing, {
    status: errorTable.JOB_FILE_MISSING.exitCode,
    stdout: '',
    stderr: /^error JOB_FILE_MISSING: [^\n]*none\.yaml[^\n]*\n$/,
  })
  const job = await lethe(['run', 'bad.yaml'], { cwd })
  t.match(job.stderr, /^error JOB_INVALID: [^\n]+\n$/)
})

/** Sends SIGINT when stderr shows the pattern, and waits for the end. */
function untilSeen(cwd: string, args: readonly string[], pattern: RegExp): Promise<{ status: number | null; stderr: string }> {
  const child = spawn(process.execPath, [lethePath, ...args], { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    const before = pattern.test(stderr)
    stderr += chunk
    if (!before && pattern.test(stderr)) child.kill('SIGINT')
  })
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, stderr })))
}
