import pino, { type Level, type Logger } from 'pino'
import { LetheError } from '../protocol/errors.ts'

const levels = [...Object.keys(pino.levels.values), 'silent']

/** JSON lines on stderr, from the level of LETHE_LOG on. */
export function openLog(name: string, defaultLevel: Level | 'silent'): Logger {
  const level = process.env.LETHE_LOG || defaultLevel
  if (!levels.includes(level))
    throw new LetheError('USAGE', { message: 'LETHE_LOG is not a level', expected: levels.join(', '), received: level })
  return pino({ name, level, base: { name, pid: process.pid } }, pino.destination({ dest: 2, sync: true }))
}
