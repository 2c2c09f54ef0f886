import type { Entry } from '../../protocol/bus/bus.ts'
import { Bucket, type Change } from './keyvalue.ts'
import { readBuckets, write } from './records.ts'
import type { Session } from './session.ts'
import type { Store } from './store.ts'
import { SubjectTree } from './subjects.ts'

interface Watcher {
  session: Session
  sid: number
}

interface Watched {
  bucket: Bucket
  watchers: SubjectTree<Watcher>
}

const pageKeys = 500

/** The buckets: changes are on disk before anyone is told. */
export class Buckets {
  readonly #store: Store
  readonly #buckets = new Map<string, Watched>()

  constructor(store: Store) {
    this.#store = store
    for (const [name, { revision, entries }] of readBuckets(store))
      this.#buckets.set(name, { bucket: new Bucket(revision, entries), watchers: new SubjectTree() })
  }

  get(name: string, key: string): Entry | null {
    return this.#bucket(name).bucket.get(key)
  }

  keys(name: string, after: string): { keys: string[]; isMore: boolean } {
    return this.#bucket(name).bucket.keys(after, pageKeys)
  }

  /** @returns the new revision, null where the key is not as expected. */
  set(name: string, key: string, value: Uint8Array, expected: number | null): number | null {
    return this.#commit(name, this.#bucket(name).bucket.set(key, value, expected))
  }

  delete(name: string, key: string): void {
    this.#commit(name, this.#bucket(name).bucket.delete(key))
  }

  /** Shows what exists, then every change. */
  watch(session: Session, sid: number, name: string, pattern: string): void {
    const { bucket, watchers } = this.#bucket(name)
    const one = new SubjectTree<true>()
    one.add(pattern, true)
    const existing = Array.from(bucket.entries()).filter(([key]) => one.match(key).length > 0)
    session.subscribe(sid, watchers.add(pattern, { session, sid }))
    this.#store.settled((error) => {
      if (!error) for (const [key, { value, revision }] of existing) session.send({ op: 'entry', sid, key, revision, value })
    })
  }

  #bucket(name: string): Watched {
    const watched = this.#buckets.get(name) ?? { bucket: new Bucket(), watchers: new SubjectTree() }
    this.#buckets.set(name, watched)
    return watched
  }

  #commit(name: string, change: Change | null): number | null {
    if (!change) return null
    const { key, value, revision } = change
    this.#store.set('revisions', [name], write(revision))
    if (value) this.#store.set('entries', [name, key], write({ value, revision }))
    else this.#store.remove('entries', [name, key])
    const watchers = this.#bucket(name).watchers.match(key)
    this.#store.settled((error) => {
      if (!error) for (const { session, sid } of watchers) session.send({ op: 'entry', sid, key, revision, value })
    })
    return revision
  }
}
