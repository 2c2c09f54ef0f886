import { type Metric, readingsOf } from '../../protocol/evaluation.ts'
import { cosine } from '../extractors/cosine.ts'
import type { OpenExtractor } from '../extractors/open.ts'
import type { EvaluationContext } from './context.ts'

/** Of the picture in a row: its class, or the item of the data that it began with. */
export interface Compared {
  classes?: readonly number[]
  originals?: readonly number[]
}

/** What extractors say of pictures [n,H,W,C]: matrices [n, width] in the order of `readingsOf`. */
export async function extracted(
  context: EvaluationContext,
  metric: Metric,
  pictures: Uint8Array,
  { classes, originals }: Compared = {},
): Promise<Float32Array[]> {
  const { extractors, job, predictor, data, onProgress } = context
  const rows = Array.from({ length: pictures.length / predictor.elements }, (_, row) =>
    pictures.subarray(row * predictor.elements, (row + 1) * predictor.elements),
  )
  const readings: Float32Array[] = []
  for (const number of readingsOf(job.evaluate, metric)) {
    if (typeof number !== 'number') continue
    const one = extractors[number]
    const counterpart = counterpartOf(one, { classes, originals }, (item) => data.read(item))
    const numbers: Float32Array[] = []
    for (const [row, picture] of rows.entries()) {
      const features = await one.extractor.features(picture)
      onProgress()
      numbers.push(one.score === 'fid' ? features : Float32Array.of(similarity(one, features, await counterpart(row))))
    }
    readings.push(joined(numbers))
  }
  return readings
}

function similarity({ score }: OpenExtractor, features: Float32Array, counterpart: Float32Array): number {
  const alike = cosine(features, counterpart)
  return score === 'clip' ? 100 * Math.max(0, alike) : alike
}

/** What the picture of a row is compared with. Originals repeat, and are looked at once. */
function counterpartOf(
  { extractor, score, captions }: OpenExtractor,
  { classes = [], originals = [] }: Compared,
  read: (item: number) => Uint8Array,
): (row: number) => Promise<Float32Array> {
  const known = new Map<number, Promise<Float32Array>>()
  return async (row) => {
    if (score === 'clip') return captions[classes[row]]
    const item = originals[row]
    const features = known.get(item) ?? extractor.features(read(item))
    known.set(item, features)
    return features
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const values = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    values.set(part, at)
    at += part.length
  }
  return values
}
