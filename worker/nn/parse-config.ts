import type { z } from 'zod'
import { LetheError } from '../../protocol/errors.ts'

/** A config.json by its schema. Throws CHECKPOINT_CONFIG with the key, what is supported and what was found. */
export function parseConfig<Schema extends z.ZodType>(schema: Schema, json: unknown): z.output<Schema> {
  const result = schema.safeParse(json)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const key = issue.path.join('.')
  throw new LetheError('CHECKPOINT_CONFIG', {
    message: key ? `config.json: ${key}: ${issue.message}` : `config.json: ${issue.message}`,
    received: key
      ? JSON.stringify(issue.path.reduce<unknown>((value, part) => (value as Record<PropertyKey, unknown>)?.[part], json))
      : undefined,
  })
}
