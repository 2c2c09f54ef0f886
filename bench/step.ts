import { parseArgs } from 'node:util'
import { openEngine } from '../worker/engine/open.ts'
import { Model } from '../worker/model.ts'
import { GradientProgram } from '../worker/step.ts'

/*
 * The time of one step's gradient work on one worker: ε-loss and the gradients of all parameters of a UNet2DModel of 1 539 329
 * parameters on 28×28 pictures. Speed and memory depend on the shapes alone, so weights and pictures are any numbers.
 *
 *   npm run bench:step -- --json --threads 2 --batch 32
 */

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    engine: { type: 'string', default: 'onnx' },
    threads: { type: 'string', default: '1' },
    batch: { type: 'string', default: '32' },
    runs: { type: 'string', default: '9' },
  },
})
const counts = [options.threads, options.batch, options.runs].map(Number)
if (!counts.every((count) => Number.isInteger(count) && count > 0)) {
  console.error('--threads, --batch and --runs take positive whole numbers')
  process.exit(2)
}
const [threads, batch, runs] = counts
if (options.engine !== 'onnx' && options.engine !== 'tfjs') {
  console.error(`--engine takes onnx or tfjs, not ${options.engine}`)
  process.exit(2)
}
const warmUpRuns = 2

const config = {
  _class_name: 'UNet2DModel',
  sample_size: 28,
  in_channels: 1,
  out_channels: 1,
  down_block_types: ['DownBlock2D', 'DownBlock2D', 'DownBlock2D'],
  up_block_types: ['UpBlock2D', 'UpBlock2D', 'UpBlock2D'],
  block_out_channels: [32, 64, 64],
  layers_per_block: 2,
  attention_head_dim: 8,
  norm_num_groups: 8,
}

const { model, parameters } = Model.initialise([{ path: 'config.json', bytes: Buffer.from(JSON.stringify(config)) }], 1)
const engine = await openEngine({ name: options.engine, threads })
const program = await GradientProgram.compile(
  engine,
  model,
  { name: 'denoise', timesteps: [0, 999] },
  { rows: batch, batchSize: batch, original: parameters },
)

const image = [batch, ...model.imageShape]
const filled = (shape: number[], value: (i: number) => number) => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((product, n) => product * n, 1) }, (_, i) => value(i)),
})
const inputs = {
  x: filled(image, (i) => Math.sin(i)),
  noise: filled(image, (i) => Math.SQRT2 * Math.cos(7 * i)),
  t: filled([batch], (i) => (i * 31) % 1000),
  signal: filled([batch, 1, 1, 1], () => 0.8),
  sigma: filled([batch, 1, 1, 1], () => 0.6),
}

const milliseconds: number[] = []
for (let run = -warmUpRuns; run < runs; run++) {
  const startedAt = performance.now()
  await program.run(parameters, inputs)
  if (run >= 0) milliseconds.push(performance.now() - startedAt)
}
program.dispose()

const sorted = milliseconds.sort((a, b) => a - b)
const middle = Math.floor(sorted.length / 2)
const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
const result = {
  engine: engine.description,
  threads,
  batch,
  parameters: model.parameterCount,
  msPerStep: Math.round(median * 10) / 10,
  peakRssMB: Math.round(process.resourceUsage().maxRSS / 1024),
}
if (options.json) console.log(JSON.stringify(result))
else for (const [name, value] of Object.entries(result)) console.log(`${name.padEnd(12)}${value}`)
