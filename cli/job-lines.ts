import { join, relative } from 'node:path'
import type { Expansion, ExperimentJob } from '../protocol/experiment/expansion.ts'
import { printable, shellWord } from './terminal.ts'

/* How the jobs of an experiment are written: as commands, as a plan, as JSON. */

/** The command that runs one job by itself, to the same result in the same place. */
export function runCommand({ id, file, set, job }: ExperimentJob, out: string, workers: number): string {
  const words = ['npx', 'lethe', 'run', shown(file), ...set.flatMap((text) => ['--set', text])]
  const alone = job.kind === 'attack' ? ['--no-controls'] : []
  return [...words, ...alone, '--workers', String(workers), '--out', shown(join(out, id))].map(shellWord).join(' ')
}

function shown(path: string): string {
  const short = relative(process.cwd(), path)
  return short === '' || short.startsWith('..') ? path : short
}

export function listing(jobs: readonly ExperimentJob[], out: string, workers: number): string {
  const needs = ({ dependsOn }: ExperimentJob) => (dependsOn.length > 0 ? ` # needs ${dependsOn.join(', ')}` : '')
  return jobs.map((job) => `${runCommand(job, out, workers)}${needs(job)}\n`).join('')
}

export function planned({ id, job, dependsOn, row, controls }: ExperimentJob): object {
  return { id, dependsOn, row, controls, job }
}

export function planText({ title, budget }: Expansion, jobs: readonly ExperimentJob[]): string {
  const width = Math.max(...jobs.map(({ id }) => id.length))
  const lines = jobs.map(({ id, job, dependsOn }) => {
    const what = job.kind === 'evaluate' ? job.kind : `${job.kind} ${job.method.name}, ${job.training.steps} steps`
    return `${id.padEnd(width)}  ${what}${dependsOn.length > 0 ? `  needs ${dependsOn.join(', ')}` : ''}\n`
  })
  return printable(`${title}: ${jobs.length} jobs, budget ${budget}\n${lines.join('')}`)
}
