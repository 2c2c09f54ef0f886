import { z } from 'zod'
import { LetheError } from '../../protocol/errors.ts'
import { parseConfig } from './parse-config.ts'

/*
 * diffusers' UNet2DModel configuration: the keys that Lethe computes with. Values that would change the computation in a way not built
 * here are refused by name; further keys are kept by diffusers for other purposes and are let through.
 */
const unet2dSchema = z
  .looseObject({
    _class_name: z.literal('UNet2DModel').default('UNet2DModel'),
    sample_size: z.union([z.int().positive(), z.tuple([z.int().positive(), z.int().positive()])]),
    in_channels: z.int().positive().default(3),
    out_channels: z.int().positive().default(3),
    center_input_sample: z.literal(false).default(false),
    time_embedding_type: z.literal('positional').default('positional'),
    freq_shift: z.number().default(0),
    flip_sin_to_cos: z.boolean().default(true),
    down_block_types: z.array(z.enum(['DownBlock2D', 'AttnDownBlock2D'])).min(1),
    up_block_types: z.array(z.enum(['UpBlock2D', 'AttnUpBlock2D'])).min(1),
    block_out_channels: z.array(z.int().positive()).min(1),
    layers_per_block: z.int().positive().default(2),
    mid_block_scale_factor: z.literal(1).default(1),
    downsample_padding: z.literal(1).default(1),
    downsample_type: z.literal('conv').default('conv'),
    upsample_type: z.literal('conv').default('conv'),
    dropout: z.literal(0).default(0),
    act_fn: z.literal('silu').default('silu'),
    attention_head_dim: z.int().positive().nullable().default(8),
    norm_num_groups: z.int().positive().default(32),
    norm_eps: z.number().positive().default(1e-5),
    resnet_time_scale_shift: z.literal('default').default('default'),
    add_attention: z.boolean().default(true),
    class_embed_type: z.null().default(null),
    num_class_embeds: z.int().positive().nullable().default(null),
    attn_norm_num_groups: z.null().default(null),
  })
  .refine((c) => c.down_block_types.length === c.block_out_channels.length && c.up_block_types.length === c.block_out_channels.length, {
    message: 'down_block_types, up_block_types and block_out_channels must be of one length',
  })
  .refine((c) => c.block_out_channels.every((n) => n % c.norm_num_groups === 0), {
    message: 'every entry of block_out_channels must be a multiple of norm_num_groups',
    path: ['block_out_channels'],
  })
  .refine((c) => c.attention_head_dim === null || c.block_out_channels.every((n) => n % (c.attention_head_dim as number) === 0), {
    message: 'every entry of block_out_channels must be a multiple of attention_head_dim',
    path: ['attention_head_dim'],
  })

export type UNet2DConfig = z.output<typeof unet2dSchema>

/** Throws CHECKPOINT_CONFIG with the key, what is supported and what was found. */
export function parseUNet2DConfig(json: unknown): UNet2DConfig {
  return parseConfig(unet2dSchema, json)
}

export function sampleSize(config: UNet2DConfig): { height: number; width: number } {
  const size = config.sample_size
  return typeof size === 'number' ? { height: size, width: size } : { height: size[0], width: size[1] }
}

/**
 * The class that stands for no condition, as classifier-free guidance needs one (Ho & Salimans 2022): the last embedding. Null where the
 * network is unconditional. diffusers has no name for it; whether a job uses it is the job's choice.
 */
export function nullClass(config: UNet2DConfig): number | null {
  return config.num_class_embeds === null ? null : config.num_class_embeds - 1
}

/**
 * Jobs train and measure networks from images to noise of the same shape, whose sizes halve evenly.
 * @throws LetheError CHECKPOINT_CONFIG for others.
 */
export function assertTrainable(config: UNet2DConfig): void {
  const refuse = (message: string, expected: string, received: string) => {
    throw new LetheError('CHECKPOINT_CONFIG', { message: `config.json: ${message}`, expected, received })
  }
  if (config.out_channels !== config.in_channels)
    refuse("out_channels: the network must predict noise of the image's shape", `${config.in_channels}`, `${config.out_channels}`)
  const multiple = 2 ** (config.block_out_channels.length - 1)
  const { height, width } = sampleSize(config)
  if (height % multiple !== 0 || width % multiple !== 0) {
    refuse('sample_size: it must halve evenly at every level', `a multiple of ${multiple}`, JSON.stringify(config.sample_size))
  }
}
