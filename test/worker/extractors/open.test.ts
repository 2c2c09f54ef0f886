import t from 'tap'
import { captionsFile, extractorFile } from '../../../protocol/extractors.ts'
import { type Job, jobSchema } from '../../../protocol/job.ts'
import { encodeSafetensors, type NamedTensor } from '../../../worker/checkpoint/safetensors.ts'
import { openExtractors } from '../../../worker/extractors/open.ts'
import { linearNetwork } from '../../support/onnx-network.ts'

const picture = { height: 2, width: 2, channels: 1 }
const network = linearNetwork(['N', 1, 2, 2], [1, 0, 0, 1, 1, 0, 0, 1], 2)

function jobOf(): Job {
  return jobSchema.parse({
    kind: 'evaluate',
    name: 'captions',
    model: { checkpoint: 'model' },
    data: { sources: [{ type: 'mnist' }] },
    evaluate: {
      samples: { classes: [0, 2], count: 1 },
      references: {},
      extractors: [
        { score: 'clip', file: 'clip.onnx', captions: 'captions.safetensors' },
        { score: 'fid', file: 'inception.onnx' },
      ],
    },
  })
}

const open = (captions: Uint8Array) =>
  openExtractors(
    jobOf(),
    [
      { path: extractorFile(0), bytes: network },
      { path: captionsFile(0), bytes: captions },
      { path: extractorFile(1), bytes: network },
    ],
    picture,
  )
const embeddings = (shape: number[], data: ArrayLike<number>, name = 'embeddings'): Uint8Array =>
  encodeSafetensors([{ name, dtype: 'F32', shape, data: Float32Array.from(data) }])

t.test('each with its score and its captions', async (t) => {
  const opened = await open(embeddings([3, 2], [1, 2, 3, 4, 5, 6]))
  t.teardown(() => opened.forEach(({ extractor }) => extractor.dispose()))
  t.same(
    opened.map(({ score, captions }) => [score, captions.map((row) => [...row])]),
    [
      [
        'clip',
        [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
      ],
      ['fid', []],
    ],
  )
  t.same(await openExtractors(jobOf(), [], picture), [], 'a run that brought no files measures nothing through them')
})

t.test('captions that do not fit', async (t) => {
  const label = 'the extractor clip (evaluate.extractors.0)'
  const whole: NamedTensor = { name: 'embeddings', dtype: 'I64', shape: [3, 2], data: BigInt64Array.of(1n, 2n, 3n, 4n, 5n, 6n) }
  const refusals: [string, Uint8Array, { code: string; message?: RegExp; expected?: string | RegExp; received?: string }][] = [
    [
      'no safetensors',
      Buffer.from('embeddings'),
      { code: 'EXTRACTOR_FORMAT', message: new RegExp(`captions of ${label.replace(/[()]/g, '\\$&')} are no safetensors`) },
    ],
    ['another name', embeddings([3, 2], [1, 2, 3, 4, 5, 6], 'text'), { code: 'EXTRACTOR_FORMAT', expected: '`embeddings` [classes, 2]' }],
    [
      'another width',
      embeddings([2, 3], [1, 2, 3, 4, 5, 6]),
      { code: 'EXTRACTOR_SHAPE', expected: '[classes, 2]', received: 'F32 [2, 3]' },
    ],
    ['too few classes', embeddings([2, 2], [1, 2, 3, 4]), { code: 'EXTRACTOR_SHAPE', expected: /at least 3/ }],
    ['one axis', embeddings([6], [1, 2, 3, 4, 5, 6]), { code: 'EXTRACTOR_SHAPE', received: 'F32 [6]' }],
    ['whole numbers', encodeSafetensors([whole]), { code: 'EXTRACTOR_SHAPE', received: 'I64 [3, 2]' }],
    ['not finite', embeddings([3, 2], [1, 2, 3, Number.NaN, 5, 6]), { code: 'EXTRACTOR_FORMAT', message: /NaN/ }],
  ]
  for (const [name, bytes, error] of refusals) await t.rejects(open(bytes), error, name)
})
