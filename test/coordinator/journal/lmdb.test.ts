import { join } from 'node:path'
import { open } from 'lmdb'
import t from 'tap'
import { emptyHistory, fold, type JournalEvent, resumed } from '../../../coordinator/journal/journal.ts'
import { LmdbJournal } from '../../../coordinator/journal/lmdb.ts'
import { packResult, unpackResult } from '../../../protocol/evaluated.ts'

const digest = (n: number) => String(n).padStart(64, '0')
const commit = (version: number): JournalEvent => ({
  type: 'committed',
  version,
  digest: digest(version),
  workers: 1,
  losses: { keep: 1 / 3 },
  norms: { keep: 2 },
  updateNorm: 2,
  stepMs: 5,
})

const events: JournalEvent[] = [
  { type: 'opened', jobDigest: digest(1), parentSha256: digest(2) },
  { type: 'evaluated', version: 0, unit: 1, values: [1, 0.1], widths: [], payload: new Uint8Array([1, 2, 255]) },
  ...[1, 2, 3].map(commit),
  { type: 'checkpoint', version: 2, digest: digest(2), sha256: digest(3), stateSha256: digest(4) },
  { type: 'spent', phase: 'train', ms: 3 },
]

t.test('what was appended is read again, by another process of the journal too', async (t) => {
  const path = join(t.testdir(), 'journal')
  const first = new LmdbJournal(path)
  t.strictSame(first.read(), [])
  for (const event of events.slice(0, 3)) await first.append(event)
  await first.close()
  const second = new LmdbJournal(path)
  for (const event of events.slice(3)) await second.append(event)
  t.same(second.read(), events)
  await second.close()
})

t.test('what a journal from before extractors says of a classifier', async (t) => {
  const path = join(t.testdir(), 'journal')
  const db = open({ path, encoding: 'msgpack' })
  const old = { type: 'evaluated', version: 0, unit: 1, values: [1], payload: new Uint8Array([1, 2, 255]) }
  await db.put(0, { ...old, judged: { classes: 10, features: 64 } })
  await db.put(1, { ...old, judged: null })
  await db.put(2, { ...old, judged: null, widths: [] })
  await db.close()
  const journal = new LmdbJournal(path)
  t.throws(() => journal.read(), { code: 'STORAGE_WRITE', received: /event 2/ }, 'one form or the other')
  await journal.close()
  const again = open({ path, encoding: 'msgpack' })
  await again.remove(2)
  await again.close()
  const repaired = new LmdbJournal(path)
  t.match(repaired.read(), [
    { ...old, widths: [10, 64] },
    { ...old, widths: [] },
  ])
  await repaired.close()
})

t.test('readings are what they were', async (t) => {
  const readings = [Float32Array.of(1, 2, 3, 4), Float32Array.of(5, Number.NaN)]
  const { payload, ...packed } = packResult({ values: [0, 1], images: Uint8Array.of(1, 2, 3, 4, 5), readings })
  const journal = new LmdbJournal(join(t.testdir(), 'journal'))
  t.teardown(() => journal.close())
  await journal.append({ type: 'evaluated', version: 0, unit: 0, ...packed, payload: new Uint8Array(payload) })
  const [event] = journal.read()
  if (event.type !== 'evaluated') return t.fail('another event')
  const { values, images, readings: read } = unpackResult(event)
  t.strictSame([values, [...images], read], [[0, 1], [1, 2, 3, 4, 5], readings])
})

t.test('a damaged journal is one clear error', async (t) => {
  const path = join(t.testdir(), 'journal')
  const db = open({ path, encoding: 'msgpack' })
  await db.put(0, { type: 'committed', version: -1 })
  await db.close()
  const journal = new LmdbJournal(path)
  t.throws(() => journal.read(), { code: 'STORAGE_WRITE', message: /damaged/ })
  await journal.close()
})

t.test('the fold is the state of the run', async (t) => {
  const history = events.reduce(fold, emptyHistory())
  fold(history, commit(3))
  fold(history, commit(5))
  t.strictSame(
    history.commits.map(({ version }) => version),
    [1, 2, 3],
    'no version twice, none after a hole',
  )
  const { durable, journaled, digests, evaluated } = resumed(history, null)
  t.equal(durable, 2)
  t.equal(journaled, 3)
  t.strictSame(digests, { 2: digest(2), 3: digest(3) })
  t.strictSame([...(evaluated.get(0) ?? [])], [1])
  t.strictSame(history.spentMs, { train: 3 })
})

t.test('a file that is no journal is one clear error, not the end of the process', async (t) => {
  const path = t.testdir({ 'data.mdb': 'x'.repeat(20_000) })
  t.throws(() => new LmdbJournal(path), { code: 'STORAGE_WRITE', message: /is not a journal/, hint: /--fresh/ })
})
