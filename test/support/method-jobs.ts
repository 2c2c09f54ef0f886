import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { jobYaml, parseJob } from '../../protocol/jobfile.ts'
import { unlearningMethods } from '../../protocol/methods/index.ts'
import { checkpointFiles, tinyClassifier, tinyConfig, writePictures } from './tiny-job.ts'

/** Options with which a method shows all that it has. */
const options: Record<string, object> = {
  erasediff: { innerSteps: 2, target: 'random-label', weight: { rule: 'cosine' }, eta: 0.1 },
  salun: { saliency: { share: 0.3, batches: 2 } },
  'selective-amnesia': { fisher: { samples: 10 } },
}

/** A job file for each unlearning method, and one for the attack, on a tiny network and pictures in a fresh folder. */
export async function methodJobs(t: Test, training: object): Promise<{ cwd: string; files: string[] }> {
  const cwd = t.testdir({ plain: {}, classes: {}, judge: {} })
  const networks = { plain: tinyConfig, classes: { ...tinyConfig, num_class_embeds: 7 }, judge: tinyClassifier }
  for (const [folder, config] of Object.entries(networks))
    for (const { path, bytes } of checkpointFiles(config)) writeFileSync(join(cwd, folder, path), bytes)
  const { sources } = await writePictures(cwd)
  const samples = { classes: [1, 5], count: 2, guidance: 1, sampler: { name: 'ddim', steps: 3 } }
  const write = (name: string, job: object) =>
    writeFileSync(join(cwd, `${name}.yaml`), jobYaml(parseJob(JSON.stringify({ name, seed: 3, ...job }))))
  const common = { training: { batchSize: 10, microBatchSize: 2, optimizer: { learningRate: 1e-3 }, ...training } }
  for (const name of Object.keys(unlearningMethods)) {
    const hasClasses = name !== 'siss' && name !== 'siss-bernoulli'
    write(name, {
      ...common,
      kind: 'unlearn',
      model: { checkpoint: hasClasses ? 'classes' : 'plain' },
      data: { sources, forget: { labels: [5] }, ...(name === 'dimum' && { alternative: { labels: [1, 2] } }) },
      method: { name, ...options[name] },
      evaluate: {
        distance: true,
        membership: { timesteps: [500], samples: 2 },
        ...(hasClasses && { classifier: 'judge', samples, references: { samples: 3 } }),
        unitSize: 2,
      },
    })
  }
  write('attack', {
    ...common,
    kind: 'attack',
    model: { checkpoint: 'classes' },
    data: { sources, forget: { labels: [5] } },
    attack: { measureAt: [0, 3, 7], sources: sources.slice(0, 3), shuffleLabels: true },
    evaluate: { classifier: 'judge', samples, distance: true, unitSize: 2 },
  })
  return { cwd, files: [...Object.keys(unlearningMethods), 'attack'].map((name) => `${name}.yaml`) }
}
