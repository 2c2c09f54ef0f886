import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const lethePath = fileURLToPath(new URL('../../cli/lethe.js', import.meta.url))
export const examplesPath = fileURLToPath(new URL('../../examples', import.meta.url))

export interface Finished {
  status: number | null
  stdout: string
  stderr: string
}

/** Runs the command as a user would, with a clean environment. */
export function lethe(args: readonly string[], { cwd, env = {} }: { cwd?: string; env?: Record<string, string> } = {}): Promise<Finished> {
  const { LETHE_LOG: _log, LETHE_TOKEN: _token, FORCE_COLOR: _colour, ...inherited } = process.env
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [lethePath, ...args], { cwd, env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    const finished = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      finished.stdout += chunk
    })
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      finished.stderr += chunk
    })
    child.once('error', reject)
    child.once('close', (status) => resolve({ status, ...finished }))
  })
}
