import type { FileBytes } from '../../protocol/digest.ts'
import { areOneDraw, classOfSample, type EvaluationUnit, readingsOf } from '../../protocol/evaluation.ts'
import { maxPictureBytes } from '../../protocol/messages.ts'
import type { Picture } from '../../protocol/picture.ts'
import { encodePng, grid, picturesOf } from '../../protocol/picture.ts'
import type { Phase, ReportInput, UnitResults } from './input.ts'

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
  const isShared = metric === 'hits' && areOneDraw(job.evaluate)
  const place = readingsOf(job.evaluate, 'samples').indexOf('distance')
  const answers = (evaluation.get(phase) ?? []).filter(({ unit }) => unit.metric === (isShared ? 'samples' : metric))
  return [...answers]
    .sort((a, b) => a.unit.start - b.unit.start)
    .flatMap(({ result: { values, images, readings = [] } }) => {
      const distances = isShared ? readings[place] : values
      return picturesOf(images, { height, width, channels }).map((picture, i) => ({
        picture,
        distance: distances[i],
        close: distances[i] < job.evaluate.threshold,
      }))
    })
}

/** A sample with the class that was asked for, null where the model has none, and the one that the classifier sees. */
export interface JudgedPicture {
  picture: Picture
  asked: number | null
  seen: number
}

/** The samples that a classifier looked at, by number; [] where there are none, or they are too large to show. */
export function judgedPictures({ job, imageShape }: ReportInput, results: UnitResults | undefined): JudgedPicture[] {
  const [height, width, channels] = imageShape
  if (height * width * channels > maxPictureBytes) return []
  return (results ?? [])
    .filter(({ unit }) => unit.metric === 'samples')
    .sort((a, b) => a.unit.start - b.unit.start)
    .flatMap(({ unit, result: { values, images } }) =>
      picturesOf(images, { height, width, channels }).map((picture, i) => ({
        picture,
        asked: classOfSample(job.evaluate, unit.start + i) ?? null,
        seen: values[i],
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

/** Samples of one class in a row; of a class that was to be forgotten, those that are recognised are framed in red. */
export function classStrip(pictures: readonly JudgedPicture[], isForgotten: boolean): Picture {
  return grid(
    pictures.map(({ picture }) => picture),
    {
      columns: pictures.length,
      gap: 2,
      background: paper,
      frame: (i) => (isForgotten && pictures[i].asked === pictures[i].seen ? red : undefined),
    },
  )
}

/** Rows of a class sheet have so many samples at most. */
const sheetColumns = 16
/** Rows of the sheet of a model without classes. */
const plainRows = 4

/**
 * A row for each class, of the first samples; those of a forgotten class that are recognised are framed in red. A few rows where the model
 * has no classes. Null without samples.
 */
function classSheet({ job, evaluation, ...input }: ReportInput, phase: Phase): Picture | null {
  const judged = judgedPictures({ job, evaluation, ...input }, evaluation.get(phase))
  if (judged.length === 0) return null
  const forgotten = new Set(job.data.forget?.labels)
  const rows = [...new Set(judged.map(({ asked }) => asked))].map((asked) =>
    judged.filter((one) => one.asked === asked).slice(0, sheetColumns * (asked === null ? plainRows : 1)),
  )
  const shown = rows.flat()
  const isBack = ({ asked, seen }: JudgedPicture) => asked !== null && forgotten.has(asked) && asked === seen
  return grid(
    shown.map(({ picture }) => picture),
    { columns: Math.min(sheetColumns, rows[0].length), gap: 2, background: paper, frame: (i) => (isBack(shown[i]) ? red : undefined) },
  )
}

/** The pictures of a run as files: the forgotten image, and one sheet per phase and metric. */
export function pictureFiles(input: ReportInput): FileBytes[] {
  const files = input.referenceImage ? [{ path: 'images/forgotten.png', bytes: encodePng(input.referenceImage) }] : []
  for (const phase of ['before', 'after'] as const) {
    for (const [metric, name] of [
      ['reconstruction', 'reconstructions'],
      ['hits', 'samples'],
    ] as const) {
      const pictures = measuredPictures(input, phase, metric)
      if (pictures.length > 0)
        files.push({ path: `images/${name}-${phase}.png`, bytes: encodePng(sheet(pictures, metric === 'hits' ? 16 : 10)) })
    }
    const classes = classSheet(input, phase)
    if (classes) files.push({ path: `images/classes-${phase}.png`, bytes: encodePng(classes) })
  }
  return files
}
