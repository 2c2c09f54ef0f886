import t from 'tap'
import { decodeTensor, TensorEncoder } from '../../protocol/wire.ts'

t.test('tensors on the wire', async (t) => {
  const values = Float32Array.from({ length: 3_000_000 }, (_, i) => 1 + i / 2 ** 20)
  const exact = await new TensorEncoder(values.length, 'f32').encode(values)
  t.equal(exact.buffer, values.buffer, 'float32 is not copied')
  t.equal(decodeTensor(exact, 'f32').buffer, values.buffer)
  const odd = new Uint8Array([0, ...exact.subarray(0, 8)]).subarray(1)
  t.strictSame(decodeTensor(odd, 'f32'), values.subarray(0, 2), 'bytes at odd places')
  t.throws(() => decodeTensor(exact.subarray(0, 7), 'f32'), RangeError)
  const encoder = new TensorEncoder(values.length, 'bf16')
  const rounded = await encoder.encode(values)
  t.equal(rounded.byteLength, 2 * values.length)
  const first = decodeTensor(rounded, 'bf16')
  const second = decodeTensor(await encoder.encode(values.subarray(1_500_000), 1_500_000), 'bf16')
  let worst = 0
  for (let i = 0; i < second.length; i++) worst = Math.max(worst, Math.abs(first[i + 1_500_000] + second[i] - 2 * values[i + 1_500_000]))
  t.ok(worst <= 2 ** -7 * 1.001, `what the first lost is in the second: ${worst}`)
})
