import { join, relative } from 'node:path'

/* `@id` in an override is the checkpoint of that job. */

const reference = /(^|[\s[{,:"'])@([A-Za-z0-9][A-Za-z0-9._-]*)/g
const plainPath = /^[\w./-]+$/

/** Where the run of a job leaves its checkpoint. */
export function checkpointPath(out: string, id: string): string {
  return join(out, id, 'checkpoint')
}

/** Ids that the value of an override names. */
export function referencesOf(override: string): string[] {
  return [...rightOf(override).matchAll(reference)].map(([, , id]) => id)
}

/** The override with a path in place of each reference, relative to `directory`: that of the job file, where paths of a job begin. */
export function withPaths(override: string, out: string, directory: string): string {
  const value = rightOf(override)
  const key = override.slice(0, override.length - value.length)
  const replaced = value.replace(reference, (_, before: string, id: string) => {
    const path = relative(directory, checkpointPath(out, id)) || '.'
    return before + (plainPath.test(path) || before === '"' || before === "'" ? path : JSON.stringify(path))
  })
  return key + replaced
}

function rightOf(override: string): string {
  return override.slice(override.indexOf('=') + 1)
}
