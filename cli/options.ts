import { readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { LetheError } from '../protocol/errors.ts'
import { unmeasured } from '../protocol/evaluation.ts'
import type { Job } from '../protocol/job.ts'
import { parseJob, resolvePaths } from '../protocol/jobfile.ts'
import { maxYamlBytes } from '../protocol/yaml.ts'

const maxTokenBytes = 4096

export interface JobOptions {
  set: string[]
  steps?: number
  /** False leaves out whatever the job would measure. */
  evaluate?: boolean
}

export function addJobOptions(command: Command): Command {
  return command
    .argument('<job>', 'the job file (YAML)')
    .addOption(
      new Option('--set <key=value>', 'change a value of the job; may be repeated')
        .default([], 'none')
        .argParser((text: string, previous: string[]) => [...previous, text]),
    )
    .option('--steps <n>', 'the same as --set training.steps=<n>', wholeNumber(1, 1e9))
}

/** Where a run lives. @throws LetheError USAGE for an empty --out, which would be the working directory. */
export function runFolder(out: string | undefined, name: string): string {
  if (out === '') throw new LetheError('USAGE', { message: '--out is empty', expected: 'a folder' })
  return resolve(out ?? join('runs', name))
}

/** The resolved job of a file: `written` with paths as they are there, `job` with absolute ones. */
export function readJob(file: string, { set, steps, evaluate = true }: JobOptions): { written: Job; job: Job } {
  const overrides = steps === undefined ? set : [...set, `training.steps=${steps}`]
  const parsed = parseJob(readText(file), { file, overrides })
  const written = evaluate ? parsed : unmeasured(parsed)
  return { written, job: resolvePaths(written, dirname(resolve(file))) }
}

/** The text of a job file or of an experiment. @throws LetheError JOB_FILE_MISSING, JOB_INVALID where it is too large. */
export function readText(file: string): string {
  try {
    const { size } = statSync(file)
    if (size > maxYamlBytes) {
      throw new LetheError('JOB_INVALID', {
        message: 'the job file is too large',
        expected: `at most ${maxYamlBytes} bytes`,
        received: `${size} bytes`,
      })
    }
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw error instanceof LetheError
      ? error
      : new LetheError('JOB_FILE_MISSING', { message: `cannot read ${file} (${reasonOf(error)})`, cause: error })
  }
}

/** The join token of --token-file or LETHE_TOKEN: never of the command line, where every user of the machine can read it. */
export function joinToken(file: string | undefined): string | undefined {
  if (file === undefined) return process.env.LETHE_TOKEN || undefined
  try {
    if (statSync(file).size > maxTokenBytes) throw new LetheError('USAGE', { message: `${file} is too long for a token` })
    const token = readFileSync(file, 'utf8').trim()
    if (token === '') throw new LetheError('USAGE', { message: `${file} holds no token` })
    return token
  } catch (error) {
    throw error instanceof LetheError
      ? error
      : new LetheError('USAGE', { message: `cannot read the token file ${file} (${reasonOf(error)})`, cause: error })
  }
}

export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < low || value > high)
      throw new InvalidArgumentError(`It must be a whole number from ${low} to ${high}.`)
    return value
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
