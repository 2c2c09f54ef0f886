import t from 'tap'
import { evaluationUnits, readingsOf } from '../../protocol/evaluation.ts'
import { extractorName } from '../../protocol/extractors.ts'
import { jobYaml, parseJob, resolvePaths } from '../../protocol/jobfile.ts'

const text = [
  'kind: unlearn',
  'name: measured',
  'model: { checkpoint: model }',
  'data: { sources: [{ type: mnist }], forget: { labels: [3] } }',
  'method: { name: neggrad }',
  'training: { steps: 2, batchSize: 4, microBatchSize: 2 }',
  'evaluate:',
  '  reconstruction: { timestep: 250 }',
  '  samples: { classes: [3, 4], count: 4 }',
  '  references: { samples: 8 }',
  '  extractors:',
  '    - { score: fid, file: nets/inception.onnx, size: [299, 299], mean: [0.5], std: [0.5], output: pool }',
  '    - { score: sscd, file: sscd.ONNX }',
  '    - { score: clip, file: clip.onnx, name: ViT-B/32, captions: captions.safetensors }',
].join('\n')

t.test('what a job says of extractors', async (t) => {
  const job = parseJob(text)
  const { extractors = [] } = job.evaluate
  t.match(extractors, [{ size: [299, 299], output: 'pool' }, { mean: [0], std: [1] }, { captions: 'captions.safetensors' }])
  t.same(extractors.map(extractorName), ['inception', 'sscd', 'ViT-B/32'])
  t.same(parseJob(jobYaml(job)), job, 'and back')
  const paths = JSON.stringify(resolvePaths(job, '/lab'))
  for (const path of ['nets/inception.onnx', 'sscd.ONNX', 'clip.onnx', 'captions.safetensors']) t.ok(paths.includes(`"/lab/${path}"`), path)
})

t.test('which images each score looks at', async (t) => {
  const { evaluate } = parseJob(text)
  const measured = [...new Set(evaluationUnits(parseJob(text)).map(({ metric }) => metric))]
  const of = (one: typeof evaluate) => Object.fromEntries(measured.map((metric) => [metric, readingsOf(one, metric)]))
  t.same(of(evaluate), { reconstruction: [1], samples: [0, 2], references: [0] })
  t.same(of({ ...evaluate, classifier: 'judge' }), {
    reconstruction: [1],
    samples: ['probabilities', 'features', 0, 2],
    references: ['probabilities', 'features', 0],
  })
  const { extractors: _, ...without } = evaluate
  t.same(of(without), { reconstruction: [], samples: [], references: [] })
})

t.test('a job without extractors is the job that it was', async (t) => {
  t.notOk('extractors' in parseJob(text, { overrides: ['evaluate={ distance: true }'] }).evaluate)
})

t.test('refused: a score without what it is of, and values that nothing can be', async (t) => {
  const one = (fields: string) => [`evaluate.extractors=[{ file: a.onnx, ${fields} }]`]
  const refusals: [string[], RegExp, RegExp?][] = [
    [['evaluate={ references: {}, extractors: [{ score: fid, file: a.onnx }] }'], /evaluate\.samples`/],
    [['evaluate={ classifier: judge, samples: {}, extractors: [{ score: fid, file: a.onnx }] }'], /evaluate\.references`/, /kept images/],
    [['evaluate={ extractors: [{ score: sscd, file: a.onnx }] }'], /evaluate\.reconstruction`/, /score sscd/],
    [
      ['evaluate={ classifier: judge, samples: {}, extractors: [{ score: clip, file: a.onnx, captions: c }] }'],
      /evaluate\.samples\.classes`/,
    ],
    [['evaluate={ samples: {}, reconstruction: {}, extractors: [{ score: sscd, file: a.onnx }] }'], /evaluate\.classifier`/],
    [
      ['evaluate={ samples: { classes: [1] }, references: {}, extractors: [{ score: clip, file: a.onnx, captions: c }] }'],
      /evaluate\.classifier`/,
      /score fid/,
    ],
    [['evaluate.classifier=judge', ...one('score: clip')], /extractors\.0\.captions`/, /embeddings/],
    [one('score: fid, captions: c'), /extractors\.0\.captions`/, /only the score clip/],
    [one('score: fid, size: [0, 8]'), /extractors\.0\.size\.0`/],
    [one('score: fid, size: [8]'), /extractors\.0\.size/],
    [one('score: fid, std: [0]'), /extractors\.0\.std\.0`/],
    [one('score: fid, mean: []'), /extractors\.0\.mean`/],
    [one('score: fid, name: "a\\nb"'), /extractors\.0\.name`/],
    [one('score: lpips'), /extractors\.0\.score`/],
    [['evaluate.extractors=[]'], /evaluate\.extractors`/],
    [[`evaluate.extractors=[${Array(9).fill('{ score: fid, file: a.onnx }').join()}]`], /evaluate\.extractors`/],
    [['evaluate.extractors=[{ score: fid, file: a.onnx }, { score: fid, file: b/a.onnx }]'], /extractors\.1\.name`/, /no other extractor/],
  ]
  for (const [overrides, message, expected] of refusals)
    t.throws(() => parseJob(text, { overrides }), { code: 'JOB_INVALID', message, ...(expected && { expected }) }, overrides.join())
  t.throws(() => parseJob(text, { overrides: one('score: fid, resize: 8') }), { code: 'JOB_UNKNOWN_KEY' })
})

t.test('an attack that stops at a share needs a classifier', async (t) => {
  const attack = text
    .replace('kind: unlearn', 'kind: attack')
    .replace('method: { name: neggrad }', 'attack: { measureAt: [0], stopAt: 0.5 }')
  t.throws(() => parseJob(attack), { code: 'JOB_INVALID', message: /evaluate\.classifier/, expected: /stopAt/ })
  t.equal(parseJob(attack, { overrides: ['evaluate.classifier=judge'] }).kind, 'attack')
})
