import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FileBytes } from '../../protocol/digest.ts'
import { type Job, jobSchema, type StepJob } from '../../protocol/job.ts'
import { encodePng } from '../../protocol/picture.ts'
import { normals } from '../../protocol/random.ts'
import { Model } from '../../worker/model.ts'

/** A network of a few thousand parameters on 8×8 pictures: with attention in the middle. */
export const tinyConfig = {
  _class_name: 'UNet2DModel',
  sample_size: 8,
  in_channels: 1,
  out_channels: 1,
  down_block_types: ['DownBlock2D', 'DownBlock2D'],
  up_block_types: ['UpBlock2D', 'UpBlock2D'],
  block_out_channels: [8, 8],
  layers_per_block: 1,
  attention_head_dim: 4,
  norm_num_groups: 4,
}

/** A classifier of the same pictures, whose labels are 0 to 5. */
export const tinyClassifier = {
  _class_name: 'ImageClassifier',
  sample_size: 8,
  in_channels: 1,
  block_out_channels: [4, 8],
  norm_num_groups: 4,
  feature_dim: 8,
  num_classes: 6,
}

/** Pictures that are kept, one file each, and the file of the one to forget. The forget set is items 5 and 6 of 7. */
export const keptPictures = 5

export async function writePictures(directory: string, size = 8): Promise<{ sources: Job['data']['sources']; forgotten: string }> {
  const sources: Job['data']['sources'] = []
  for (let picture = 0; picture <= keptPictures; picture++) {
    const path = join(directory, `${picture}.png`)
    const values = normals({ seed: 1, purpose: 'noise', step: 0, sample: picture }, new Float32Array(size * size))
    const pixels = Uint8Array.from(values, (value) => Math.min(255, Math.max(0, 128 + 60 * value)))
    await writeFile(path, encodePng({ height: size, width: size, channels: 1, pixels }))
    sources.push({ type: 'image', path, copies: picture === keptPictures ? 2 : 1, label: picture })
  }
  return { sources, forgotten: join(directory, `${keptPictures}.png`) }
}

type Options = Record<string, unknown>

/** A step job on these pictures: 5 micro-batches of 2. `training`, `method` and other keys replace what they name. */
export function tinyJob(
  kind: 'train' | 'unlearn',
  pictures: Awaited<ReturnType<typeof writePictures>>,
  { training, ...others }: { training?: Options } & Options = {},
): StepJob {
  return jobSchema.parse({
    kind,
    name: 'tiny',
    seed: 7,
    model: kind === 'train' ? { config: 'config.json' } : { checkpoint: 'parent' },
    data: { sources: pictures.sources, forget: { file: pictures.forgotten } },
    ...(kind === 'unlearn' ? { method: { name: 'siss' } } : {}),
    training: { steps: 4, batchSize: 10, microBatchSize: 2, optimizer: { learningRate: 1e-3 }, ...training },
    evaluate: {
      unitSize: 4,
      reconstruction: { timestep: 500, noises: 4, steps: 5 },
      hits: { samples: 6, sampler: { name: 'ddim', steps: 4 } },
      keepLoss: { samples: 6 },
    },
    ...others,
  }) as StepJob
}

export function configFiles(config: object = tinyConfig): FileBytes[] {
  return [{ path: 'config.json', bytes: Buffer.from(JSON.stringify(config)) }]
}

/** A checkpoint with weights drawn from a fixed seed. */
export function checkpointFiles(config: object = tinyConfig): FileBytes[] {
  const { model, parameters } = Model.initialise(configFiles(config), 11)
  return model.files(parameters)
}
