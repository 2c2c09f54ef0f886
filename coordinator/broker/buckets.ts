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
  watching: number
}

const watchable = (bucket = new Bucket()): Watched => ({ bucket, watchers: new SubjectTree(), watching: 0 })

const pageKeys = 500

/** The buckets: changes are on disk before anyone is told. Whoever asks for one that nobody wrote to leaves nothing behind. */
export class Buckets {
  readonly #store: Store
  readonly #buckets = new Map<string, Watched>()

  constructor(store: Store) {
    this.#store = store
    for (const [name, { revision, entries }] of readBuckets(store)) this.#buckets.set(name, watchable(new Bucket(revision, entries)))
  }

  get(name: string, key: string): Entry | null {
    return this.#buckets.get(name)?.bucket.get(key) ?? null
  }

  keys(name: string, after: string): { keys: string[]; isMore: boolean } {
    return this.#buckets.get(name)?.bucket.keys(after, pageKeys) ?? { keys: [], isMore: false }
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
    const watched = this.#bucket(name)
    const { bucket, watchers } = watched
    const one = new SubjectTree<true>()
    one.add(pattern, true)
    const existing = Array.from(bucket.entries()).filter(([key]) => one.match(key).length > 0)
    const remove = watchers.add(pattern, { session, sid })
    watched.watching += 1
    session.subscribe(sid, () => {
      remove()
      watched.watching -= 1
      if (watched.watching === 0 && bucket.isUntouched) this.#buckets.delete(name)
    })
    this.#store.settled((error) => {
      if (!error) for (const [key, { value, revision }] of existing) session.send({ op: 'entry', sid, key, revision, value })
    })
  }

  #bucket(name: string): Watched {
    const watched = this.#buckets.get(name) ?? watchable()
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
