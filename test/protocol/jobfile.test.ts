import fc from 'fast-check'
import t from 'tap'
import { errorTable, LetheError } from '../../protocol/errors.ts'
import type { UnlearnJob } from '../../protocol/job.ts'
import { jobYaml, parseJob, resolvePaths } from '../../protocol/jobfile.ts'
import { unlearningMethods } from '../../protocol/methods/index.ts'

const unlearn = `kind: unlearn
name: forget-one
model:
  checkpoint: models/one
data:
  sources:
    - type: mnist
    - type: image
      path: tshirt.png
      copies: 101
  forget:
    file: tshirt.png
method:
  name: siss
  lambda: 0.5
training:
  steps: 60
  batchSize: 32
  microBatchSize: 8
evaluate:
  reconstruction:
    timestep: 500
`

function failure(text: string, overrides: string[] = []): LetheError {
  try {
    parseJob(text, { file: 'some/job.yaml', overrides })
  } catch (error) {
    if (error instanceof LetheError) return error
    throw error
  }
  throw new Error('the job was accepted')
}

t.test('a job is resolved, frozen and read back from its own YAML', async (t) => {
  const job = parseJob(unlearn)
  t.equal(job.kind, 'unlearn')
  t.match(job, {
    seed: 0,
    method: { name: 'siss', scalingNorm: 5, timesteps: [0, 999] },
    training: { clipNorm: 1, optimizer: { name: 'adamw' }, wire: 'f32' },
  })
  t.throws(() => Object.assign((job as UnlearnJob).training, { steps: 1 }), TypeError)
  t.throws(() => job.data.sources.push({ type: 'mnist' }), TypeError)
  t.same(parseJob(jobYaml(job)), job)
})

t.test('an override that stands for more than fits into memory is malformed', async (t) => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const lists = names.map(
    (name, i) =>
      `&${name} [${Array(10)
        .fill(i === 0 ? 'x' : `*${names[i - 1]}`)
        .join(',')}]`,
  )
  t.match(failure(unlearn, [`data.sources=[${lists.join(', ')}]`]), { code: 'USAGE', message: '--set is not valid' })
  t.match(failure(unlearn, [`data.sources=${'['.repeat(5000)}`]), { code: 'USAGE', message: '--set is not valid' })
})

t.test('overrides', async (t) => {
  const job = parseJob(unlearn, { overrides: ['training.steps=30', 'data.sources.1.copies=5', 'method.timesteps=[0,500]', 'name=other'] })
  t.match(job, { name: 'other', training: { steps: 30 }, data: { sources: [{}, { copies: 5 }] }, method: { timesteps: [0, 500] } })
  t.equal(parseJob(unlearn, { overrides: ['evaluate.hits.samples=10'] }).evaluate.hits?.samples, 10, 'mappings on the way are made')
  t.equal(parseJob(unlearn, { overrides: ['seed=1', 'seed=2'] }).seed, 2, 'the last one wins')
  t.equal((parseJob(unlearn) as UnlearnJob).training.steps, 60, 'the text is not touched')
  t.match(parseJob(unlearn, { overrides: ['training.wire=bf16'] }), { training: { wire: 'bf16' } })
  t.equal(failure(unlearn, ['training.wire=f16']).code, 'JOB_INVALID')
  for (const text of ['training.steps', '=3', 'a..b=1', 'a=[', 'data.sources.7.copies=1', 'data.sources.x=1']) {
    t.match(failure(unlearn, [text]), { code: 'USAGE', exitCode: 2 }, text)
  }
  const wrong = failure(unlearn, ['training.steps=many'])
  t.match(wrong, { code: 'JOB_INVALID', expected: 'a number', received: '"many"' })
  t.match(wrong.message, '--set training.steps')
  t.match(failure(unlearn, ['__proto__.x=1']), { code: 'JOB_UNKNOWN_KEY' })
  t.equal(({} as Record<string, unknown>).x, undefined)
})

t.test('unknown keys name the line and the nearest key of that very object', async (t) => {
  const cases: [find: string, replace: string, path: string, line: number, hint: string][] = [
    ['lambda:', 'lamda:', 'method.lamda', 15, 'lambda'],
    ['batchSize:', 'batch_size:', 'training.batch_size', 18, 'batchSize'],
    ['copies:', 'copis:', 'data.sources.1.copis', 10, 'copies'],
    ['timestep:', 'timesteps:', 'evaluate.reconstruction.timesteps', 22, 'timestep'],
    ['model:', 'modle:', 'modle', 3, 'model'],
  ]
  for (const [find, replace, path, line, hint] of cases) {
    const error = failure(unlearn.replace(find, replace))
    t.match(error, { code: 'JOB_UNKNOWN_KEY', exitCode: 12, hint: `Did you mean \`${hint}\`?` }, path)
    t.match(error.message, `unknown key \`${path}\` (job.yaml:${line})`)
  }
  const variant = failure(unlearn.replace('name: siss', 'name: naive'))
  t.match(variant, { code: 'JOB_UNKNOWN_KEY', expected: 'one of name, timesteps' }, 'an option of another method')
  t.match(failure(`${unlearn}xyzzy: 1\n`).hint, 'docs/jobs.md', 'nothing is near')
})

