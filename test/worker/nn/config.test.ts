import t from 'tap'
import { LetheError } from '../../../protocol/errors.ts'
import { assertTrainable, parseUNet2DConfig } from '../../../worker/nn/config.ts'
import { goldenJson } from '../golden.ts'

const good = goldenJson('unet2d/config.json') as Record<string, unknown>

t.test('what diffusers wrote is read', async (t) => {
  const config = parseUNet2DConfig(good)
  assertTrainable(config)
  t.same(config.block_out_channels, [16, 32, 32])
})

t.test('what would be computed otherwise is refused, with the key and what was found', async (t) => {
  for (const [key, value] of Object.entries({
    down_block_types: ['CrossAttnDownBlock2D', 'DownBlock2D', 'DownBlock2D'],
    time_embedding_type: 'fourier',
    resnet_time_scale_shift: 'scale_shift',
    act_fn: 'gelu',
    dropout: 0.1,
    center_input_sample: true,
    attention_head_dim: 5,
    norm_num_groups: 7,
    attn_norm_num_groups: 4,
    sample_size: 'large',
    _class_name: 'UNet2DConditionModel',
  })) {
    try {
      parseUNet2DConfig({ ...good, [key]: value })
      t.fail(`${key} was accepted`)
    } catch (error) {
      t.ok(error instanceof LetheError && error.code === 'CHECKPOINT_CONFIG', key)
      t.match((error as Error).message, key === 'norm_num_groups' ? 'block_out_channels' : key)
    }
  }
})

t.test('networks that jobs cannot use are refused before any work', async (t) => {
  for (const change of [{ out_channels: 3 }, { sample_size: 18 }]) {
    t.throws(() => assertTrainable(parseUNet2DConfig({ ...good, ...change })), { code: 'CHECKPOINT_CONFIG' }, JSON.stringify(change))
  }
})
