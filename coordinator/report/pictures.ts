import type { FileBytes } from '../../protocol/digest.ts'
import type { EvaluationUnit } from '../../protocol/evaluation.ts'
import type { Picture } from '../../protocol/picture.ts'
import { encodePng, grid, picturesOf } from '../../protocol/picture.ts'
import type { Phase, ReportInput } from './input.ts'

/** A picture of an evaluation with its L2 distance to the forgotten image. */
export interface Measured {
  picture: Picture
  distance: number
  /** Closer than the job's threshold: the forgotten image is still there. */
  close: boolean
}

/** The pictures of one metric in sample order; [] where the phase or the metric was not measured. */
export function measuredPictures(
  { job, evaluation, referenceImage }: ReportInput,
  phase: Phase,
  metric: EvaluationUnit['metric'],
): Measured[] {
  if (!referenceImage) return []
  const { height, width, channels } = referenceImage
  const answers = (evaluation.get(phase) ?? []).filter(({ unit }) => unit.metric === metric)
  return [...answers]
    .sort((a, b) => a.unit.start - b.unit.start)
    .flatMap(({ result: { values, images } }) =>
      picturesOf(images, { height, width, channels }).map((picture, i) => ({
        picture,
        distance: values[i],
        close: values[i] < job.evaluate.threshold,
      })),
    )
}

const red = [220, 38, 38] as const
const paper = [24, 24, 27] as const

/** Side by side in rows, the close ones framed in red. */
export function sheet(pictures: readonly Measured[], columns: number, scale = 2): Picture {
  return grid(
    pictures.map(({ picture }) => picture),
    { columns, scale, gap: 2 * scale, background: paper, frame: (i) => (pictures[i].close ? red : undefined) },
  )
}

/** The pictures of a run as files: the forgotten image, and one sheet per phase and metric. */
export function pictureFiles(input: ReportInput): FileBytes[] {
  if (!input.referenceImage) return []
  const files = [{ path: 'images/forgotten.png', bytes: encodePng(input.referenceImage) }]
  for (const phase of ['before', 'after'] as const) {
    for (const [metric, name] of [
      ['reconstruction', 'reconstructions'],
      ['hits', 'samples'],
    ] as const) {
      const pictures = measuredPictures(input, phase, metric)
      if (pictures.length > 0)
        files.push({ path: `images/${name}-${phase}.png`, bytes: encodePng(sheet(pictures, metric === 'hits' ? 16 : 10)) })
    }
  }
  return files
}
