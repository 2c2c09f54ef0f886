import { z } from 'zod'
import { parseConfig } from './parse-config.ts'

/* config.json of an image classifier. The network is our own, so there are no other keys; what they share is named as in diffusers. */
const classifierSchema = z
  .strictObject({
    _class_name: z.literal('ImageClassifier'),
    sample_size: z.union([z.int().positive(), z.tuple([z.int().positive(), z.int().positive()])]),
    in_channels: z.int().positive().default(1),
    /** One block each; all but the first halve the picture. */
    block_out_channels: z.array(z.int().positive()).min(1),
    norm_num_groups: z.int().positive().default(8),
    norm_eps: z.number().positive().default(1e-5),
    /** Width of the feature layer, in which distances between sets of images are measured. */
    feature_dim: z.int().positive(),
    num_classes: z.int().min(2).max(65_536),
  })
  .refine((c) => c.block_out_channels.every((n) => n % c.norm_num_groups === 0), {
    message: 'every entry must be a multiple of norm_num_groups',
    path: ['block_out_channels'],
  })

export type ClassifierConfig = z.output<typeof classifierSchema>

/** Throws CHECKPOINT_CONFIG with the key, what is supported and what was found. */
export function parseClassifierConfig(json: unknown): ClassifierConfig {
  return parseConfig(classifierSchema, json)
}
