import t from 'tap'
import { modelToPixels, pixelsToModel } from '../../../worker/data/pixels.ts'

t.test('bytes to [-1, 1] and back', (t) => {
  const pixels = Uint8Array.from({ length: 256 }, (_, i) => i)
  const values = pixelsToModel(pixels, new Float32Array(256))
  t.equal(values[0], -1)
  t.equal(values[255], 1)
  t.same(modelToPixels(values, new Uint8Array(256)), pixels)
  t.same([...modelToPixels(Float32Array.of(-9, 9, 0), new Uint8Array(3))], [0, 255, 128])
  t.end()
})

t.test('channels come last in pictures and first in the model', (t) => {
  const pixels = Uint8Array.of(0, 255, 51, 255, 0, 51)
  const values = pixelsToModel(pixels, new Float32Array(6), 3)
  t.same([...values], [-1, 1, 1, -1, ...Float32Array.of(-0.6, -0.6)])
  t.same(modelToPixels(values, new Uint8Array(6), 3), pixels)
  t.end()
})
