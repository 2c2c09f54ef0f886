import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { frechetDistance } from '../../coordinator/measures/frechet.ts'
import { sha256 } from '../../protocol/digest.ts'
import { jobYaml, parseJob } from '../../protocol/jobfile.ts'
import { decodePng } from '../../protocol/picture.ts'
import { normals } from '../../protocol/random.ts'
import { encodeSafetensors } from '../../worker/checkpoint/safetensors.ts'
import { linearNetwork, meanNetwork } from '../support/onnx-network.ts'
import { checkpointFiles, keptPictures, tinyConfig, writePictures } from '../support/tiny-job.ts'
import { lethe } from './command.ts'

/* Extractors through the command: the numbers are those of the pictures, whoever computed them; what does not fit ends in one line. */

t.setTimeout(200_000)

const side = 8
const features = 4
const weights = normals({ seed: 2, purpose: 'noise', step: 0, sample: 0 }, new Float32Array(side * side * features))

async function jobFolder(t: Test): Promise<string> {
  const cwd = t.testdir({ model: {}, nets: {} })
  for (const { path, bytes } of checkpointFiles({ ...tinyConfig, num_class_embeds: 7 })) writeFileSync(join(cwd, 'model', path), bytes)
  const { sources } = await writePictures(cwd)
  const file = (name: string, bytes: Uint8Array) => writeFileSync(join(cwd, 'nets', name), bytes)
  file('linear.onnx', linearNetwork(['N', 1, side, side], weights, features))
  file('mean.onnx', meanNetwork(['N', 3, 'H', 'W']))
  const embeddings = { name: 'embeddings', dtype: 'F32' as const, shape: [7, 3], data: new Float32Array(21).fill(1) }
  file('captions.safetensors', encodeSafetensors([embeddings]))
  const job = {
    kind: 'evaluate',
    name: 'seen',
    seed: 5,
    model: { checkpoint: 'model' },
    data: { sources, forget: { labels: [5] } },
    evaluate: {
      reconstruction: { timestep: 300, noises: 3, steps: 2 },
      samples: { classes: [1, 2], count: 3, sampler: { name: 'ddim', steps: 3 } },
      references: { samples: keptPictures },
      extractors: [
        { score: 'fid', file: 'nets/linear.onnx' },
        { score: 'sscd', file: 'nets/linear.onnx', name: 'linear' },
        { score: 'clip', file: 'nets/mean.onnx', captions: 'nets/captions.safetensors', size: [5, 9], mean: [-1] },
      ],
      unitSize: 2,
    },
  }
  writeFileSync(join(cwd, 'job.yaml'), jobYaml(parseJob(JSON.stringify(job))))
  return cwd
}

function linear(pixels: Uint8Array): Float64Array {
  const out = new Float64Array(features)
  pixels.forEach((pixel, i) => {
    for (let f = 0; f < features; f++) out[f] += (pixel / 255) * weights[i * features + f]
  })
  return out
}

const keptPixels = (cwd: string, picture: number) => decodePng(readFileSync(join(cwd, `${picture}.png`))).pixels

const matrix = (rows: Float64Array[]) => ({ rows: rows.length, width: features, values: rows.flatMap((row) => [...row]) })

t.test('the numbers of the pictures, the same for one worker and two', async (t) => {
  const cwd = await jobFolder(t)
  const reports = []
  for (const workers of ['1', '2']) {
    const run = await lethe(['run', 'job.yaml', '--workers', workers, '--out', workers, '--json'], { cwd })
    t.equal(run.status, 0, run.stderr)
    reports.push(JSON.parse(run.stdout))
  }
  const [{ extractors }, other] = reports
  t.strictSame(other.extractors, extractors, 'every bit')
  const [fid, sscd, clip] = extractors.after
  t.match(fid.space, { name: 'linear', sha256: sha256(readFileSync(join(cwd, 'nets/linear.onnx'))), features, channels: 1, size: [8, 8] })
  t.match(sscd, { reconstructions: { samples: 3 }, timestep: 300, seed: 5 })
  t.match(clip, { space: { size: [5, 9], channels: 3 }, forgotten: null, kept: { samples: 6 } })
  // Three equal channels, and a caption of ones: whatever is not black.
  t.ok(Math.abs(clip.kept.mean - 100) < 1e-4)

  const images = readFileSync(join(cwd, '1/generated/images-idx3-ubyte')).subarray(16)
  const drawn = Array.from({ length: 6 }, (_, i) => linear(images.subarray(i * side * side, (i + 1) * side * side)))
  const real = Array.from({ length: keptPictures }, (_, i) => linear(keptPixels(cwd, i)))
  const expected = (await frechetDistance(matrix(drawn), matrix(real))) as number
  t.ok(Math.abs(fid.value / expected - 1) < 1e-4, `${fid.value} of ${expected}`)

  writeFileSync(join(cwd, 'nets/linear.onnx'), linearNetwork(['N', 1, side, side], weights.toReversed(), features))
  const changed = await lethe(['run', 'job.yaml', '--workers', '1', '--out', '1'], { cwd })
  t.equal(changed.status, 70, 'another network is another job')
})

t.test('what does not fit ends in one line, with nothing measured', async (t) => {
  const cwd = await jobFolder(t)
  writeFileSync(join(cwd, 'nets/text.onnx'), 'Inception')
  writeFileSync(join(cwd, 'nets/batch.onnx'), meanNetwork([4, 1, 8, 8]))
  const refusals: [string, number, RegExp][] = [
    ['evaluate.extractors.0.file=nets/none.onnx', 35, /EXTRACTOR_MISSING: cannot read .*none\.onnx; got ENOENT/],
    ['evaluate.extractors.0.file=nets/text.onnx', 36, /EXTRACTOR_FORMAT: the extractor text \(.+\.0\) is not an ONNX file/],
    ['evaluate.extractors.1.file=nets/batch.onnx', 37, /EXTRACTOR_SHAPE: the extractor linear \(.+\.1\) takes a fixed number/],
  ]
  for (const [set, status, line] of refusals) {
    const run = await lethe(['run', 'job.yaml', '--workers', '1', '--out', 'out', '--set', set], { cwd })
    t.equal(run.status, status, `${set}: ${run.stderr}`)
    const errors = run.stderr.split('\n').filter((one) => one.startsWith('error'))
    t.equal(errors.length, 1, 'one line')
    t.match(errors[0], line)
  }
})
