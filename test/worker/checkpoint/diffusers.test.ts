import { readFileSync } from 'node:fs'
import t from 'tap'
import { configFile } from '../../../protocol/checkpoint.ts'
import { readModelConfig, readModelFiles, writeModelFiles } from '../../../worker/checkpoint/diffusers.ts'
import { encodeSafetensors } from '../../../worker/checkpoint/safetensors.ts'
import { Model } from '../../../worker/model.ts'
import { configFiles, tinyClassifier } from '../../support/tiny-job.ts'

const weightsFile = 'diffusion_pytorch_model.safetensors'
const golden = (folder: string) =>
  [configFile, weightsFile].map((path) => ({
    path,
    bytes: new Uint8Array(readFileSync(new URL(`../../golden/${folder}/${path}`, import.meta.url))),
  }))

t.test('a diffusers folder comes back to the same bytes', (t) => {
  for (const folder of ['unet2d', 'unet2d-class']) {
    const files = golden(folder)
    const model = readModelFiles(files)
    t.match(model.config, { _class_name: 'UNet2DModel' })
    const written = writeModelFiles({ ...model, tensors: model.tensors.values() })
    t.same(
      written.map(({ path }) => path),
      files.map(({ path }) => path),
    )
    for (const [i, { path, bytes }] of written.entries()) t.equal(Buffer.compare(bytes, files[i].bytes), 0, `${folder}/${path}`)
  }
  t.end()
})

t.test('a classifier is kept under another name, and comes back to the same bytes', (t) => {
  const { model, parameters } = Model.initialise(configFiles(tinyClassifier), 5)
  const files = model.files(parameters)
  t.same(
    files.map(({ path }) => path),
    [configFile, 'model.safetensors'],
  )
  const again = Model.load(files)
  t.same(again.parameters, parameters)
  t.same(again.model.files(again.parameters), files)
  const [config, { bytes }] = files
  t.throws(() => Model.load([config, { path: weightsFile, bytes }]), { code: 'CHECKPOINT_MISSING', message: /model\.safetensors/ })
  const other = configFiles({ ...tinyClassifier, feature_dim: 4 })
  t.throws(() => Model.load([...other, files[1]]), { code: 'CHECKPOINT_TENSORS', message: /features\.weight/ })
  t.end()
})

t.test('a tensor that is not finite is named', (t) => {
  const [config] = golden('unet2d')
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const bytes = encodeSafetensors([
      { name: 'fine', dtype: 'F32', shape: [1], data: Float32Array.of(1) },
      { name: 'broken', dtype: 'F32', shape: [2], data: Float32Array.of(1, value) },
    ])
    t.throws(() => readModelFiles([config, { path: weightsFile, bytes }]), { code: 'CHECKPOINT_NOT_FINITE', message: /"broken"/ })
  }
  t.end()
})

t.test('missing and damaged files', (t) => {
  const [config, weights] = golden('unet2d')
  t.throws(() => readModelFiles([config]), { code: 'CHECKPOINT_MISSING', message: new RegExp(weightsFile) })
  t.throws(() => readModelConfig([]), { code: 'CHECKPOINT_MISSING' })
  t.throws(() => readModelConfig([{ path: configFile, bytes: Buffer.from('{') }]), { code: 'CHECKPOINT_CONFIG' })
  t.throws(() => readModelConfig([{ path: configFile, bytes: new Uint8Array(2 << 20) }]), { code: 'CHECKPOINT_CONFIG' })
  t.throws(() => readModelFiles([config, { ...weights, bytes: weights.bytes.subarray(0, -1) }]), { code: 'CHECKPOINT_FORMAT' })
  t.same(readModelConfig([config]).configBytes, config.bytes)
  t.end()
})
