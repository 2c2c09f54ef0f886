import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { encodePng } from '../../../protocol/picture.ts'
import { openImage } from '../../../worker/data/image.ts'

t.test('one picture, many items', async (t) => {
  const path = join(t.testdir(), 'grey.png')
  await writeFile(path, encodePng({ height: 1, width: 3, channels: 1, pixels: Uint8Array.of(1, 2, 3) }))
  const source = await openImage({ path, copies: 4, label: 300 })
  t.match(source, { items: 4, height: 1, width: 3, channels: 1, repeats: true })
  t.same([...source.pixels], [1, 2, 3])
  t.same([...source.labels], [300, 300, 300, 300])
  await t.rejects(openImage({ path, copies: 1, label: 65_536 }), { code: 'DATA_FORMAT' })
})

t.test('colour is refused', async (t) => {
  const path = join(t.testdir(), 'colour.png')
  await writeFile(path, encodePng({ height: 1, width: 1, channels: 3, pixels: Uint8Array.of(1, 2, 3) }))
  await t.rejects(openImage({ path, copies: 1, label: 0 }), { code: 'DATA_FORMAT', received: '8-bit RGB' })
})
