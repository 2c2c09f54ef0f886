import type { z } from 'zod'
import { LetheError } from './errors.ts'
import { nearest } from './nearest.ts'

/*
 * From the issues of a failed zod parse to one LetheError that a person can act on: the path, what was expected there, what was
 * found, and the nearest known word. A mistyped key comes first, because it explains the missing one.
 */

type Path = readonly PropertyKey[]

export interface IssueContext {
  schema: z.core.$ZodType
  value: unknown
  /** Where a value was written, such as `job.yaml:12`; shown in parentheses. */
  locate(path: Path): string | undefined
}

export function issueError(issues: readonly z.core.$ZodIssue[], context: IssueContext): LetheError {
  const typo = issues.find((issue) => issue.code === 'unrecognized_keys')
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more ${issues.length > 2 ? 'problems' : 'problem'})` : ''
  return typo ? unknownKey(typo, context, more) : invalidValue(issues[0], context, more)
}

function dotted(path: Path): string {
  return path.map(String).join('.')
}

/** `\`a.b\` (job.yaml:3)`: how a message names a value. */
export function named(path: Path, locate: IssueContext['locate']): string {
  const place = locate(path)
  return `${path.length > 0 ? `\`${dotted(path)}\`` : 'the job'}${place ? ` (${place})` : ''}`
}

function unknownKey(issue: z.core.$ZodIssueUnrecognizedKeys, { schema, value, locate }: IssueContext, more: string): LetheError {
  const key = issue.keys[0]
  const known = keysAt(schema, value, issue.path)
  const guess = nearest(key, known)
  return new LetheError('JOB_UNKNOWN_KEY', {
    message: `unknown key ${named([...issue.path, key], locate)}${more}`,
    expected: known.length > 0 ? `one of ${known.join(', ')}` : undefined,
    hint: guess && `Did you mean \`${guess}\`?`,
  })
}

function invalidValue(issue: z.core.$ZodIssue, { value, locate }: IssueContext, more: string): LetheError {
  const received = valueAt(value, issue.path)
  const name = named(issue.path, locate)
  const choices = choicesOf(issue)
  const guess = typeof received === 'string' ? nearest(received, choices) : undefined
  return new LetheError('JOB_INVALID', {
    message: `${name} is ${received === undefined ? 'missing' : 'not allowed'}${more}`,
    expected: choices.length > 0 ? anyOf(choices) : expectation(issue),
    received: received === undefined ? 'nothing' : described(received),
    hint: guess && `Did you mean \`${guess}\`?`,
  })
}

const typeNames: Record<string, string> = {
  int: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'a mapping',
  nonoptional: 'a value',
}

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return typeNames[issue.expected] ?? issue.expected
  if (issue.code === 'too_big') return bound(issue.inclusive === false ? 'less than' : 'at most', issue.maximum, issue.origin)
  if (issue.code === 'too_small') return bound(issue.inclusive === false ? 'more than' : 'at least', issue.minimum, issue.origin)
  return issue.message
}

function bound(relation: string, limit: number | bigint, origin: string): string {
  if (origin === 'array') return `a list of ${relation} ${limit}`
  if (origin === 'string') return `text of ${relation} ${limit} characters`
  return `a number ${relation} ${limit}`
}

function choicesOf(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'invalid_value') return issue.values.map(String)
  if (issue.code === 'invalid_union' && 'options' in issue && Array.isArray(issue.options)) return issue.options.map(String)
  return []
}

function anyOf(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

/** Scalars as written, cut at 60 characters; collections only by their kind. */
function described(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (value === null) return 'nothing'
  if (typeof value === 'object') return 'a mapping'
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key) ? Reflect.get(inner, key) : undefined),
    value,
  )
}

/** Keys that the object at `path` may have, given the value there: a discriminated union shows those of the chosen variant. */
function keysAt(schema: z.core.$ZodType, value: unknown, path: Path): string[] {
  const { def } = variant(schema, value)._zod as unknown as { def: z.core.$ZodTypes['_zod']['def'] }
  if (path.length === 0) return def.type === 'object' ? Object.keys(def.shape) : []
  const [key, ...rest] = path
  const inner = valueAt(value, [key])
  if (def.type === 'object') return keysAt(def.shape[String(key)], inner, rest)
  if (def.type === 'array') return keysAt(def.element, inner, rest)
  return []
}

/** Unwraps optional and default, and picks the variant that the value's discriminator names. */
function variant(schema: z.core.$ZodType, value: unknown): z.core.$ZodType {
  const { def } = schema._zod as unknown as { def: z.core.$ZodTypes['_zod']['def'] }
  if ('innerType' in def) return variant(def.innerType, value)
  if (def.type !== 'union' || !('discriminator' in def)) return schema
  const chosen = valueAt(value, [String(def.discriminator)])
  const match = def.options.find((option) => option._zod.propValues?.[String(def.discriminator)]?.has(chosen as z.core.util.Primitive))
  return match ? variant(match, value) : schema
}
