import type { Test } from 'tap'
import { bytes, refused, type Substrate, text, use } from './substrate.ts'

export function blobsConform(t: Test, substrate: Substrate): void {
  t.test('blobs', async (t) => {
    const [one, other] = [await use(t, substrate), await use(t, substrate)]
    const [blobs, same] = [await one.blobs('blobs'), await other.blobs('blobs')]
    t.equal(await blobs.get('none'), null)
    await blobs.delete('none')
    for (const size of [0, 1024 * 1024, 10 * 1024 * 1024]) {
      const blob = new Uint8Array(size)
      for (let i = 0; i < size; i += 997) blob[i] = i % 251
      await blobs.put(`size-${size}`, blob)
      const read = await same.get(`size-${size}`)
      t.ok(read && Buffer.compare(read, blob) === 0, `${size} bytes come back`)
    }
    await same.put('size-0', bytes('replaced'))
    t.equal(text(await blobs.get('size-0')), 'replaced')
    await blobs.delete('size-0')
    t.equal(await same.get('size-0'), null)
    t.equal(await refused(blobs.put('huge', new Uint8Array(64 * 1024 * 1024 + 1))), 'BUS_PAYLOAD')
  })
}