t.test('values', async (t) => {
  const lambda = failure(unlearn.replace('lambda: 0.5', 'lambda: 2'))
  t.match(lambda, { code: 'JOB_INVALID', exitCode: 13, expected: 'a number at most 1', received: '2' })
  t.match(lambda.format(), /^JOB_INVALID: `method\.lambda` \(job\.yaml:15\) is not allowed; expected a number at most 1; got 2\. /)
  t.match(failure(unlearn, ['method={name: sis}']), {
    expected: Object.keys(unlearningMethods)
      .join(', ')
      .replace(/, ([^,]*)$/, ' or $1'),
    received: '"sis"',
    hint: 'Did you mean `siss`?',
  })
  t.match(failure(unlearn, ['kind=forget']), { code: 'JOB_INVALID', expected: 'train, unlearn, attack or evaluate' })
  t.match(failure(unlearn, ['diffusion.betaSchedule=liner']), { hint: 'Did you mean `linear`?' })
  t.match(failure(unlearn, ['training.steps=.nan']), { code: 'JOB_INVALID', received: 'NaN' })
  t.match(failure(unlearn, ['training.batchSize=1.5']), { expected: 'a whole number', received: '1.5' })
  t.match(failure(unlearn, ['data.sources=[]']), { expected: 'a list of at least 1', received: 'a list of 0' })
  const many = `data.forget.indices=[${Array(50_001).fill(1).join()}]`
  t.match(failure(unlearn, [many]), { code: 'JOB_INVALID', expected: 'a list of at most 50000', received: 'a list of 50001' })
  t.match(failure(unlearn, ['evaluate.unitSize=1025']), { code: 'JOB_INVALID', expected: 'a number at most 1024' })
  t.match(failure(unlearn, ['data.forget={}']), { expected: 'give indices, labels or file' })
  t.match(failure(unlearn, ['method.timesteps=[5, 2]']), { code: 'JOB_INVALID' })
  const missing = failure(unlearn.replace('  steps: 60\n', ''))
  t.match(missing, { code: 'JOB_INVALID', expected: 'a number', received: 'nothing' })
  t.match(missing.message, '`training.steps` (job.yaml:16) is missing')
  t.match(failure(unlearn.replace('  steps: 60\n', '').replace('lambda: 0.5', 'lambda: 2')).message, '(and 1 more problem)')
})

t.test('what must fit together', async (t) => {
  const batch = failure(unlearn, ['training.batchSize=30'])
  t.match(batch, { code: 'JOB_BATCH_NOT_MULTIPLE', exitCode: 14, expected: 'a multiple of 8', received: '30' })
  const inner = ['method={name: erasediff, innerSteps: 2}', 'training.wire=bf16']
  t.match(failure(unlearn, inner), { code: 'JOB_INVALID', expected: /f32, because erasediff/ })
  t.ok(parseJob(unlearn, { overrides: ['method={name: erasediff}', 'training.wire=bf16'] }))
  t.match(failure(unlearn, ['diffusion.timesteps=500']), { code: 'JOB_INVALID', received: '999' })
  t.match(failure(unlearn, ['diffusion.timesteps=500', 'method.timesteps=[0,499]']).message, 'evaluate.reconstruction.timestep')
  t.match(failure(unlearn, ['diffusion.betaEnd=1.5']).message, 'diffusion.betaEnd')
  const evaluate = unlearn.replace('kind: unlearn', 'kind: evaluate').replace(/method:[\s\S]*evaluate:/, 'evaluate:')
  t.equal(parseJob(evaluate).kind, 'evaluate')
  t.match(failure(evaluate, ['training.steps=3']).message, 'unknown key `training` (--set training.steps)')
  t.match(failure(evaluate.replace(/ {2}forget:\n.*\n/, '')), {
    code: 'JOB_INVALID',
    received: 'nothing',
    hint: /evaluate\.reconstruction/,
  })
  t.match(failure(unlearn.replace(/ {2}forget:\n.*\n/, '')).message, '`data.forget` (job.yaml:5) is missing')
})

