import type { WriteStream } from 'node:tty'

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const

/** Colours only where a person looks, and not where NO_COLOR (no-color.org) or a dumb terminal says no. */
export function paint(stream: NodeJS.WriteStream, colour: keyof typeof codes, text: string): string {
  return isTerminal(stream) && !process.env.NO_COLOR ? `\x1b[${codes[colour]}m${text}\x1b[0m` : text
}

/** True where a line can be rewritten. */
export function isTerminal(stream: NodeJS.WriteStream): stream is WriteStream {
  return stream.isTTY === true && process.env.TERM !== 'dumb'
}

/** `3 s`, `2 min 05 s`, `1 h 02 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const pad = (value: number) => String(value).padStart(2, '0')
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`
}

/** Quoted for a POSIX shell where it must be. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

/** Texts of files without what moves a cursor, sets colours or turns the direction of writing; line breaks stay. */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069]/gu, '\ufffd')
}
