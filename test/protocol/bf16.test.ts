import fc from 'fast-check'
import t from 'tap'
import { ErrorFeedback, fromBf16, toBf16 } from '../../protocol/bf16.ts'

/** What a bf16 pattern means, from the definition: sign, 8 bits of exponent, 7 of fraction. */
function meaning(bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1
  const exponent = Math.floor(bits / 128) % 256
  const fraction = bits % 128
  if (exponent === 255) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -133 : sign * (1 + fraction / 128) * 2 ** (exponent - 127)
}

/** The nearest of two neighbours by distance, the even one where they are equally near. `value` is finite. */
function nearest(value: number): number {
  const view = new DataView(new ArrayBuffer(4))
  view.setFloat32(0, Math.abs(value))
  const below = view.getUint16(0)
  // One place above the largest number stands for infinity: 2^128 where rounding is decided.
  const real = (bits: number) => (bits === 0x7f80 ? 2 ** 128 : meaning(bits))
  const [down, up] = [Math.abs(value) - real(below), real(below + 1) - Math.abs(value)]
  const magnitude = down < up || (down === up && below % 2 === 0) ? below : below + 1
  return (Object.is(value, -0) || value < 0 ? 0x8000 : 0) + magnitude
}

const halves = (bytes: Uint8Array) =>
  Array.from({ length: bytes.length / 2 }, (_, i) => new DataView(bytes.buffer, bytes.byteOffset).getUint16(2 * i, true))

t.test('every pattern means what the definition says, and comes back', async (t) => {
  const patterns = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i)
  const values = fromBf16(new Uint8Array(patterns.buffer))
  const again = halves(toBf16(values))
  let wrong = 0
  for (let bits = 0; bits < 2 ** 16; bits++) {
    const wanted = meaning(bits)
    if (!Object.is(values[bits], wanted)) wrong += 1
    if (Number.isNaN(wanted) ? !Number.isNaN(meaning(again[bits])) : again[bits] !== bits) wrong += 1
  }
  t.equal(wrong, 0)
})

t.test('rounds to nearest, ties to even', async (t) => {
  const patterns = fc.oneof(
    fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    fc.nat({ max: 0xffff }).map((half) => half * 65536 + 0x8000),
  )
  let ties = 0
  fc.assert(
    fc.property(patterns, (bits) => {
      const value = new Float32Array(Uint32Array.of(bits).buffer)
      const [half] = halves(toBf16(value))
      if (Number.isNaN(value[0])) return Number.isNaN(meaning(half)) && half >> 15 === bits >>> 31
      if (!Number.isFinite(value[0])) return Object.is(meaning(half), value[0])
      if (bits % 65536 === 0x8000) ties += 1
      return half === nearest(value[0])
    }),
    { numRuns: 50_000 },
  )
  t.ok(ties > 10_000)
  t.same(halves(toBf16(Float32Array.of(3.4e38, -3.4e38, 3.38e38, 1e-41, -0))), [0x7f80, 0xff80, 0x7f7e, 0, 0x8000], 'the ends')
})

t.test('bytes at odd places, and half elements', async (t) => {
  const bytes = new Uint8Array([0, ...toBf16(Float32Array.of(1, 2))]).subarray(1)
  t.same([...fromBf16(bytes)], [1, 2])
  t.throws(() => fromBf16(new Uint8Array(3)), RangeError)
  t.throws(() => new ErrorFeedback(4).encode(new Float32Array(3), 2), RangeError)
})

t.test('what rounding takes is given back: sums stay within one rounding', async (t) => {
  const length = 5000
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: -20, max: 20 }), fc.nat(), (rounds, scale, seed) => {
      const feedback = new ErrorFeedback(length)
      const [meant, sent, largest] = [0, 1, 2].map(() => new Float64Array(length))
      let state = seed
      for (let round = 0; round < rounds; round++) {
        const values = Float32Array.from({ length }, () => {
          state = (Math.imul(state, 1664525) + 1013904223) | 0
          return (state / 2 ** 31) * 2 ** scale
        })
        // In two parts, as slices are.
        const cut = 1 + (round % (length - 1))
        const decoded = [fromBf16(feedback.encode(values.subarray(0, cut))), fromBf16(feedback.encode(values.subarray(cut), cut))]
        decoded
          .flatMap((part) => [...part])
          .forEach((value, i) => {
            meant[i] += values[i]
            sent[i] += value
            largest[i] = Math.max(largest[i], Math.abs(value))
          })
      }
      // Half a unit in the last of 8 places, and what float64 and the kept float32 lose.
      return meant.every((sum, i) => Math.abs(sum - sent[i]) <= largest[i] * 2 ** -8 * 1.001)
    }),
    { numRuns: 25 },
  )
  const drifting = Float32Array.of(1 + 2 ** -9)
  const feedback = new ErrorFeedback(1)
  let [kept, lost] = [0, 0]
  for (let i = 0; i < 1000; i++) {
    kept += fromBf16(feedback.encode(drifting))[0]
    lost += fromBf16(toBf16(drifting))[0]
  }
  t.ok(Math.abs(kept - 1000 * drifting[0]) < 2 ** -7, 'with feedback the mean is right')
  t.equal(lost, 1000, 'without it is not')
})

t.test('what is not finite passes and leaves nothing behind', async (t) => {
  const feedback = new ErrorFeedback(3)
  const values = Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, 3.4e38)
  t.same([...fromBf16(feedback.encode(values))], [Number.NaN, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY])
  t.same([...fromBf16(feedback.encode(Float32Array.of(1, 1, 1)))], [1, 1, 1])
})
