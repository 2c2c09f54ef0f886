import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { encodePng } from '../../../protocol/picture.ts'
import { openDataSet } from '../../../worker/data/dataset.ts'

const tshirt = fileURLToPath(new URL('../../../examples/data/tshirt.png', import.meta.url))
const picture = { type: 'image', path: tshirt, copies: 3, label: 10 } as const
const distance = (a: Uint8Array, b: Uint8Array) => Math.sqrt(a.reduce((sum, v, i) => sum + ((v - b[i]) / 255) ** 2, 0))

t.test('digits and the T-shirt, as the example job names them', async (t) => {
  const started = performance.now()
  const set = await openDataSet({ sources: [{ type: 'mnist' }, { ...picture, copies: 101 }], forget: { file: tshirt } })
  t.comment(`opened in ${Math.round(performance.now() - started)} ms`)
  t.match(set, { items: 10_101, height: 28, width: 28, channels: 1 })
  t.same(
    [...set.forget],
    Array.from({ length: 101 }, (_, i) => 10_000 + i),
  )
  t.equal(set.keep.length, 10_000)
  t.equal(set.labels[0], 0)
  t.equal(set.labels[9_999], 9)
  t.equal(set.labels[10_000], 10)
  t.equal(set.manifestDigest, '5bff8029279dee1fa3a9da438d4127445542e19924b1dbc50a3956320451ed45')

  const image = set.read(10_000)
  t.equal(distance(image, new Uint8Array(784)).toFixed(3), '16.216')
  const distances = Array.from({ length: 10_000 }, (_, index) => distance(set.read(index), image))
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value) / values.length
  t.equal(mean(distances).toFixed(3), '14.610', 'the SISS paper finds 14.61 on all of MNIST')
  t.equal(Math.min(...distances).toFixed(2), '11.80', 'no digit is within the threshold of 10')
  const first = Array.from({ length: 10 }, (_, digit) => set.labels.indexOf(digit))
  const everyFourth = distances.filter((_, index) => (index - first[set.labels[index]]) % 4 === 0)
  t.equal(mean(everyFourth).toFixed(3), '14.610')
  t.equal(Math.min(...everyFourth).toFixed(2), '12.59')
})

t.test('the forget set is the union of indices, labels and file', async (t) => {
  const sources = [{ type: 'mnist' }, picture] as const
  const set = await openDataSet({ sources: [...sources], forget: { indices: [5], labels: [9], file: tshirt } })
  t.equal(set.forget.length, 1 + 978 + 3)
  t.equal(set.forget[0], 5)
  t.equal(set.keep.length + set.forget.length, set.items)
  const whole = await openDataSet({ sources: [...sources] })
  t.equal(whole.forget.length, 0)
  t.equal(whole.manifestDigest, set.manifestDigest, 'the manifest is of the data, not of the choice')
})

t.test('what cannot be', async (t) => {
  const dir = t.testdir({ 'text.png': 'not a picture' })
  const small = join(dir, 'small.png')
  const other = join(dir, 'other.png')
  await writeFile(small, encodePng({ height: 4, width: 4, channels: 1, pixels: new Uint8Array(16) }))
  await writeFile(other, encodePng({ height: 28, width: 28, channels: 1, pixels: new Uint8Array(784).fill(7) }))
  const open = (sources: Parameters<typeof openDataSet>[0]['sources'], forget?: Parameters<typeof openDataSet>[0]['forget']) =>
    openDataSet({ sources, forget })
  await t.rejects(open([{ ...picture, path: join(dir, 'none.png') }]), { code: 'DATA_FILE_MISSING' })
  await t.rejects(open([{ ...picture, path: join(dir, 'text.png') }]), { code: 'DATA_FORMAT' })
  await t.rejects(open([picture, { ...picture, path: small }]), { code: 'DATA_SHAPE' })
  await t.rejects(open([picture], { file: small }), { code: 'DATA_SHAPE' })
  await t.rejects(open([picture], { file: other }), { code: 'DATA_FORGET_EMPTY' })
  await t.rejects(open([picture], { labels: [3] }), { code: 'DATA_FORGET_EMPTY' })
  await t.rejects(open([picture], { indices: [3] }), { code: 'DATA_FORGET_EMPTY' })
  await t.rejects(open([picture], { labels: [10] }), { code: 'DATA_KEEP_EMPTY' })
})

t.test('an item that no longer has its hash is not handed out', async (t) => {
  const set = await openDataSet({ sources: [picture] })
  const pixels = set.read(1)
  pixels[100] ^= 1
  t.throws(() => set.read(1), { code: 'DATA_CHANGED' })
  t.throws(() => set.read(3), RangeError)
  t.throws(() => set.read(-1), RangeError)
})
