import { resolve } from 'node:path'
import { expandExperiment } from '../protocol/experiment/expand.ts'
import { experimentSchema } from '../protocol/experiment/schema.ts'
import { conductExperiment } from './experiment-conduct.ts'
import { readText, runFolder } from './options.ts'
import { coordinatorOptions, type RunOptions } from './run-options.ts'
import { shellWord } from './terminal.ts'

/** An attack with its controls: an experiment of one line. Its folder holds a run folder for each arm. */
export async function runAttack(file: string, name: string, options: RunOptions): Promise<void> {
  const { set, steps } = options
  const out = runFolder(options.out, name)
  const overrides = steps === undefined ? set : [...set, `training.steps=${steps}`]
  const experiment = experimentSchema.parse({
    kind: 'experiment',
    name,
    title: `Attack: ${name}`,
    jobs: [{ id: name, file: resolve(file), set: overrides, row: { model: 'unlearned' } }],
  })
  const expansion = expandExperiment(experiment, { file: resolve(file), out, locate: () => undefined, read: readText })
  const { job: _job, written: _written, out: _out, ...base } = coordinatorOptions(file, options)
  const again = ['npx', 'lethe', 'run', file, ...overrides.flatMap((text) => ['--set', text]), '--out', 'runs/again']
    .map(shellWord)
    .join(' ')
  await conductExperiment({ expansion, out, jobs: expansion.jobs, base, workers: options, json: options.json ?? false, rerun: () => again })
}
