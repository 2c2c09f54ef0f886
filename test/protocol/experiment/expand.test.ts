import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ErrorCode, LetheError } from '../../../protocol/errors.ts'
import { expandExperiment } from '../../../protocol/experiment/expand.ts'
import { parseExperiment } from '../../../protocol/experiment/file.ts'

const data = { sources: [{ type: 'mnist' }], forget: { labels: [3] } }
const training = { steps: 80, batchSize: 8, microBatchSize: 4 }
const files: Record<string, object> = {
  '/lab/jobs/train.yaml': { kind: 'train', name: 'a', model: { config: 'net.json' }, data, training },
  '/lab/jobs/unlearn.yaml': { kind: 'unlearn', name: 'b', model: { checkpoint: '../model' }, data, method: { name: 'neggrad' }, training },
  '/lab/jobs/measure.yaml': { kind: 'evaluate', name: 'c', model: { checkpoint: '../model' }, data },
  '/lab/jobs/attack.yaml': {
    kind: 'attack',
    name: 'd',
    model: { checkpoint: 'x' },
    data,
    attack: { measureAt: [0, 10], controls: { original: '../model', retrained: '../other' } },
    training,
  },
}

function expand(text: string, options: { budget?: string; overrides?: string[] } = {}) {
  const { experiment, locate } = parseExperiment(text, '/lab/table.yaml')
  const read = (path: string) => JSON.stringify(files[path])
  return expandExperiment(experiment, { file: '/lab/table.yaml', out: '/lab/runs/table', locate, read, ...options })
}

const head = 'kind: experiment\nname: table\n'

t.test('a grid is every combination, references are paths and edges, and jobs come after what they need', async (t) => {
  const { jobs } = expand(`${head}
jobs:
  - id: '{method}-{seed}'
    for: { method: [neggrad, naive], seed: [1, 2] }
    file: jobs/unlearn.yaml
    set: ['seed={seed}', 'method={name: "{method}"}', 'model.checkpoint=@retrain-{seed}']
    row: { method: '{method}', seed: '{seed}' }
  - id: retrain-{seed}
    for: { seed: [1, 2] }
    file: jobs/train.yaml
    set: ['seed={seed}', training.include=keep]
`)
  t.same(
    jobs.map(({ id }) => id),
    ['retrain-1', 'neggrad-1', 'retrain-2', 'neggrad-2', 'naive-1', 'naive-2'],
  )
  const [retrain, first] = jobs
  t.match(retrain, { dependsOn: [], row: null, job: { name: 'retrain-1', seed: 1, model: { config: '/lab/jobs/net.json' } } })
  t.match(first, {
    dependsOn: ['retrain-1'],
    row: { method: 'neggrad', seed: '1' },
    written: { name: 'neggrad-1', method: { name: 'neggrad' }, model: { checkpoint: '../runs/table/retrain-1/checkpoint' } },
    job: { model: { checkpoint: '/lab/runs/table/retrain-1/checkpoint' } },
  })
  t.ok(first.set.includes('model.checkpoint=../runs/table/retrain-1/checkpoint'), 'what `lethe run --set` takes')
})

t.test('a budget changes what jobs have, and limits grids', async (t) => {
  const text = `${head}
budgets:
  quick: { set: [training.steps=4, 'attack.measureAt=[0]'], for: { seed: [2] } }
jobs:
  - { id: 'un-{seed}', for: { seed: [1, 2, 3] }, file: jobs/unlearn.yaml, budgets: { quick: ['method.superfactor=2'] } }
  - { id: measured, file: jobs/measure.yaml, set: ['model.checkpoint=@un-2'] }
`
  t.equal(expand(text).jobs.length, 4)
  const quick = expand(text, { budget: 'quick', overrides: ['engine.threads=2'] })
  t.same(
    quick.jobs.map(({ id }) => id),
    ['un-2', 'measured'],
  )
  t.match(quick.jobs[0].job, { training: { steps: 4 }, method: { superfactor: 2 }, engine: { threads: 2 } })
  t.notMatch(quick.jobs[1].set, /training/, 'a job that only evaluates has no training')
  t.throws(() => expand(text, { budget: 'slow' }), { code: 'USAGE', expected: 'full or quick' })
  t.throws(() => expand(text, { overrides: ['nowhere.else=1'] }), { code: 'USAGE', message: /nowhere.else=1 is of no job/ })
})

