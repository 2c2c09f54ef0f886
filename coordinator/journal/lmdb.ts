import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { LetheError } from '../../protocol/errors.ts'
import { diskError } from '../storage/files.ts'
import { checkLmdbFile } from '../storage/lmdb-file.ts'
import { type Journal, type JournalEvent, journalEvent } from './journal.ts'

/** Events under growing numbers in one LMDB file; each is synced to the disk before `append` resolves. */
export class LmdbJournal implements Journal {
  readonly #path: string
  readonly #db: RootDatabase<unknown, number>
  #next: number

  constructor(path: string) {
    this.#path = path
    try {
      checkLmdbFile(join(path, 'data.mdb'), 'a journal', 'Start the run again with --fresh.')
      this.#db = open({ path, encoding: 'msgpack' })
      const [last] = this.#db.getKeys({ reverse: true, limit: 1 })
      this.#next = last === undefined ? 0 : last + 1
    } catch (cause) {
      throw diskError(cause, `cannot open the journal ${path}`)
    }
  }

  async append(event: JournalEvent): Promise<void> {
    const key = this.#next
    this.#next += 1
    try {
      await this.#db.put(key, event)
      await this.#db.flushed
    } catch (cause) {
      throw diskError(cause, `cannot write the journal ${this.#path}`)
    }
  }

  read(): JournalEvent[] {
    return Array.from(this.#db.getRange({}), ({ key, value }) => {
      const result = journalEvent.safeParse(value)
      if (result.success) return result.data
      const [issue] = result.error.issues
      throw new LetheError('STORAGE_WRITE', {
        message: `the journal ${this.#path} is damaged`,
        received: `${issue.code} at ${issue.path.join('.')} of event ${key}`,
        hint: 'Start the run again with --fresh.',
      })
    })
  }

  async close(): Promise<void> {
    await this.#db.close()
  }
}
