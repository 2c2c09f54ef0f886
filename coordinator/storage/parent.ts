import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { classifierFolder, configFile, weightsFileOf } from '../../protocol/checkpoint.ts'
import { type FileBytes, sha256Aside } from '../../protocol/digest.ts'
import { type ErrorCode, LetheError } from '../../protocol/errors.ts'
import { captionsFile, extractorFile } from '../../protocol/extractors.ts'
import type { Job } from '../../protocol/job.ts'

/** What one buffer of Node takes from a file, and about what a protobuf file may have. */
const maxFileBytes = 2 ** 31 - 1
/** Of 1000 classes with the widest features, and as much again. */
const maxCaptionsBytes = 2 ** 25

/** A file that every worker gets, hashed once. */
export interface RunFile extends FileBytes {
  sha256: string
}

interface Limits {
  maxBytes: number
  missing: ErrorCode
  format: ErrorCode
}

const ofModel: Limits = { maxBytes: maxFileBytes, missing: 'CHECKPOINT_MISSING', format: 'CHECKPOINT_FORMAT' }
const ofExtractor: Limits = { maxBytes: maxFileBytes, missing: 'EXTRACTOR_MISSING', format: 'EXTRACTOR_FORMAT' }

async function readRunFile(path: string, name: string, { maxBytes, missing, format }: Limits): Promise<RunFile> {
  try {
    const found = await stat(path)
    // A pipe or a device may never end.
    if (!found.isFile()) throw new LetheError(format, { message: `${path} is not a file` })
    const { size } = found
    if (size > maxBytes)
      throw new LetheError(format, { message: `${path} is too large`, expected: `at most ${maxBytes} bytes`, received: `${size}` })
    const bytes = new Uint8Array(await readFile(path))
    return { path: name, bytes, sha256: await sha256Aside(bytes) }
  } catch (cause) {
    if (cause instanceof LetheError) throw cause
    throw new LetheError(missing, { message: `cannot read ${path}`, received: (cause as NodeJS.ErrnoException).code, cause })
  }
}

/** What a run reads before it begins. */
export interface RunFiles {
  /** The files of the checkpoint that it starts from, or the configuration alone where the weights are drawn from the seed. */
  parent: RunFile[]
  /** What measures: the classifier that judges samples, under `classifier/`, and extractors with their captions, under `extractors/`. */
  instruments: RunFile[]
}

/** @throws LetheError CHECKPOINT_MISSING, CHECKPOINT_FORMAT, EXTRACTOR_MISSING, EXTRACTOR_FORMAT. */
export async function readRunFiles(job: Job): Promise<RunFiles> {
  const { classifier } = job.evaluate
  return {
    parent: job.kind === 'train' ? [await readRunFile(job.model.config, configFile, ofModel)] : await readModel(job.model.checkpoint, ''),
    instruments: [...(classifier === undefined ? [] : await readModel(classifier, classifierFolder)), ...(await readExtractors(job))],
  }
}

async function readModel(folder: string, prefix: string): Promise<RunFile[]> {
  const config = await readRunFile(join(folder, configFile), `${prefix}${configFile}`, ofModel)
  const weights = weightsFileOf(config.bytes)
  return [config, await readRunFile(join(folder, weights), `${prefix}${weights}`, ofModel)]
}

async function readExtractors({ evaluate: { extractors = [] } }: Job): Promise<RunFile[]> {
  const files: RunFile[] = []
  for (const [number, { file, captions }] of extractors.entries()) {
    files.push(await readRunFile(file, extractorFile(number), ofExtractor))
    if (captions !== undefined)
      files.push(await readRunFile(captions, captionsFile(number), { ...ofExtractor, maxBytes: maxCaptionsBytes }))
  }
  return files
}