t.test('a grid that is too large is refused before it is made', async (t) => {
  const values = Array.from({ length: 1000 }, (_, i) => i)
  const grid = JSON.stringify({ a: values, b: values, c: values, d: values })
  const text = `${head}budgets: { quick: { for: { a: [1], b: [1], c: [1] } } }\njobs: [{ id: 'x-{a}-{b}-{c}-{d}', for: ${grid}, file: jobs/unlearn.yaml }]\n`
  const expected = 'at most 10000 jobs'
  t.throws(() => expand(text), { code: 'JOB_INVALID', message: /`jobs\.0\.for` \(table\.yaml:4\)/, expected, received: '1000000000000' })
  t.equal(expand(text, { budget: 'quick' }).jobs.length, 1000)
  const entry = (name: string) =>
    `  - { id: '${name}-{a}-{b}', for: ${JSON.stringify({ a: values, b: values.slice(0, 6) })}, file: jobs/unlearn.yaml }\n`
  t.throws(() => expand(`${head}jobs:\n${entry('x')}${entry('y')}`), {
    code: 'JOB_INVALID',
    message: /`jobs` /,
    expected,
    received: '12000',
  })
})

t.test('an attack has three arms, and equal arms are one job', async (t) => {
  const { jobs } = expand(`${head}
jobs:
  - { id: un, file: jobs/unlearn.yaml }
  - { id: re, file: jobs/train.yaml }
  - id: 'attack-{seed}'
    for: { seed: [1, 2] }
    file: jobs/attack.yaml
    set: ['seed={seed}', model.checkpoint=@un, attack.controls.retrained=@re]
    row: { method: neggrad, seed: '{seed}' }
  - id: again-1
    file: jobs/attack.yaml
    set: [seed=1, 'model.checkpoint=other', attack.controls.retrained=@re]
  - id: of-retrained
    file: jobs/attack.yaml
    set: [seed=2, model.checkpoint=@re, 'attack.controls={original: ../model, retrained: "@re"}']
`)
  const byId = new Map(jobs.map((job) => [job.id, job]))
  t.equal(jobs.length, 2 + 4 + 3, 'two models, four attacks, and three controls that are not among them')
  t.same(byId.get('attack-1')?.controls, { original: 'attack-1.original', retrained: 'attack-1.retrained' })
  t.same(byId.get('again-1')?.controls, byId.get('attack-1')?.controls, 'another model under the same attack shares its controls')
  t.same(byId.get('attack-2')?.controls, { original: 'attack-2.original', retrained: 'of-retrained' }, 'an explicit job is the arm')
  t.same(byId.get('attack-1.retrained')?.dependsOn, ['re'])
  t.match(byId.get('attack-1.original'), { row: null, job: { name: 'attack-1-original', model: { checkpoint: '/lab/model' } } })
  for (const { job, written } of jobs)
    t.notOk(
      [job, written].some((one) => one.kind === 'attack' && one.attack.controls),
      'controls are jobs of their own',
    )
})

t.test('controls that are the model itself, or each other, control nothing', async (t) => {
  const attack = (...set: string[]) => `${head}jobs: [{ id: at, file: jobs/attack.yaml, set: ${JSON.stringify(set)} }]\n`
  t.throws(() => expand(attack('model.checkpoint=../jobs/../model/')), {
    code: 'JOB_INVALID',
    message: /^job at: `attack\.controls\.original` is not allowed/,
    received: '/lab/model',
  })
  t.throws(() => expand(attack('attack.controls.retrained=../model')), { code: 'JOB_INVALID', expected: /attack\.controls\.retrained/ })
  t.equal(expand(attack('model.checkpoint=../other')).jobs.length, 2, 'the retrained model may be attacked')
})