t.test('texts that are no job', async (t) => {
  t.match(failure('a: [1, 2'), { code: 'JOB_NOT_YAML', exitCode: 11, message: /^job\.yaml:1: / })
  t.match(failure('kind: unlearn\nkind: train\n').message, 'job.yaml:2: ', 'a key that is given twice')
  t.match(failure('a: !secret x').code, 'JOB_NOT_YAML', 'tags')
  t.match(failure('a: 1\n---\nb: 2\n').code, 'JOB_NOT_YAML', 'two documents')
  const bomb = [
    'a: &a [x, x, x, x, x, x, x, x, x]',
    ...'bcdefgh'.split('').map((key, k) => `${key}: &${key} [${Array(9).fill(`*${'abcdefgh'[k]}`)}]`),
  ]
  t.match(failure(bomb.join('\n')).code, 'JOB_NOT_YAML', 'an alias bomb')
  t.match(failure('x'.repeat(2 ** 20 + 1)).message, 'too large')
  for (const text of ['', 'just text', '[1, 2]', '3', 'null'])
    t.match(failure(text), { code: 'JOB_INVALID', expected: 'a mapping' }, JSON.stringify(text))
})

t.test('any text and any override give a job or an error with a code', async (t) => {
  const lines = unlearn.split('\n')
  const mutation = fc.tuple(
    fc.nat(lines.length - 1),
    fc.oneof(fc.string(), fc.constantFrom(...lines), fc.constantFrom('- &a *a', '? {', '  x: *y')),
  )
  const attempt = (text: string, overrides: string[]) => {
    try {
      parseJob(text, { overrides })
    } catch (error) {
      if (!(error instanceof LetheError) || !Object.hasOwn(errorTable, error.code) || error.code === 'INTERNAL') throw error
    }
  }
  fc.assert(
    fc.property(mutation, fc.array(fc.string(), { maxLength: 1 }), ([at, line], overrides) => {
      attempt(lines.with(at, line).join('\n'), overrides)
    }),
    { numRuns: 500 },
  )
  t.pass('500 texts')
})

t.test('paths are resolved against the folder of the job file', async (t) => {
  const job = resolvePaths(parseJob(unlearn), '/jobs/here')
  t.same(job.model, { checkpoint: '/jobs/here/models/one' })
  t.match(job.data, { sources: [{ type: 'mnist' }, { path: '/jobs/here/tshirt.png' }], forget: { file: '/jobs/here/tshirt.png' } })
  t.same(resolvePaths(job, '/elsewhere'), job, 'absolute paths stay')
  t.throws(() => Object.assign(job.data, { sources: [] }), TypeError, 'frozen')
})

t.test('an attack, and what is measured of it', async (t) => {
  const attack = [
    'kind: attack',
    'name: attack',
    'model: { checkpoint: unlearned }',
    'data: { sources: [{ type: mnist }], forget: { labels: [3] } }',
    'attack: { measureAt: [0, 5], stopAt: 0.9, sources: [{ type: idx, images: i, labels: l }], controls: { original: o, retrained: r } }',
    'training: { steps: 10, batchSize: 4, microBatchSize: 2 }',
    'evaluate: { classifier: judge, samples: { classes: [3], count: 4 }, references: {}, membership: {}, likelihood: {}, distance: true }',
  ].join('\n')
  const job = parseJob(attack)
  t.match(job, { kind: 'attack', method: { name: 'dimra' }, evaluate: { likelihood: { images: 1, label: 'continuous' } } })
  const resolved = JSON.stringify(resolvePaths(job, '/lab'))
  for (const path of ['unlearned', 'i', 'l', 'o', 'r', 'judge']) t.ok(resolved.includes(`"/lab/${path}"`), path)
  const refused: [string[], string][] = [
    [['attack.measureAt=[0, 11]'], 'attack.measureAt'],
    [['data.forget={ indices: [1] }'], 'attack.stopAt'],
    [['diffusion.timesteps=500', 'method.timesteps=[0,499]'], 'evaluate.membership.timesteps'],
    [['diffusion.betaSchedule=squaredcos_cap_v2'], 'diffusion.betaSchedule'],
    [['evaluate.samples.classes=[1, 4]'], 'evaluate.samples.classes'],
    [['evaluate.samples.classes=[1, 4]', 'attack={ measureAt: [0] }'], 'evaluate.samples.classes'],
    [['evaluate={ samples: {} }', 'attack={}'], 'evaluate.classifier'],
    [['evaluate={ classifier: judge, references: {} }', 'attack={}'], 'evaluate.samples'],
  ]
  for (const [overrides, key] of refused) t.match(failure(attack, overrides), { code: 'JOB_INVALID', message: new RegExp(key) }, key)
})
