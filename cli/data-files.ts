import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { configFile, maxConfigBytes, weightsFileOf } from '../protocol/checkpoint.ts'
import { type ErrorCode, LetheError } from '../protocol/errors.ts'
import type { ExperimentJob } from '../protocol/experiment/expansion.ts'
import { checkpointPath } from '../protocol/experiment/references.ts'
import type { Job } from '../protocol/job.ts'
import { mapPaths, type PathKind } from '../protocol/paths.ts'

const missing: Record<PathKind, ErrorCode> = {
  config: 'CHECKPOINT_MISSING',
  model: 'CHECKPOINT_MISSING',
  classifier: 'CHECKPOINT_MISSING',
  extractor: 'EXTRACTOR_MISSING',
  data: 'DATA_FILE_MISSING',
}

/**
 * Looks whether the files of a job are there, before workers of this machine start, who would say the same half a minute later. Only for
 * those: workers on other machines have disks of their own, and their coordinator may have no data at all.
 * @param known paths that were found before, or that are made later: they are not looked at, and what is found is added.
 * @throws LetheError DATA_FILE_MISSING, CHECKPOINT_MISSING, EXTRACTOR_MISSING
 */
export function checkJobFiles(job: Job, known = new Set<string>()): void {
  mapPaths(job, (path, kind) => {
    if (!known.has(path)) checkPath(path, kind)
    known.add(path)
    return path
  })
}

/** The same for jobs that are run one after the other: none begins before the files of all are there. `out` holds their run folders. */
export function checkExperimentFiles(jobs: readonly ExperimentJob[], out: string): void {
  const known = new Set(jobs.map(({ id }) => checkpointPath(out, id)))
  for (const { id, job } of jobs)
    try {
      checkJobFiles(job, known)
    } catch (error) {
      const { code, message, received, cause } = LetheError.from(error)
      throw new LetheError(code, { message: `job ${id}: ${message}`, received, cause })
    }
}

function checkPath(path: string, kind: PathKind): void {
  if (kind !== 'model' && kind !== 'classifier') {
    readStart(path, kind, 0)
    return
  }
  const config = readStart(join(path, configFile), kind, maxConfigBytes + 1)
  readStart(join(path, weightsFileOf(config)), kind, 0)
}

/** The first bytes of a file; a pipe may never end, and is none. */
function readStart(path: string, kind: PathKind, bytes: number): Uint8Array {
  try {
    if (!statSync(path).isFile()) throw Object.assign(new Error('not a file'), { code: 'not a file' })
    const file = openSync(path, 'r')
    try {
      const start = Buffer.alloc(bytes)
      return start.subarray(0, readSync(file, start, 0, bytes, 0))
    } finally {
      closeSync(file)
    }
  } catch (cause) {
    throw new LetheError(missing[kind], { message: `cannot read ${path}`, received: (cause as NodeJS.ErrnoException).code, cause })
  }
}
