import t from 'tap'
import { maxConfigBytes, weightsFileOf } from '../../protocol/checkpoint.ts'

t.test('the weights of each network', async (t) => {
  const file = (text: string) => weightsFileOf(Buffer.from(text))
  const unet = 'diffusion_pytorch_model.safetensors'
  t.equal(file('{"_class_name": "UNet2DModel"}'), unet)
  t.equal(file('{"sample_size": 8, "_class_name": "ImageClassifier"}'), 'model.safetensors')
  for (const text of ['{}', '{"_class_name": "toString"}', '{"_class_name": 3}', 'null', '[]', '{', '']) t.equal(file(text), unet, text)
  t.equal(file(`{"_class_name": "ImageClassifier"${' '.repeat(maxConfigBytes)}}`), unet, 'too long to be one')
})
