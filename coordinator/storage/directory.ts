import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a directory and what is missing above it, one level at a time. Node's own `recursive` never returns where a file system
 * answers ENOENT to every attempt, as /proc does.
 * @throws the file system's own error.
 */
export function makeDirectory(path: string): void {
  const isThere = statSync(path, { throwIfNoEntry: false })?.isDirectory()
  if (isThere) return
  if (dirname(path) !== path) makeDirectory(dirname(path))
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process may have made it since.
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error
  }
}
