import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { classifierFolder, configFile, weightsFileOf } from '../../protocol/checkpoint.ts'
import type { FileBytes } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { Job } from '../../protocol/job.ts'

const maxFileBytes = 2 ** 31 - 1

async function readModelFile(path: string, name: string): Promise<FileBytes> {
  try {
    const found = await stat(path)
    // A pipe or a device may never end.
    if (!found.isFile()) throw new LetheError('CHECKPOINT_FORMAT', { message: `${path} is not a file` })
    const { size } = found
    if (size > maxFileBytes)
      throw new LetheError('CHECKPOINT_FORMAT', {
        message: `${path} is too large`,
        expected: `at most ${maxFileBytes} bytes`,
        received: `${size}`,
      })
    return { path: name, bytes: new Uint8Array(await readFile(path)) }
  } catch (cause) {
    if (cause instanceof LetheError) throw cause
    throw new LetheError('CHECKPOINT_MISSING', { message: `cannot read ${path}`, received: (cause as NodeJS.ErrnoException).code, cause })
  }
}

/** What a run reads before it begins. */
export interface RunFiles {
  /** The files of the checkpoint that it starts from, or the configuration alone where the weights are drawn from the seed. */
  parent: FileBytes[]
  /** Those of the classifier that judges samples, under `classifier/`. */
  classifier: FileBytes[]
}

/** @throws LetheError CHECKPOINT_MISSING, CHECKPOINT_FORMAT. */
export async function readRunFiles(job: Job): Promise<RunFiles> {
  const { classifier } = job.evaluate
  return {
    parent: job.kind === 'train' ? [await readModelFile(job.model.config, configFile)] : await readModel(job.model.checkpoint, ''),
    classifier: classifier === undefined ? [] : await readModel(classifier, classifierFolder),
  }
}

async function readModel(folder: string, prefix: string): Promise<FileBytes[]> {
  const config = await readModelFile(join(folder, configFile), `${prefix}${configFile}`)
  const weights = weightsFileOf(config.bytes)
  return [config, await readModelFile(join(folder, weights), `${prefix}${weights}`)]
}
