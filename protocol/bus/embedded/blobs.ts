import { randomBytes } from 'node:crypto'
import { sha256 } from '../../digest.ts'
import { LetheError } from '../../errors.ts'
import type { Blobs } from '../bus.ts'
import { checkKey } from '../names.ts'
import { checkBlob } from '../payload.ts'
import type { Ask } from './link.ts'
import { chunkBytes } from './wire.ts'

export function embeddedBlobs(ask: Ask, bucket: string): Blobs {
  /** @returns null where there is none, undefined where it was replaced while it was read. */
  const read = async (name: string): Promise<Uint8Array | null | undefined> => {
    const found = await ask({ op: 'findBlob', bucket, name })
    if (!found) return null
    const chunks: Uint8Array[] = []
    for (let index = 0; index < found.chunks; index++) {
      const chunk = await ask({ op: 'readBlob', bucket, upload: found.upload, index })
      if (!chunk) return undefined
      chunks.push(chunk)
    }
    const blob = new Uint8Array(Buffer.concat(chunks))
    if (sha256(blob) !== found.sha256) throw new LetheError('STORAGE_WRITE', { message: `the blob ${name} is damaged` })
    return blob
  }

  return {
    async put(name, blob) {
      checkKey(name)
      checkBlob(blob)
      const chunks = Math.max(1, Math.ceil(blob.byteLength / chunkBytes))
      const put = { op: 'putBlob', bucket, name, upload: randomBytes(16).toString('hex') } as const
      const last = { sha256: sha256(blob) }
      for (let index = 0; index < chunks; index++) {
        const data = blob.subarray(index * chunkBytes, (index + 1) * chunkBytes)
        await ask({ ...put, index, data, last: index === chunks - 1 ? last : null })
      }
    },
    async get(name) {
      checkKey(name)
      for (;;) {
        const blob = await read(name)
        if (blob !== undefined) return blob
      }
    },
    async delete(name) {
      checkKey(name)
      await ask({ op: 'deleteBlob', bucket, name })
    },
  }
}
