import { ReadableStream } from 'node:stream/web'
import { type ObjectStore, Objm } from '@nats-io/obj'
import { type Blobs, blobBytes } from '../bus.ts'
import { checkKey } from '../names.ts'
import { checkBlob, unavailable } from '../payload.ts'
import { ensureStream, type NatsContext } from './context.ts'

/** Part of a blob that travels in one message. */
const chunkBytes = 512 * 1024

/** An object store; its client checks the digest of what it reads. */
export function natsBlobs(context: NatsContext, bucket: string): Blobs {
  const stream = `OBJ_${bucket}`
  const config = { name: stream, subjects: [`$O.${bucket}.C.>`, `$O.${bucket}.M.>`], allow_rollup_hdrs: true }
  const use = <Value>(what: string, act: (store: ObjectStore) => Promise<Value>): Promise<Value> =>
    context.call(`${what} in the blobs ${bucket}`, async () => {
      await ensureStream(context, config)
      return act(await new Objm(context.js).open(bucket, false))
    })

  return {
    async put(name, bytes) {
      checkKey(name)
      checkBlob(bytes)
      await use('put', (store) => store.put({ name, options: { max_chunk_size: chunkBytes } }, pieces(bytes)))
    },
    async get(name) {
      checkKey(name)
      return use('get', async (store) => {
        const found = await store.get(name)
        if (!found) return null
        if (found.info.size > blobBytes) throw unavailable(`the blob ${name} is larger than any of Lethe`)
        const bytes = new Uint8Array(found.info.size)
        let position = 0
        for await (const piece of found.data as unknown as ReadableStream<Uint8Array>) {
          if (position + piece.byteLength > bytes.byteLength) throw unavailable(`the blob ${name} is damaged`)
          bytes.set(piece, position)
          position += piece.byteLength
        }
        const error = await found.error
        if (error || position !== bytes.byteLength) throw unavailable(`the blob ${name} is damaged`, { received: error?.message })
        return bytes
      })
    },
    async delete(name) {
      checkKey(name)
      await use('delete', async (store) => {
        if (await store.info(name)) await store.delete(name)
      })
    },
  }
}

/** The client copies what it has not sent yet with each chunk: it gets no more than a chunk at a time. */
function pieces(bytes: Uint8Array) {
  let position = 0
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (position >= bytes.byteLength) return controller.close()
      controller.enqueue(bytes.subarray(position, position + chunkBytes))
      position += chunkBytes
    },
  }) as unknown as globalThis.ReadableStream<Uint8Array>
}
