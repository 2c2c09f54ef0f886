import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { jobYaml, parseJob } from '../../protocol/jobfile.ts'
import { examplesPath } from '../cli/command.ts'
import { checkpointFiles, tinyConfig } from './tiny-job.ts'

/** A small network unlearns the T-shirt among the real digits: two channels, 5 micro-batches, which no worker count divides evenly. */
export function sissJob(t: Test, { steps, checkpointEvery }: { steps: number; checkpointEvery: number }): { cwd: string; file: string } {
  const parent = Object.fromEntries(
    checkpointFiles({ ...tinyConfig, sample_size: 28 }).map(({ path, bytes }) => [path, Buffer.from(bytes)]),
  )
  const cwd = t.testdir({ parent: {} })
  for (const [path, bytes] of Object.entries(parent)) writeFileSync(join(cwd, 'parent', path), bytes)
  const tshirt = join(examplesPath, 'data/tshirt.png')
  const job = {
    kind: 'unlearn',
    name: 'siss',
    seed: 3,
    model: { checkpoint: 'parent' },
    data: { sources: [{ type: 'mnist' }, { type: 'image', path: tshirt, copies: 101, label: 10 }], forget: { file: tshirt } },
    method: { name: 'siss' },
    training: { steps, batchSize: 10, microBatchSize: 2, optimizer: { learningRate: 1e-3 }, checkpointEvery },
    evaluate: { reconstruction: { timestep: 400, noises: 3, steps: 3 }, keepLoss: { samples: 4 }, unitSize: 2 },
  }
  writeFileSync(join(cwd, 'siss.yaml'), jobYaml(parseJob(JSON.stringify(job))))
  return { cwd, file: 'siss.yaml' }
}
