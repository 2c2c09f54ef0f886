import { closeSync, openSync, readSync } from 'node:fs'
import { LetheError } from './errors.ts'

/**
 * The text of a small file that a person named: a key, a certificate, a token. Pipes are read too, for `--identity <(…)`.
 * @throws LetheError USAGE, with what the file is for, where it cannot be read, is empty, or is longer than `maxBytes`.
 */
export function readTextFile(path: string, { what, maxBytes }: { what: string; maxBytes: number }): string {
  const bytes = Buffer.alloc(maxBytes + 1)
  let length = 0
  try {
    const file = openSync(path, 'r')
    try {
      for (let read = -1; read !== 0 && length < bytes.length; length += read)
        read = readSync(file, bytes, length, bytes.length - length, null)
    } finally {
      closeSync(file)
    }
  } catch (cause) {
    throw new LetheError('USAGE', {
      message: `the ${what} ${path} cannot be read`,
      received: (cause as NodeJS.ErrnoException).code,
      hint: 'Check the path and its permissions.',
      cause,
    })
  }
  if (length > maxBytes)
    throw new LetheError('USAGE', { message: `the ${what} ${path} is too large`, expected: `at most ${maxBytes} bytes` })
  const text = bytes.toString('utf8', 0, length)
  if (text.trim() === '') throw new LetheError('USAGE', { message: `the ${what} ${path} is empty` })
  return text
}
