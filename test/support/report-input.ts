import type { Phase, ReportInput, UnitResults } from '../../coordinator/report/index.ts'
import { evaluationUnits } from '../../protocol/evaluation.ts'
import { jobSchema } from '../../protocol/job.ts'
import type { Picture } from '../../protocol/picture.ts'

/** Distances that a made-up run measured, by phase; the pictures are `draw(phase, metric, i)`. */
export interface MadeUp {
  reference: Picture
  reconstruction: Record<Phase, number[]>
  hits: Record<Phase, number[]>
  keepLoss: Record<Phase, number[]>
  draw(phase: Phase, metric: 'reconstruction' | 'hits', index: number): Uint8Array
  steps: number
}

/** The input of a report of an unlearning run with the given measurements. */
export function reportInput(made: MadeUp): ReportInput {
  const job = jobSchema.parse({
    kind: 'unlearn',
    name: 'forget-the-t-shirt',
    seed: 46,
    model: { checkpoint: 'examples/checkpoints/mnist-tshirt' },
    data: {
      sources: [{ type: 'mnist' }, { type: 'image', path: 'examples/data/tshirt.png', copies: 101, label: 10 }],
      forget: { file: 'examples/data/tshirt.png' },
    },
    method: { name: 'siss' },
    training: { steps: made.steps, batchSize: 32, microBatchSize: 8 },
    evaluate: {
      reconstruction: { timestep: 700, noises: made.reconstruction.after.length },
      hits: { samples: made.hits.after.length },
      keepLoss: { samples: made.keepLoss.after.length },
    },
  })
  const results = (phase: Phase): UnitResults =>
    evaluationUnits(job).map((unit) => {
      const { start, count } = unit
      const metric = unit.metric as 'reconstruction' | 'hits' | 'keepLoss'
      const numbers = Array.from({ length: count }, (_, i) => start + i)
      const images = metric === 'keepLoss' ? new Uint8Array(0) : Buffer.concat(numbers.map((i) => made.draw(phase, metric, i)))
      return { unit, result: { values: numbers.map((i) => made[metric][phase][i]), images } }
    })
  const [before, after] = [results('before'), results('after')]
  return {
    job,
    jobDigest: 'a'.repeat(64),
    parentSha256: 'b'.repeat(64),
    checkpoint: { path: 'runs/quickstart/checkpoint', sha256: 'c'.repeat(64) },
    manifestDigest: 'd'.repeat(64),
    forgetDigest: 'e'.repeat(64),
    items: 10_101,
    forgetItems: 101,
    parameterCount: 1_043_009,
    engine: 'onnx',
    workers: 2,
    steps: made.steps,
    stepsPerSecond: 1.8734,
    history: Array.from({ length: made.steps }, (_, step) => {
      const wobble = Math.sin(step * 12.9898) * 43758.5453
      const noise = wobble - Math.floor(wobble) - 0.5
      return {
        step,
        phase: 'update' as const,
        losses: { keep: 21 + 5 * noise, forget: 30 + 0.8 * step + 12 * noise },
        norms: { keep: 40, forget: 90 },
        updateNorm: 42 + 9 * noise,
      }
    }),
    stepMs: Array.from({ length: made.steps }, (_, step) => 500 + step),
    faults: [],
    reduction: { reducer: 'central', wire: 'f32' },
    wallMs: { prepare: 2_310, before: 24_800, train: 160_100, after: 25_300 },
    versions: { lethe: '0.1.0', node: '20.20.2' },
    referenceImage: made.reference,
    classifierSha256: null,
    evaluation: new Map([
      ['after', after],
      ['before', before],
    ]),
    measured: new Map([
      [made.steps, after],
      [0, before],
    ]),
    attack: null,
  }
}

/** A small run: 4×4 pictures, ten reconstructions at L2 2 before and 14 after, the named samples as hits before and none after. */
export function madeUpRun({ samples = 40, hits = [0, 17, 39] } = {}): ReportInput {
  const none = Array<number>(samples).fill(14.5)
  const losses = Array.from({ length: 20 }, (_, i) => 0.041 + (i % 2 ? 0.001 : -0.001))
  return reportInput({
    reference: { height: 4, width: 4, channels: 1, pixels: new Uint8Array(16).fill(200) },
    reconstruction: { before: Array(10).fill(2), after: Array(10).fill(14) },
    hits: { before: none.map((distance, i) => (hits.includes(i) ? 1.5 : distance)), after: none },
    keepLoss: { before: Array(20).fill(0.04), after: losses },
    draw: (_phase, _metric, index) => new Uint8Array(16).fill(index),
    steps: 60,
  })
}
