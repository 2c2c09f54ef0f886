import { readFile, rm, rmdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { type FileBytes, filesDigest, sha256 } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { Job } from '../../protocol/job.ts'
import { namesIn, replaceFile, replaceFolder } from './files.ts'

/** What a run writes, beside `logs/`. */
const entries = ['job.yaml', 'journal', 'checkpoints', 'state', 'checkpoint', 'report.json', 'report.html']

/** States are only for going on; one older than the last is kept in case the last cannot be read. */
const statesKept = 2

const stepName = (version: number) => `step-${String(version).padStart(6, '0')}`

export interface SavedCheckpoint {
  sha256: string
  stateSha256: string
}

/** The files of one run. Every write is whole or not at all. */
export class RunFolder {
  readonly path: string

  constructor(path: string) {
    this.path = resolve(path)
  }

  get journal(): string {
    return join(this.path, 'journal')
  }

  get lock(): string {
    return join(this.path, 'lock')
  }

  get finalCheckpoint(): string {
    return join(this.path, 'checkpoint')
  }

  async hasJournal(): Promise<boolean> {
    return (await namesIn(this.journal)).length > 0
  }

  async writeJob(job: Job): Promise<void> {
    await replaceFile(join(this.path, 'job.yaml'), Buffer.from(stringify(job)))
  }

  /** Removes what an earlier run left here; logs stay. */
  async clear(): Promise<void> {
    for (const entry of entries) await rm(join(this.path, entry), { recursive: true, force: true })
  }

  /** Takes the folder itself away where nothing is in it. */
  async removeIfEmpty(): Promise<void> {
    await rmdir(this.path).catch(() => {})
  }

  async saveCheckpoint(version: number, files: readonly FileBytes[], state: Uint8Array, last: boolean): Promise<SavedCheckpoint> {
    await replaceFile(this.#statePath(version), state)
    await replaceFolder(join(this.path, 'checkpoints', stepName(version)), files)
    if (last) await replaceFolder(this.finalCheckpoint, files)
    return { sha256: filesDigest(files), stateSha256: sha256(state) }
  }

  async removeOldStates(): Promise<void> {
    const names = (await namesIn(join(this.path, 'state'))).filter((name) => name.endsWith('.safetensors')).sort()
    for (const name of names.slice(0, -statesKept)) await rm(join(this.path, 'state', name), { force: true })
  }

  /** @throws LetheError STORAGE_WRITE where the state is missing or is not the one that was written. */
  async readState(version: number, expectedSha256: string): Promise<Uint8Array> {
    const path = this.#statePath(version)
    const hint = 'Start the run again with --fresh.'
    const bytes = await readFile(path).catch((cause) => {
      throw new LetheError('STORAGE_WRITE', {
        message: `cannot read ${path}`,
        received: (cause as NodeJS.ErrnoException).code,
        hint,
        cause,
      })
    })
    if (sha256(bytes) !== expectedSha256) throw new LetheError('STORAGE_WRITE', { message: `${path} is damaged`, hint })
    return bytes
  }

  #statePath(version: number): string {
    return join(this.path, 'state', `${stepName(version)}.safetensors`)
  }
}
