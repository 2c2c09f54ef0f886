import t from 'tap'
import { packResult, readingBytes, unpackResult } from '../../protocol/evaluated.ts'

const images = Uint8Array.of(7, 8, 9)

t.test('readings travel before the pictures, matrix after matrix', async (t) => {
  const readings = [Float32Array.of(1, 2, 3, 4), Float32Array.of(Number.NaN, -0), new Float32Array(0)]
  const packed = packResult({ values: [1, Number.NaN], images, readings })
  t.same(packed.widths, [2, 1, 0])
  t.equal(packed.payload.byteLength, readingBytes(packed.widths, 2) + images.byteLength)
  // As it comes from a socket or a disk: somewhere in a larger buffer.
  const moved = Buffer.concat([Buffer.alloc(3), packed.payload]).subarray(3)
  t.strictSame(unpackResult({ ...packed, payload: moved }).readings, readings)
  t.same([...unpackResult({ ...packed, payload: moved }).images], [...images])
  t.throws(() => unpackResult({ ...packed, payload: moved.subarray(0, 23) }), RangeError)
})

t.test('an answer without readings is its pictures', async (t) => {
  const packed = packResult({ values: [1], images })
  t.same(packed, { values: [1], widths: [], payload: images })
  t.same(unpackResult(packed), { values: [1], images })
})
