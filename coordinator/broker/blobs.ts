import type { z } from 'zod'
import { blobBytes } from '../../protocol/bus/bus.ts'
import { chunkBytes } from '../../protocol/bus/embedded/wire.ts'
import { LetheError } from '../../protocol/errors.ts'
import { blobRecord, read, write } from './records.ts'
import type { Session } from './session.ts'
import type { Store } from './store.ts'

interface Chunk {
  upload: string
  index: number
  data: Uint8Array
  last: { sha256: string } | null
}

interface Upload {
  bucket: string
  upload: string
  chunks: number
}

type Blob = z.output<typeof blobRecord>

const maxChunks = Math.ceil(blobBytes / chunkBytes)
/** Uploads of one peer at a time. */
const maxUploads = 16

const pathOf = (bucket: string, name: string) => `${bucket}/${name}`

/** Blobs in chunks. A blob is replaced when its last chunk is there, in one step. */
export class BlobStore {
  readonly #store: Store
  readonly #blobs = new Map<string, Blob>()
  /** Chunks so far of what peers are sending: by peer, bucket and upload. */
  readonly #uploads = new Map<Session, Map<string, Upload>>()

  constructor(store: Store) {
    this.#store = store
    for (const { key, value } of store.entries('blobs'))
      this.#blobs.set(pathOf(String(key[0]), String(key[1])), read(blobRecord, value, key))
    this.#sweep()
  }

  /** @throws LetheError BUS_PAYLOAD where a chunk is out of its order or beyond the limit. */
  put(session: Session, bucket: string, name: string, { upload, index, data, last }: Chunk): void {
    const uploads = this.#uploadsOf(session)
    const path = `${pathOf(bucket, name)}/${upload}`
    const one = uploads.get(path) ?? { bucket, upload, chunks: 0 }
    if (index !== one.chunks || index >= maxChunks || uploads.size >= maxUploads) {
      uploads.delete(path)
      this.#removeChunks(one)
      throw new LetheError('BUS_PAYLOAD', { message: `the upload of the blob ${name} is out of order or too large` })
    }
    one.chunks += 1
    this.#store.set('chunks', [bucket, upload, index], data)
    if (!last) return void uploads.set(path, one)
    uploads.delete(path)
    this.delete(bucket, name)
    const blob = { upload, chunks: one.chunks, sha256: last.sha256 }
    this.#blobs.set(pathOf(bucket, name), blob)
    this.#store.set('blobs', [bucket, name], write(blob))
  }

  find(bucket: string, name: string): Blob | null {
    return this.#blobs.get(pathOf(bucket, name)) ?? null
  }

  /** @returns null where the blob has been replaced. */
  read(bucket: string, upload: string, index: number): Uint8Array | null {
    return this.#store.get('chunks', [bucket, upload, index]) ?? null
  }

  delete(bucket: string, name: string): void {
    const blob = this.find(bucket, name)
    if (!blob) return
    this.#blobs.delete(pathOf(bucket, name))
    this.#store.remove('blobs', [bucket, name])
    this.#removeChunks({ bucket, ...blob })
  }

  /** What a peer that is gone did not finish is taken away. */
  #uploadsOf(session: Session) {
    const known = this.#uploads.get(session)
    if (known) return known
    const uploads = new Map<string, Upload>()
    this.#uploads.set(session, uploads)
    session.onClose(() => {
      for (const one of this.#uploads.get(session)?.values() ?? []) this.#removeChunks(one)
      this.#uploads.delete(session)
    })
    return uploads
  }

  #removeChunks({ bucket, upload, chunks }: Upload): void {
    for (let index = 0; index < chunks; index++) this.#store.remove('chunks', [bucket, upload, index])
  }

  /** The same for what ended with an earlier process. */
  #sweep(): void {
    const complete = new Set(Array.from(this.#blobs.values(), ({ upload }) => upload))
    for (const key of this.#store.keys('chunks')) if (!complete.has(String(key[1]))) this.#store.remove('chunks', key)
  }
}
