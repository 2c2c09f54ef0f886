import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readRunFiles } from '../../../coordinator/storage/parent.ts'
import { sha256 } from '../../../protocol/digest.ts'
import { jobSchema } from '../../../protocol/job.ts'
import { checkpointFiles } from '../../support/tiny-job.ts'

const folder = t.testdir({ model: {}, judge: {}, folder: {} })
for (const name of ['model', 'judge']) for (const { path, bytes } of checkpointFiles()) writeFileSync(join(folder, name, path), bytes)
writeFileSync(join(folder, 'net.onnx'), 'a network')
writeFileSync(join(folder, 'captions'), 'captions')

function read(extractors: object[], model = 'model') {
  const job = jobSchema.parse({
    kind: 'evaluate',
    name: 'files',
    model: { checkpoint: join(folder, model) },
    data: { sources: [{ type: 'mnist' }] },
    evaluate: { classifier: join(folder, 'judge'), extractors },
  })
  return readRunFiles(job)
}
const fid = (file: string) => ({ score: 'fid', file: join(folder, file) })
const clip = (captions: string) => ({ score: 'clip', file: join(folder, 'net.onnx'), captions: join(folder, captions) })

t.test('all that workers get, by name and hash', async (t) => {
  const { parent, instruments } = await read([fid('net.onnx'), clip('captions')])
  t.same(
    parent.map(({ path }) => path),
    ['config.json', 'diffusion_pytorch_model.safetensors'],
  )
  t.same(
    instruments.map(({ path }) => path),
    [
      'classifier/config.json',
      'classifier/diffusion_pytorch_model.safetensors',
      'extractors/0/model.onnx',
      'extractors/1/model.onnx',
      'extractors/1/captions.safetensors',
    ],
  )
  for (const { bytes, sha256: digest } of [...parent, ...instruments]) t.equal(digest, sha256(bytes))
  t.same(Buffer.from(instruments[4].bytes).toString(), 'captions')
})

t.test('what cannot be read, is no file, or is too large', async (t) => {
  const sparse = (name: string, bytes: number) => {
    writeFileSync(join(folder, name), '')
    truncateSync(join(folder, name), bytes)
    return name
  }
  mkdirSync(join(folder, 'folder.onnx'))
  await t.rejects(read([fid('none.onnx')]), { code: 'EXTRACTOR_MISSING', message: /none\.onnx/, received: 'ENOENT' })
  await t.rejects(read([clip('none')]), { code: 'EXTRACTOR_MISSING', message: /none/ })
  await t.rejects(read([fid('folder.onnx')]), { code: 'EXTRACTOR_FORMAT', message: /folder\.onnx is not a file/ })
  const huge = fid(sparse('huge.onnx', 2 ** 31))
  await t.rejects(read([huge]), { code: 'EXTRACTOR_FORMAT', expected: 'at most 2147483647 bytes', received: '2147483648' })
  await t.rejects(read([clip(sparse('long', 2 ** 25 + 1))]), { code: 'EXTRACTOR_FORMAT', message: /long is too large/ })
  await t.rejects(read([fid('net.onnx')], 'none'), { code: 'CHECKPOINT_MISSING' })
})
