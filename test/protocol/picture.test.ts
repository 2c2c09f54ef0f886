import fc from 'fast-check'
import t from 'tap'
import { LetheError } from '../../protocol/errors.ts'
import { decodePng, encodePng, grid, picturesOf } from '../../protocol/picture.ts'

t.test('grey and colour pictures survive PNG', (t) => {
  for (const channels of [1, 3]) {
    const picture = { height: 3, width: 5, channels, pixels: Uint8Array.from({ length: 15 * channels }, (_, i) => (i * 37) % 256) }
    t.same(decodePng(encodePng(picture)), picture)
  }
  t.end()
})

t.test('truncated, random and oversized files throw DATA_FORMAT', (t) => {
  const whole = encodePng({ height: 4, width: 4, channels: 1, pixels: new Uint8Array(16) })
  const decodes = (bytes: Uint8Array) => {
    try {
      decodePng(bytes)
      return true
    } catch (error) {
      if (!(error instanceof LetheError) || error.code !== 'DATA_FORMAT') throw error
      return false
    }
  }
  for (let length = 0; length < whole.length - 12; length++) t.notOk(decodes(whole.subarray(0, length)), `${length} bytes`)
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
      decodes(Uint8Array.from(whole).fill(byte, at, at + 1))
    }),
  )
  const huge = Buffer.from(whole)
  huge.writeUInt32BE(2 ** 31, 16)
  t.throws(() => decodePng(huge), { code: 'DATA_FORMAT', received: `${2 ** 31}×4` })
  t.end()
})

t.test('a grid lays out rows, scales, and frames', (t) => {
  const pictures = picturesOf(Uint8Array.of(10, 20, 30), { height: 1, width: 1, channels: 1 })
  t.equal(pictures.length, 3)
  const sheet = grid(pictures, { columns: 2, gap: 1 })
  t.match(sheet, { height: 5, width: 5, channels: 1 })
  t.equal(sheet.pixels[1 * 5 + 1], 10)
  t.equal(sheet.pixels[1 * 5 + 3], 20)
  t.equal(sheet.pixels[3 * 5 + 1], 30)
  t.equal(sheet.pixels[3 * 5 + 3], 255)

  const framed = grid(pictures, { columns: 3, gap: 1, scale: 2, frame: (i) => (i === 1 ? [255, 0, 0] : undefined) })
  t.match(framed, { height: 4, width: 10, channels: 3 })
  t.same([...framed.pixels.subarray(3 * 3, 3 * 6)], [255, 0, 0, 255, 0, 0, 255, 0, 0])
  t.same([...framed.pixels.subarray((10 + 4) * 3, (10 + 6) * 3)], [20, 20, 20, 20, 20, 20])
  t.end()
})
