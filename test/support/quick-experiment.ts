import { join } from 'node:path'
import type { Test } from 'tap'
import { type ExperimentReport, experimentReport } from '../../protocol/experiment/report.ts'
import { examplesPath, lethe } from '../cli/command.ts'

/** Runs a ready experiment with its quick budget; every job of it has to finish. One worker: starting two costs more than they save. */
export async function quickExperiment(t: Test, name: string): Promise<ExperimentReport> {
  const cwd = t.testdir({})
  const args = ['experiment', join(examplesPath, `${name}.yaml`), '--set', 'budget=quick', '--workers', '1', '--json']
  const { status, stdout, stderr } = await lethe(args, { cwd })
  t.equal(status, 0, stderr)
  const report = experimentReport.parse(JSON.parse(stdout))
  t.same(
    report.jobs.filter(({ state }) => state !== 'finished').map(({ id }) => id),
    [],
  )
  return report
}

export const keysOf = ({ columns }: ExperimentReport): string[] => columns.map(({ key }) => key)
