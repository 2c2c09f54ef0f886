import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { LetheError } from '../../../protocol/errors.ts'
import { decodeIdx, openIdx } from '../../../worker/data/idx.ts'

function idx(sizes: number[], values: number[]): Buffer {
  const header = Buffer.alloc(4 + 4 * sizes.length)
  header.writeUInt32BE(0x800 + sizes.length)
  for (const [i, size] of sizes.entries()) header.writeUInt32BE(size, 4 + 4 * i)
  return Buffer.concat([header, Buffer.from(values)])
}

const images = idx([3, 1, 2], [1, 2, 3, 4, 5, 6])
const labels = idx([3], [7, 8, 9])

t.test('plain and gzipped files, and a limit', async (t) => {
  const dir = t.testdir({ images, labels: gzipSync(labels) })
  const files = { images: join(dir, 'images'), labels: join(dir, 'labels') }
  const source = await openIdx(files)
  t.match(source, { items: 3, height: 1, width: 2, channels: 1 })
  t.same([...source.pixels], [1, 2, 3, 4, 5, 6])
  t.same([...source.labels], [7, 8, 9])
  const part = await openIdx({ ...files, limit: 2 })
  t.equal(part.items, 2)
  t.same([...part.pixels], [1, 2, 3, 4])
})

t.test('what is not IDX is DATA_FORMAT', async (t) => {
  const wrong: Record<string, Buffer> = {
    'too short': images.subarray(0, 10),
    'another type': Buffer.from(images).fill(9, 2, 3),
    'other dimensions': labels,
    'values missing': images.subarray(0, -1),
    'values too many': Buffer.concat([images, Buffer.of(0)]),
    'sizes that no file has': idx([0xffffffff, 0xffffffff, 0xffffffff], []),
    'broken gzip': Buffer.concat([Buffer.of(0x1f, 0x8b), images]),
  }
  for (const [name, bytes] of Object.entries(wrong)) t.throws(() => decodeIdx(bytes, 3, 'file'), { code: 'DATA_FORMAT' }, name)
  const dir = t.testdir({ images, labels: idx([2], [1, 2]), none: idx([0, 2, 2], []), noLabels: idx([0], []) })
  await t.rejects(openIdx({ images: join(dir, 'images'), labels: join(dir, 'labels') }), { code: 'DATA_FORMAT' })
  await t.rejects(openIdx({ images: join(dir, 'none'), labels: join(dir, 'noLabels') }), { code: 'DATA_FORMAT' })
  await t.rejects(openIdx({ images: join(dir, 'missing'), labels: join(dir, 'labels') }), { code: 'DATA_FILE_MISSING' })
})

t.test('random bytes throw nothing but LetheError', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        decodeIdx(bytes, 3, 'file')
      } catch (error) {
        if (!(error instanceof LetheError)) throw error
      }
    }),
  )
  t.end()
})
