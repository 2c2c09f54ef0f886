import { parseDocument } from 'yaml'
import { LetheError } from './errors.ts'
import { maxAliasCount } from './yaml.ts'

/** One `key=value` of the command line: `training.steps=30`, `data.sources.1.copies=5`, `method.timesteps=[0,500]`. */
export interface Override {
  path: readonly string[]
  value: unknown
}

/** The value is YAML, so numbers, lists and quoted text are what they are in a job file. */
export function parseOverride(text: string): Override {
  const at = text.indexOf('=')
  const path = text.slice(0, Math.max(at, 0)).trim().split('.')
  if (at < 0 || path.some((key) => key === '')) throw malformed(text)
  return { path, value: yamlValue(text, text.slice(at + 1)) }
}

function yamlValue(whole: string, text: string): unknown {
  try {
    const document = parseDocument(text)
    if (document.errors.length === 0) return document.toJS({ maxAliasCount })
  } catch (cause) {
    // Aliases of aliases, or lists too deep for the stack.
    throw malformed(whole, cause)
  }
  throw malformed(whole)
}

/** A copy of `value` in which the override's path holds its value; mappings on the way are made, list entries must exist. */
export function applyOverride(value: unknown, { path, value: replacement }: Override): unknown {
  return set(value, path, 0, replacement)
}

function set(value: unknown, path: readonly string[], depth: number, replacement: unknown): unknown {
  if (depth === path.length) return replacement
  const key = path[depth]
  if (Array.isArray(value)) {
    const index = Number(key)
    if (!/^\d+$/.test(key) || index >= value.length) {
      throw new LetheError('USAGE', {
        message: `cannot set \`${path.join('.')}\`: \`${path.slice(0, depth).join('.')}\` is a list of ${value.length}`,
        expected: `an index from 0 to ${value.length - 1}`,
        received: key,
      })
    }
    return value.with(index, set(value[index], path, depth + 1, replacement))
  }
  const entries = new Map(typeof value === 'object' && value !== null ? Object.entries(value) : [])
  entries.set(key, set(entries.get(key), path, depth + 1, replacement))
  return Object.fromEntries(entries)
}

const shownCharacters = 200

function malformed(text: string, cause?: unknown): LetheError {
  const shown = text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text
  return new LetheError('USAGE', {
    message: '--set is not valid',
    expected: 'key=value, as in training.steps=30',
    received: JSON.stringify(shown),
    cause,
  })
}
