import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import { LetheError } from '../../protocol/errors.ts'

const magic = Buffer.from([0xde, 0xc0, 0xef, 0xbe])
/** The magic number stands behind the header of the first page. */
const headBytes = 64

/**
 * LMDB reads whatever file it is given, and takes the process down where it is none of its own.
 * @throws LetheError STORAGE_WRITE.
 */
export function checkLmdbFile(path: string, what: string, hint: string): void {
  if (!existsSync(path)) return
  const file = openSync(path, 'r')
  try {
    const head = Buffer.alloc(headBytes)
    if (readSync(file, head) > 0 && !head.includes(magic))
      throw new LetheError('STORAGE_WRITE', { message: `${path} is not ${what}`, hint })
  } finally {
    closeSync(file)
  }
}
