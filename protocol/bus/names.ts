import { LetheError } from '../errors.ts'

/*
 * Subjects, keys and names. Both substrates take the same ones: what NATS allows, less whatever would need escaping.
 */

/** Longest subject, pattern or key, in characters. */
export const subjectChars = 400

const word = '[A-Za-z0-9_-]+'
const subjectForm = new RegExp(`^${word}(\\.${word})*$`)
const patternForm = new RegExp(`^((${word}|\\*)(\\.(${word}|\\*))*(\\.>)?|>)$`)
const nameForm = /^[A-Za-z0-9_-]{1,100}$/

export const isSubject = (text: string) => text.length <= subjectChars && subjectForm.test(text)
export const isPattern = (text: string) => text.length <= subjectChars && patternForm.test(text)
/** Names of buckets, queues and logs. */
export const isName = (text: string) => nameForm.test(text)

const check = (isValid: (text: string) => boolean, what: string) => (text: string) => {
  if (!isValid(text)) throw new LetheError('INTERNAL', { message: `${JSON.stringify(text.slice(0, 80))} is not a valid ${what}` })
}

export const checkSubject = check(isSubject, 'subject')
export const checkKey = check(isSubject, 'key')
export const checkPattern = check(isPattern, 'pattern of subjects')
export const checkName = check(isName, 'name')

/** Whether a subject fits a pattern: `*` stands for one word, `>` at the end for one or more. */
export function matches(pattern: string, subject: string): boolean {
  const parts = pattern.split('.')
  const words = subject.split('.')
  for (let i = 0; i < parts.length; i++) {
    if (parts[i] === '>') return words.length > i
    if (i >= words.length || (parts[i] !== '*' && parts[i] !== words[i])) return false
  }
  return parts.length === words.length
}
