import type { JournalEvent } from '../../coordinator/journal/journal.ts'
import type { Phase, ReportInput, UnitResults } from '../../coordinator/report/index.ts'
import { packResult } from '../../protocol/evaluated.ts'
import { type EvaluationResult, evaluationUnits, membershipOf } from '../../protocol/evaluation.ts'
import { type AttackJob, jobSchema } from '../../protocol/job.ts'
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
    peakMemoryBytes: 512_000_000,
    faults: [],
    reduction: { reducer: 'central', wire: 'f32' },
    wallMs: { prepare: 2_310, before: 24_800, train: 160_100, after: 25_300 },
    versions: { lethe: '0.1.0', node: '20.20.2' },
    imageShape: [made.reference.height, made.reference.width, made.reference.channels],
    referenceImage: made.reference,
    classifierSha256: null,
    extractors: [],
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

export const attackStops = [0, 10, 40] as const

/** Samples of each of the two classes of the made-up attack: class 1 is kept, class 3 to be forgotten. */
export const attackSamples = 20

export function attackJob(changes: { stopAt?: number; sources?: object[]; shuffleLabels?: boolean } = {}): AttackJob {
  const job = jobSchema.parse({
    kind: 'attack',
    name: 'bring-it-back',
    seed: 5,
    model: { checkpoint: 'unlearned' },
    data: { sources: [{ type: 'mnist' }], forget: { labels: [3] } },
    attack: { measureAt: [0, 10], ...changes },
    training: { steps: 40, batchSize: 8, microBatchSize: 8 },
    evaluate: {
      classifier: 'judge',
      samples: { classes: [1, 3], count: attackSamples, guidance: 1.5, sampler: { name: 'ddim', steps: 20 } },
      references: { samples: attackSamples },
      likelihood: { images: 2 },
      membership: { timesteps: [200, 800], samples: 3 },
      hits: { samples: 4 },
      reconstruction: { noises: 2 },
      distance: true,
      // Units that hold the end of one class and the beginning of the next.
      unitSize: 7,
    },
  })
  return job as AttackJob
}

/** What a classifier is made to see in each sample: `forgotten` of those of class 3, and all but two of class 1. */
export function seenClasses(forgotten: number): number[] {
  const right = (number: number) => (number < attackSamples ? number >= 2 : number < attackSamples + forgotten)
  return Array.from({ length: 2 * attackSamples }, (_, number) => (right(number) ? (number < attackSamples ? 1 : 3) : 7))
}

/**
 * The answers at one stop. `likelihoodItem` is the image of each run. Features of kept samples are (i, 0), those of references (i + 2, 0), those of forgotten samples far away; kept
 * samples have the probabilities (1, 0), forgotten ones (0, 1).
 */
export function attackResults(
  job: AttackJob,
  step: number,
  forgotten: number,
  likelihoodItem = (number: number) => 7 * number,
): UnitResults {
  const seen = seenClasses(forgotten)
  const value: Record<string, (number: number) => number> = {
    samples: (number) => seen[number],
    references: () => 1,
    likelihood: (number) => 5 + number + step / 10,
    // Forgotten 0.3, 0.4, 0.5 and kept 0.1, 0.2, 0.3 at t = 200, a tenth of it at t = 800.
    membership: (number) => {
      const { set, timestep, sample } = membershipOf(job.evaluate, number)
      return ((set === 'forget' ? 0.3 : 0.1) + sample / 10) * (timestep === 200 ? 1 : 0.1)
    },
    hits: (number) => (number < step / 10 ? 2 : 14),
    reconstruction: () => 12,
    distance: () => step / 20,
  }
  return evaluationUnits(job).map((unit) => {
    const { metric, start, count } = unit
    const numbers = Array.from({ length: count }, (_, i) => start + i)
    const isForgotten = (number: number) => metric === 'samples' && number >= attackSamples
    const readings = [
      Float32Array.from(numbers.flatMap((number) => (isForgotten(number) ? [0, 1] : [1, 0]))),
      Float32Array.from(numbers.flatMap((number) => [number + (metric === 'references' ? 2 : isForgotten(number) ? 1000 : 0), 0])),
    ]
    const isDrawn = ['samples', 'hits', 'reconstruction'].includes(metric)
    return {
      unit,
      result: {
        values: numbers.map(value[metric]),
        images: Buffer.concat(isDrawn ? numbers.map((number) => new Uint8Array(16).fill(number)) : []),
        ...(metric === 'samples' || metric === 'references' ? { readings } : {}),
        ...(metric === 'likelihood' ? { readings: [Float32Array.from(numbers, likelihoodItem)] } : {}),
      },
    }
  })
}

/** The same as a journal has it. */
export function evaluated(version: number, unit: number, result: EvaluationResult): JournalEvent {
  const { payload, ...packed } = packResult(result)
  return { type: 'evaluated', version, unit, ...packed, payload: new Uint8Array(payload) }
}

/** An attack that was measured at 0, 10 and 40 steps, with so many of 20 samples of class 3 recognised at each. */
export function madeUpAttack(forgotten: readonly [number, number, number], changes: Parameters<typeof attackJob>[0] = {}): ReportInput {
  const job = attackJob(changes)
  const measured = new Map(attackStops.map((step, i) => [step as number, attackResults(job, step, forgotten[i])]))
  const run = madeUpRun()
  return {
    ...run,
    job,
    steps: 40,
    history: run.history.slice(0, 40),
    stepMs: run.stepMs.slice(0, 40),
    classifierSha256: '0123456789abcdef'.repeat(4),
    evaluation: new Map([
      ['before', measured.get(0) ?? []],
      ['after', measured.get(40) ?? []],
    ]),
    measured,
    attack: { stoppedAt: null },
  }
}
