import { LetheError } from '../../protocol/errors.ts'
import type { EvaluationUnit } from '../../protocol/evaluation.ts'
import { areOneDraw, evaluationUnits, type Reading, readingsOf } from '../../protocol/evaluation.ts'
import type { Job } from '../../protocol/job.ts'
import type { Matrix } from '../measures/matrix.ts'
import type { UnitResults } from './input.ts'

type Metric = EvaluationUnit['metric']

/** Answers of one metric by sample number, or undefined where nothing was measured. Throws INTERNAL where a unit is missing. */
function answersOf(job: Job, metric: Metric, results: UnitResults | undefined) {
  if (!results) return undefined
  const answers = new Map(results.filter(({ unit }) => unit.metric === metric).map(({ unit, result }) => [unit.start, result]))
  return evaluationUnits(job)
    .filter((unit) => unit.metric === metric)
    .map(({ start, count }) => {
      const answer = answers.get(start)
      if (answer?.values.length !== count)
        throw new LetheError('INTERNAL', {
          message: `the evaluation of ${metric} is not complete`,
          expected: `${count} values from ${start} on`,
          received: `${answer?.values.length ?? 0}`,
        })
      return answer
    })
}

/** Values of one metric by sample number, or undefined where the phase was not measured. Throws INTERNAL where a unit is missing. */
export function valuesOf(job: Job, metric: Metric, results: UnitResults | undefined): number[] | undefined {
  return answersOf(job, metric, results)?.flatMap(({ values }) => values)
}

/** What one network said of each image of a metric, one row each; null where it was not asked. */
export function readingOf(job: Job, metric: Metric, reading: Reading, results: UnitResults | undefined): Matrix | null {
  const answers = answersOf(job, metric, results) ?? []
  const place = readingsOf(job.evaluate, metric).indexOf(reading)
  const parts = answers.flatMap(({ readings = [] }) => (place >= 0 && place < readings.length ? [readings[place]] : []))
  const rows = answers.reduce((sum, { values }) => sum + values.length, 0)
  if (rows === 0 || parts.length !== answers.length) return null
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    values.set(part, at)
    at += part.length
  }
  return { rows, width: values.length / rows, values }
}

/** L2 distance of each sample to the nearest forgotten image, whichever units have drawn them; undefined where the phase was not measured. */
export function sampleDistances(job: Job, results: UnitResults | undefined): number[] | undefined {
  if (!areOneDraw(job.evaluate) || !results) return valuesOf(job, 'hits', results)
  return Array.from(readingOf(job, 'samples', 'distance', results)?.values ?? [])
}

/** These rows of a matrix. */
export function rowsAt({ width, values }: Matrix, rows: readonly number[]): Matrix {
  const chosen = new Float64Array(rows.length * width)
  rows.forEach((row, i) => {
    for (let k = 0; k < width; k++) chosen[i * width + k] = values[row * width + k]
  })
  return { rows: rows.length, width, values: chosen }
}

/** How many are closer than the job's threshold to the forgotten image; null where there is none, or one that is not finite. */
export function closeTo(job: Job, distances: readonly number[]): number | null {
  if (distances.length === 0 || !distances.every(Number.isFinite)) return null
  return distances.filter((distance) => distance < job.evaluate.threshold).length
}

/** JSON has no other numbers. */
export function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
