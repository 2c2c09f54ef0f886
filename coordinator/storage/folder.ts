import { readFile, rm, rmdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { type FileBytes, listingDigest, sha256Aside } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { Job } from '../../protocol/job.ts'
import { maxYamlBytes, readYaml } from '../../protocol/yaml.ts'
import { diskError, namesIn, partName, replaceFile, replaceFolder } from './files.ts'

/** What a run writes, beside `logs/`. The journal comes last: a folder that was cleared halfway is still a run folder. */
const entries = ['job.yaml', 'cluster.json', 'checkpoints', 'state', 'checkpoint', 'images', 'report.json', 'report.html', 'journal']

/** The files of LMDB, the one with the events last. */
const journalFiles = ['lock.mdb', 'data.mdb']

/** The last one is what a run goes on from; the one before it is for comparing. */
const checkpointsKept = 2

const stepName = (version: number) => `step-${String(version).padStart(6, '0')}`

export interface SavedCheckpoint {
  sha256: string
  stateSha256: string
}

async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch((cause) => {
    throw diskError(cause, `cannot remove ${path}`)
  })
}

/** The files of one run. Every write is whole or not at all. */
export class RunFolder {
  readonly path: string
  #isOurs = false

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

  /** Names the run whose journal is on a bus elsewhere; null where this folder has none. */
  async clusterRun(): Promise<string | null> {
    const text = await readFile(join(this.path, 'cluster.json'), 'utf8').catch(() => null)
    return text === null ? null : (/"runId":"([0-9a-f]{64})"/.exec(text)?.[1] ?? '')
  }

  async writeClusterRun(runId: string): Promise<void> {
    await replaceFile(join(this.path, 'cluster.json'), Buffer.from(JSON.stringify({ runId })))
  }

  async hasJournal(): Promise<boolean> {
    return (await namesIn(this.journal)).includes('data.mdb')
  }

  /** Writes nothing. @throws LetheError RUN_EXISTS where the folder holds what no run wrote. */
  async check(): Promise<void> {
    const found = await stat(this.path).catch(() => null)
    if (found && !found.isDirectory())
      throw new LetheError('STORAGE_WRITE', { message: `${this.path} is a file`, expected: 'a folder', hint: 'Choose another --out.' })
    this.#isOurs = found === null
    if ((await this.hasJournal()) || (await this.clusterRun()) !== null) return
    const names = (await namesIn(this.path)).filter((name) => !/^(journal|logs|lock|lock\..*)$/.test(name))
    const inner = (await namesIn(this.journal)).filter((name) => !journalFiles.includes(name)).map((name) => join('journal', name))
    const [stranger] = [...names, ...inner]
    if (stranger !== undefined)
      throw new LetheError('RUN_EXISTS', {
        message: `${this.path} is not a run folder, it holds ${stranger}`,
        expected: 'a new or empty folder, or one with a run',
        hint: 'Choose another --out.',
      })
  }

  async writeJob(job: Job): Promise<void> {
    await replaceFile(join(this.path, 'job.yaml'), Buffer.from(stringify(job)))
  }

  /** The job that the folder holds, for people to compare: unchecked, null where it cannot be read. */
  async readJob(): Promise<unknown> {
    const path = join(this.path, 'job.yaml')
    const size = await stat(path).then(
      (found) => found.size,
      () => Number.POSITIVE_INFINITY,
    )
    if (size > maxYamlBytes) return null
    try {
      return readYaml(await readFile(path, 'utf8'), 'job').plain
    } catch {
      return null
    }
  }

  /** Removes what a run wrote here; logs stay. */
  async clear(): Promise<void> {
    const journal = journalFiles.map((name) => join('journal', name))
    for (const entry of [...entries.slice(0, -1), ...journal, 'journal'])
      for (const path of [join(this.path, entry), partName(join(this.path, entry))]) await remove(path)
  }

  /** Takes the folder itself away where this run made it and nothing is in it. */
  async removeIfEmpty(): Promise<void> {
    if (this.#isOurs) await rmdir(this.path).catch(() => {})
  }

  async saveCheckpoint(version: number, files: readonly FileBytes[], state: Uint8Array, last: boolean): Promise<SavedCheckpoint> {
    await replaceFile(this.#statePath(version), state)
    await replaceFolder(join(this.path, 'checkpoints', stepName(version)), files)
    if (last) await replaceFolder(this.finalCheckpoint, files)
    const listing: { path: string; sha256: string }[] = []
    for (const { path, bytes } of files) listing.push({ path, sha256: await sha256Aside(bytes) })
    return { sha256: listingDigest(listing), stateSha256: await sha256Aside(state) }
  }

  /** States are only for going on: `durable`, the one that the journal names, is the only one that is. Of checkpoints the last two stay. */
  async prune(durable: number): Promise<void> {
    const versionOf = (name: string) => Number(/^step-([0-9]+)(\.safetensors)?(\.part)?$/.exec(name)?.[1] ?? Number.NaN)
    const remaining = (await namesIn(this.#in('state'))).filter((name) => !Number.isNaN(versionOf(name)))
    for (const name of remaining)
      if (join(this.#in('state'), name) !== this.#statePath(durable)) await remove(join(this.#in('state'), name))
    const checkpoints = (await namesIn(this.#in('checkpoints'))).filter((name) => !Number.isNaN(versionOf(name)))
    checkpoints.sort((a, b) => versionOf(b) - versionOf(a))
    for (const name of checkpoints.slice(checkpointsKept)) await remove(join(this.#in('checkpoints'), name))
  }

  #in(entry: 'state' | 'checkpoints'): string {
    return join(this.path, entry)
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
    if ((await sha256Aside(bytes)) !== expectedSha256) throw new LetheError('STORAGE_WRITE', { message: `${path} is damaged`, hint })
    return bytes
  }

  #statePath(version: number): string {
    return join(this.path, 'state', `${stepName(version)}.safetensors`)
  }
}
