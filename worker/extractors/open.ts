import type { FileBytes } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import { captionsFile, extractorFile, extractorName, extractorsFolder, type Score } from '../../protocol/extractors.ts'
import type { Job } from '../../protocol/job.ts'
import { readCaptions } from './captions.ts'
import { Extractor } from './extractor.ts'
import type { PictureShape } from './preparation.ts'

export interface OpenExtractor {
  score: Score
  extractor: Extractor
  /** Embeddings by class, for `clip`; empty for other scores. */
  captions: readonly Float32Array[]
}

/**
 * The extractors of a job, in its order; none where the run brought no files of theirs. `picture` is the shape of the pictures that they
 * will see.
 * @throws LetheError EXTRACTOR_FORMAT, EXTRACTOR_SHAPE.
 */
export async function openExtractors(job: Job, files: readonly FileBytes[], picture: PictureShape): Promise<OpenExtractor[]> {
  if (!files.some(({ path }) => path.startsWith(extractorsFolder))) return []
  const open: OpenExtractor[] = []
  const { extractors = [], samples } = job.evaluate
  const bytesOf = (name: string) => {
    const file = files.find(({ path }) => path === name)
    if (!file) throw new LetheError('INTERNAL', { message: `the run has no ${name}` })
    return file.bytes
  }
  try {
    for (const [number, options] of extractors.entries()) {
      const label = `the extractor ${extractorName(options)} (evaluate.extractors.${number})`
      const setup = { label, options, model: bytesOf(extractorFile(number)), picture, threads: job.engine.threads }
      const one = { score: options.score, extractor: await Extractor.open(setup), captions: [] as Float32Array[] }
      open.push(one)
      if (options.score !== 'clip') continue
      const classes = 1 + Math.max(...(samples?.classes ?? []))
      one.captions = readCaptions(bytesOf(captionsFile(number)), { label, features: one.extractor.opened.features, classes })
    }
    return open
  } catch (error) {
    for (const { extractor } of open) extractor.dispose()
    throw error
  }
}
