import { openSync, writeSync } from 'node:fs'
import type { CoordinatorEvent } from '../coordinator/main.ts'
import { diskError } from '../coordinator/storage/files.ts'

/**
 * Appends what happens in a run to a file, one JSON object a line: the event with `at`, in milliseconds since 1970. Lines are written as
 * things happen, so that a killed coordinator leaves all of them.
 * @throws LetheError STORAGE_WRITE where the file cannot be opened.
 */
export function openEvents(path: string): (event: CoordinatorEvent) => void {
  let file: number
  try {
    file = openSync(path, 'a')
  } catch (cause) {
    throw diskError(cause, `cannot open ${path}`)
  }
  return (event) => void writeSync(file, `${JSON.stringify({ at: Date.now(), ...event })}\n`)
}
