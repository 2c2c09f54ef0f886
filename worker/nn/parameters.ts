import { normals, uniforms } from '../../protocol/random.ts'
import type { UNet2DConfig } from './config.ts'

/** One parameter tensor: its diffusers name, its PyTorch shape and the inputs of one of its outputs (for initialisation). */
export interface ParameterSpec {
  name: string
  shape: number[]
  kind: 'weight' | 'bias' | 'normScale' | 'normShift' | 'embedding'
  fanIn: number
}

/** Every parameter of a UNet2DModel, in the order in which diffusers registers and saves them. */
export function unet2dParameters(config: UNet2DConfig): ParameterSpec[] {
  const specs: ParameterSpec[] = []
  const dense = (name: string, shape: number[]) => {
    const fanIn = shape.slice(1).reduce((product, n) => product * n, 1)
    specs.push({ name: `${name}.weight`, shape, kind: 'weight', fanIn }, { name: `${name}.bias`, shape: [shape[0]], kind: 'bias', fanIn })
  }
  const conv = (name: string, input: number, output: number, kernel = 3) => dense(name, [output, input, kernel, kernel])
  const norm = (name: string, channels: number) =>
    specs.push(
      { name: `${name}.weight`, shape: [channels], kind: 'normScale', fanIn: 1 },
      { name: `${name}.bias`, shape: [channels], kind: 'normShift', fanIn: 1 },
    )

  const channels = config.block_out_channels
  const embedding = channels[0] * 4
  const attention = (name: string, width: number) => {
    norm(`${name}.group_norm`, width)
    for (const projection of ['to_q', 'to_k', 'to_v', 'to_out.0']) dense(`${name}.${projection}`, [width, width])
  }
  const resnet = (name: string, input: number, output: number) => {
    norm(`${name}.norm1`, input)
    conv(`${name}.conv1`, input, output)
    dense(`${name}.time_emb_proj`, [output, embedding])
    norm(`${name}.norm2`, output)
    conv(`${name}.conv2`, output, output)
    if (input !== output) conv(`${name}.conv_shortcut`, input, output, 1)
  }

  conv('conv_in', config.in_channels, channels[0])
  dense('time_embedding.linear_1', [embedding, channels[0]])
  dense('time_embedding.linear_2', [embedding, embedding])
  if (config.num_class_embeds)
    specs.push({ name: 'class_embedding.weight', shape: [config.num_class_embeds, embedding], kind: 'embedding', fanIn: 1 })

  config.down_block_types.forEach((type, level) => {
    const [input, output] = [channels[Math.max(level - 1, 0)], channels[level]]
    const name = `down_blocks.${level}`
    const layers = Array.from({ length: config.layers_per_block }, (_, layer) => layer)
    if (type === 'AttnDownBlock2D') for (const layer of layers) attention(`${name}.attentions.${layer}`, output)
    for (const layer of layers) resnet(`${name}.resnets.${layer}`, layer === 0 ? input : output, output)
    if (level < channels.length - 1) conv(`${name}.downsamplers.0.conv`, output, output)
  })

  const reversed = [...channels].reverse()
  config.up_block_types.forEach((type, level) => {
    const output = reversed[level]
    const previous = reversed[Math.max(level - 1, 0)]
    const input = reversed[Math.min(level + 1, channels.length - 1)]
    const name = `up_blocks.${level}`
    const layers = Array.from({ length: config.layers_per_block + 1 }, (_, layer) => layer)
    if (type === 'AttnUpBlock2D') for (const layer of layers) attention(`${name}.attentions.${layer}`, output)
    for (const layer of layers) {
      const skip = layer === config.layers_per_block ? input : output
      resnet(`${name}.resnets.${layer}`, (layer === 0 ? previous : output) + skip, output)
    }
    if (level < channels.length - 1) conv(`${name}.upsamplers.0.conv`, output, output)
  })

  const bottom = channels[channels.length - 1]
  if (config.add_attention) attention('mid_block.attentions.0', bottom)
  resnet('mid_block.resnets.0', bottom, bottom)
  resnet('mid_block.resnets.1', bottom, bottom)
  norm('conv_norm_out', channels[0])
  conv('conv_out', channels[0], config.out_channels)
  return specs
}

/** PyTorch's default initialisation, keyed by the seed and the parameter's number: U(±1/√fanIn), norms 1 and 0, embeddings N(0,1). */
export function initialise(specs: readonly ParameterSpec[], seed: number): Float32Array {
  const flat = new Float32Array(specs.reduce((sum, spec) => sum + size(spec), 0))
  let offset = 0
  specs.forEach((spec, index) => {
    const out = flat.subarray(offset, offset + size(spec))
    const key = { seed, purpose: 'init', step: 0, sample: index } as const
    if (spec.kind === 'normScale') out.fill(1)
    else if (spec.kind === 'embedding') normals(key, out)
    else if (spec.kind !== 'normShift') {
      const bound = 1 / Math.sqrt(spec.fanIn)
      uniforms(key, out)
      for (let i = 0; i < out.length; i++) out[i] = (2 * out[i] - 1) * bound
    }
    offset += out.length
  })
  return flat
}

export function size(spec: { shape: readonly number[] }): number {
  return spec.shape.reduce((product, n) => product * n, 1)
}
