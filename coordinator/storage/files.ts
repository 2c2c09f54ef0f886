import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { FileBytes } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import { makeDirectory } from './directory.ts'

/** The error of a failed disk operation: STORAGE_FULL where there is no room, else STORAGE_WRITE. */
export function diskError(cause: unknown, message: string): LetheError {
  if (cause instanceof LetheError) return cause
  const { code, message: text } = cause as NodeJS.ErrnoException
  // LMDB names the reason in its message alone.
  const isFull = code === 'ENOSPC' || code === 'EDQUOT' || /ENOSPC|No space left|MDB_MAP_FULL/i.test(text ?? '')
  return new LetheError(isFull ? 'STORAGE_FULL' : 'STORAGE_WRITE', { message, received: code ?? text, cause })
}

/** A directory's own entry must reach the disk too, or a renamed file can be lost with the power. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Writes one new file to the end of the disk's own caches. */
export type WriteFile = (path: string, bytes: Uint8Array) => Promise<void>

const writeSynced: WriteFile = async (path, bytes) => {
  const handle = await open(path, 'wx')
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

export const partName = (path: string) => `${path}.part`

/** Writes under a new name, syncs, renames: the path holds the old content or the new one, never a part of it. */
export async function replaceFile(path: string, bytes: Uint8Array, write = writeSynced): Promise<void> {
  const part = partName(path)
  try {
    makeDirectory(dirname(path))
    await rm(part, { force: true })
    await write(part, bytes)
    await rename(part, path)
    await syncDirectory(dirname(path))
  } catch (cause) {
    await rm(part, { force: true }).catch(() => {})
    throw diskError(cause, `cannot write ${path}`)
  }
}

/** The same for a folder of flat files; an older folder of that name is replaced. */
export async function replaceFolder(path: string, files: readonly FileBytes[], write = writeSynced): Promise<void> {
  const part = partName(path)
  try {
    makeDirectory(dirname(path))
    await rm(part, { recursive: true, force: true })
    await mkdir(part)
    for (const file of files) await write(join(part, file.path), file.bytes)
    await syncDirectory(part)
    await rm(path, { recursive: true, force: true })
    await rename(part, path)
    await syncDirectory(dirname(path))
  } catch (cause) {
    await rm(part, { recursive: true, force: true }).catch(() => {})
    throw diskError(cause, `cannot write ${path}`)
  }
}

/** Names in a folder; none where it does not exist. */
export async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw diskError(cause, `cannot read ${path}`)
  }
}
