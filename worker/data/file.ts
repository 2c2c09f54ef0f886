import { readFile, stat } from 'node:fs/promises'
import { LetheError } from '../../protocol/errors.ts'

const maxFileBytes = 2 ** 31 - 1

/** Reads a whole data file. Throws DATA_FILE_MISSING where it cannot be read, DATA_FORMAT where it is longer than 2 GiB. */
export async function readDataFile(path: string): Promise<Buffer> {
  try {
    const found = await stat(path)
    // A pipe or a device may never end.
    if (!found.isFile()) throw new LetheError('DATA_FORMAT', { message: `${path} is not a file` })
    const { size } = found
    if (size > maxFileBytes)
      throw new LetheError('DATA_FORMAT', {
        message: `${path} is too large`,
        expected: `at most ${maxFileBytes} bytes`,
        received: `${size}`,
      })
    return await readFile(path)
  } catch (cause) {
    if (cause instanceof LetheError) throw cause
    throw new LetheError('DATA_FILE_MISSING', { message: `cannot read ${path}`, received: (cause as NodeJS.ErrnoException).code, cause })
  }
}