t.test('the name of an attack leaves room for those of its controls', async (t) => {
  const attack = (length: number) => `${head}jobs: [{ id: ${'a'.repeat(length)}, file: jobs/attack.yaml }]\n`
  t.equal(expand(attack(53)).jobs.length, 3)
  const message = /^job a{54}: the name of an attack with controls is too long: a{54}$/
  t.throws(() => expand(attack(54)), { code: 'JOB_INVALID', message, expected: /at most 53 characters/, received: '54' })
})

t.test('what is wrong is told with its place', async (t) => {
  const refused = (t: Test, jobs: string, message: RegExp, more: { received?: string; code?: ErrorCode } = {}) => {
    const error = t.throws(() => expand(`${head}jobs:\n${jobs}`)) as unknown as LetheError
    t.equal(error.code, more.code ?? 'JOB_INVALID')
    t.match(error.message, message)
    if (more.received) t.match(error.received, more.received)
  }
  const un = 'file: jobs/unlearn.yaml'
  refused(t, `  - { id: a, ${un} }\n  - { id: a, ${un} }\n`, /`jobs\.1\.id` \(table\.yaml:5\)/)
  refused(t, `  - { id: a, ${un}, set: [model.checkpoint=@b] }\n`, /`jobs\.0\.set\.0` \(table\.yaml:4\)/, { received: '@b' })
  refused(t, `  - { id: a, for: { seed: [1] }, ${un} }\n`, /`jobs\.0\.id` \(table\.yaml:4\)/)
  refused(t, `  - { id: a, ${un}, set: ['seed={seed}'] }\n`, /`jobs\.0\.set\.0`/, { received: '{seed}' })
  refused(t, `  - { id: 'A', ${un} }\n`, /`jobs\.0\.id`/)
  refused(t, `  - { id: a, ${un}, budgets: { quick: [] } }\n`, /`jobs\.0\.budgets\.quick`/)
  const circle = `  - { id: a, ${un}, set: [model.checkpoint=@b] }\n  - { id: b, ${un}, set: [model.checkpoint=@a] }\n`
  refused(t, circle, /`jobs\.0` \(table\.yaml:4\)/, { received: 'a needs b needs a' })
  refused(t, `  - { id: m, file: jobs/measure.yaml }\n  - { id: a, ${un}, set: [model.checkpoint=@m] }\n`, /`jobs\.1`/, {
    received: 'only evaluates',
  })
  refused(t, `  - { id: a, ${un}, row: { m: x } }\n  - { id: b, ${un}, row: { m: x } }\n`, /`jobs\.1\.row` \(table\.yaml:5\)/)
  refused(t, `  - { id: a, ${un}, set: [training.stepz=1] }\n`, /^job a: unknown key `training\.stepz`/, { code: 'JOB_UNKNOWN_KEY' })
  refused(t, `  - { id: a, fille: x }\n`, /`jobs\.0\.fille` \(table\.yaml:4\)/, { code: 'JOB_UNKNOWN_KEY' })
  t.throws(() => parseExperiment('x: [', 'e.yaml'), { code: 'JOB_NOT_YAML', message: /^e\.yaml:1/ })
  t.throws(() => parseExperiment(' '.repeat(2 ** 20 + 1)), { code: 'JOB_INVALID', message: /too large/ })
})

t.test('a path with odd characters is quoted where YAML needs it', async (t) => {
  const { experiment, locate } = parseExperiment(
    `${head}jobs:\n  - { id: a, file: jobs/train.yaml }\n  - { id: b, file: jobs/unlearn.yaml, set: [model.checkpoint=@a] }\n`,
  )
  const out = '/lab/runs/a, [b]: #c'
  const read = (path: string) => JSON.stringify(files[path])
  const { jobs } = expandExperiment(experiment, { file: '/lab/table.yaml', out, locate, read })
  t.match(jobs[1], { dependsOn: ['a'], job: { model: { checkpoint: join(out, 'a/checkpoint') } } })
})
