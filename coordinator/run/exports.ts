import type { FileBytes } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'

/** What a worker sent of one version: its state, and the checkpoint's files where they were asked for. */
export interface Exported {
  version: number
  digest: string
  state: Uint8Array
  files: FileBytes[]
}

const maxFiles = 16

/** Collects the answers to `export`: files first, the state closes it. Only the ticket that was asked of a worker is taken. */
export class Exports {
  #asked: { ticket: number; worker: string; files: FileBytes[] } | null = null
  /** The newest complete one, for newcomers that wait for it. */
  #last: { ticket: number; exported: Exported } | null = null

  ask(ticket: number, worker: string): void {
    this.#asked = { ticket, worker, files: [] }
  }

  isAsked(ticket: number, worker: string): boolean {
    return this.#asked?.ticket === ticket && this.#asked.worker === worker
  }

  addFile(file: FileBytes): void {
    const files = this.#asked?.files ?? []
    if (files.length >= maxFiles || !/^[\w.-]+$/.test(file.path) || /^\.+$/.test(file.path))
      throw new LetheError('CONNECTION_FRAME', { message: 'A worker sent a file that a checkpoint does not have' })
    files.push(file)
  }

  complete(ticket: number, version: number, digest: string, state: Uint8Array): Exported {
    const exported = { version, digest, state, files: this.#asked?.files ?? [] }
    this.#asked = null
    this.#last = { ticket, exported }
    return exported
  }

  get(ticket: number): Exported {
    if (this.#last?.ticket !== ticket) throw new LetheError('INTERNAL', { message: `export ${ticket} is not here` })
    return this.#last.exported
  }
}
