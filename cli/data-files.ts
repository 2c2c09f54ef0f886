import { accessSync, constants } from 'node:fs'
import { LetheError } from '../protocol/errors.ts'
import type { Job } from '../protocol/job.ts'
import { mapPaths } from '../protocol/paths.ts'

/**
 * Looks whether the files of a job are there, before workers of this machine start, who would say the same half a minute later. Only for
 * those: workers on other machines have disks of their own, and their coordinator may have no data at all.
 * @throws LetheError DATA_FILE_MISSING
 */
export function checkDataFiles(job: Job): void {
  mapPaths(job, (path) => {
    try {
      accessSync(path, constants.R_OK)
    } catch (cause) {
      throw new LetheError('DATA_FILE_MISSING', { message: `cannot read ${path}`, received: (cause as NodeJS.ErrnoException).code, cause })
    }
    return path
  })
}
