import type { FileBytes } from '../../protocol/digest.ts'
import { classOfSample } from '../../protocol/evaluation.ts'
import type { ReportInput } from './input.ts'

/*
 * The samples of a run as a data set that other jobs can take as a source: IDX files as MNIST has them, images and the classes that were
 * asked for. An attack may have nothing but what the original model draws (DiMRA, second assumption), a method may replay it.
 */

const unsignedByte = 8

/** `generated/…-idx*-ubyte` of an `evaluate` job; nothing where it draws no samples, or no grey ones of known classes. */
export function generatedFiles({ job, evaluation, imageShape }: Pick<ReportInput, 'job' | 'evaluation' | 'imageShape'>): FileBytes[] {
  const [height, width, channels] = imageShape
  if (job.kind !== 'evaluate' || channels !== 1) return []
  const results = evaluation.get('after') ?? []
  const answers = results.filter(({ unit }) => unit.metric === 'samples').sort((one, other) => one.unit.start - other.unit.start)
  const labels = answers.flatMap(({ unit: { start, count } }) =>
    Array.from({ length: count }, (_, k) => classOfSample(job.evaluate, start + k)),
  )
  const isByte = (label: number | undefined): label is number => label !== undefined && label < 256
  if (labels.length === 0 || !labels.every(isByte)) return []
  const images = Buffer.concat(answers.map(({ result }) => result.images))
  return [
    { path: 'generated/images-idx3-ubyte', bytes: idx([labels.length, height, width], images) },
    { path: 'generated/labels-idx1-ubyte', bytes: idx([labels.length], Buffer.from(labels)) },
  ]
}

function idx(sizes: readonly number[], values: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 4 * sizes.length)
  header.set([0, 0, unsignedByte, sizes.length])
  for (const [i, size] of sizes.entries()) header.writeUInt32BE(size, 4 + 4 * i)
  return Buffer.concat([header, values])
}
