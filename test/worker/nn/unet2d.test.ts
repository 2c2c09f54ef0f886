import * as tf from '@tensorflow/tfjs'
import t from 'tap'
import type { HostTensorMap, Signature, TensorMap } from '../../../worker/engine/engine.ts'
import { openEngine } from '../../../worker/engine/open.ts'
import { parseUNet2DConfig } from '../../../worker/nn/config.ts'
import { unet2dParameters } from '../../../worker/nn/parameters.ts'
import { unet2d } from '../../../worker/nn/unet2d.ts'
import { golden, goldenJson, relativeError } from '../golden.ts'

for (const name of ['unet2d', 'unet2d-class']) {
  const config = parseUNet2DConfig(goldenJson(`${name}/config.json`))
  const weights = golden(`${name}/diffusion_pytorch_model.safetensors`)
  const expected = golden(`${name}/grads.safetensors`)
  const io = golden(`${name}/io.safetensors`)
  const specs = unet2dParameters(config)
  const names = specs.map((spec) => spec.name)

  t.test(`${name}: names, shapes and order are those of diffusers`, async (t) => {
    t.same(names, weights.names)
    t.same(
      specs.map((spec) => spec.shape),
      names.map((one) => weights.get(one).shape),
    )
  })

  // The oracle computes in plain JavaScript: one of the two networks is enough for it.
  for (const engineName of name === 'unet2d' ? (['onnx'] as const) : (['onnx', 'tfjs'] as const)) {
    t.test(`${name} on ${engineName}: output, loss and every gradient`, async (t) => {
      const engine = await openEngine({ name: engineName, threads: 1 })
      const data: Record<string, string> = { sample: 'sample', timestep: 'timestep', target: 'target' }
      const signature: Signature = Object.fromEntries([
        ...names.map((one) => [one, { shape: weights.get(one).shape }]),
        ...Object.keys(data).map((one) => [one, { shape: io.get(one).shape }]),
      ])
      const inputs: HostTensorMap = Object.fromEntries([
        ...names.map((one) => [one, weights.get(one)]),
        ...Object.keys(data).map((one) => [one, io.get(one)]),
      ])
      if (config.num_class_embeds) {
        signature.class_labels = { shape: io.get('class_labels').shape, dtype: 'int32' }
        inputs.class_labels = { shape: io.get('class_labels').shape, data: Int32Array.from(io.get('class_labels').data) }
      }
      const program = await engine.compile((tensors: TensorMap) => {
        const predict = (...p: tf.Tensor[]) =>
          unet2d(
            config,
            Object.fromEntries(p.map((tensor, i) => [names[i], tensor])),
            tensors.sample,
            tensors.timestep,
            tensors.class_labels,
          )
        const parameters = names.map((one) => tensors[one])
        const loss = (...p: tf.Tensor[]) => tf.mean(tf.squaredDifference(predict(...p), tensors.target)) as tf.Scalar
        const { value, grads } = tf.valueAndGrads(loss)(parameters)
        return { output: predict(...parameters), loss: value, ...Object.fromEntries(grads.map((grad, i) => [`grad.${names[i]}`, grad])) }
      }, signature)
      const result = await program.run(inputs)
      program.dispose()

      t.ok(
        relativeError(result.output.data, io.get('output').data) < 1e-5,
        `output ${relativeError(result.output.data, io.get('output').data)}`,
      )
      t.ok(relativeError(result.loss.data, io.get('loss_mean_mse').data) < 1e-5, 'loss')
      const norms = names.map((one) => Math.hypot(...expected.get(one).data))
      const whole = Math.hypot(...norms)
      const all = names.flatMap((one) => Array.from(result[`grad.${one}`].data))
      t.ok(
        relativeError(
          all,
          names.flatMap((one) => Array.from(expected.get(one).data)),
        ) < 1e-5,
        'all gradients as one vector',
      )
      const bad = names.filter(
        (one, i) => norms[i] > 1e-6 * whole && !(relativeError(result[`grad.${one}`].data, expected.get(one).data) < 1e-4),
      )
      t.same(bad, [], 'each gradient by itself')
      t.same(
        names.filter((one, i) => norms[i] <= 1e-6 * whole && !one.endsWith('to_k.bias')),
        [],
        'only key biases have a vanishing gradient',
      )
    })
  }
}
