import fc from 'fast-check'
import t from 'tap'
import type { JournalEvent } from '../../../coordinator/journal/journal.ts'
import { NatsJournal, readJournal } from '../../../coordinator/journal/nats.ts'
import { silentLog } from '../../../coordinator/run/events.ts'
import { type Fate, FickleLog, type LogFlaw } from '../../support/fickle-log.ts'

/** What the journal makes of logs that fail in every way; `nats.test.ts` has a real server. */

t.setTimeout(60_000)

const spent = (ms: number, phase = 'train'): JournalEvent => ({ type: 'spent', phase, ms })
const names = { a: 'a'.repeat(32), b: 'b'.repeat(32) }

function open(store: FickleLog, coordinator: string, epoch: number) {
  return NatsJournal.open({ bus: store, log: store.log, blobs: store.blobs, epoch, coordinator, logger: silentLog })
}

const numbers = (events: JournalEvent[], phase = 'train') =>
  events.flatMap((event) => (event.type === 'spent' && event.phase === phase ? [event.ms] : []))
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)
const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

/** One writer, some appends at once and some one after another. @returns whether the log ends with every event once, in order. */
async function single(fates: Fate[], atOnce: boolean, flaw: LogFlaw = 'none'): Promise<boolean> {
  const store = new FickleLog(fates, flaw)
  const journal = await open(store, names.a, 1)
  const appends = upTo(12).map((ms) => () => journal.append(spent(ms)))
  if (atOnce) await Promise.all(appends.map((append) => append()))
  else for (const append of appends) await append()
  store.crash(2)
  await journal.append(spent(12))
  await journal.close()
  const events = await readJournal(store.log, store.blobs)
  return isSame(numbers(events), upTo(13)) && isSame(journal.read(), events) && events.length === 14
}

/** A second writer takes over in the middle. @returns whether nothing that the first one was told is lost, and all of the second's is there. */
async function takenOver(fates: Fate[], turn: number, flaw: LogFlaw = 'none'): Promise<boolean> {
  const store = new FickleLog(fates, flaw)
  const first = await open(store, names.a, 1)
  let told = 0
  let refusal = ''
  const writing = (async () => {
    for (const ms of upTo(40)) {
      await first.append(spent(ms)).catch((error) => {
        refusal ||= error.code
        throw error
      })
      told = ms + 1
    }
  })().catch(() => {})
  for (let i = 0; i < turn; i++) await new Promise(setImmediate)
  const toldBefore = told
  const second = await open(store, names.b, 2)
  const inherited = numbers(second.read())
  for (const ms of upTo(5)) await second.append(spent(ms, 'after'))
  await writing
  const isDone = refusal === '' && told === 40
  const events = await readJournal(store.log, store.blobs)
  return (
    (isDone || refusal === 'RUN_DEPOSED') &&
    inherited.length >= toldBefore &&
    told <= inherited.length &&
    isSame(inherited, upTo(inherited.length)) &&
    isSame(numbers(events), inherited) &&
    isSame(numbers(events, 'after'), upTo(5))
  )
}

const faults: Fate[] = ['lostBefore', 'lostAfter', 'late']
const fates = (kinds: Fate[]) =>
  fc.array(fc.oneof({ weight: 3, arbitrary: fc.constant<Fate>('done') }, { weight: 1, arbitrary: fc.constantFrom(...kinds) }), {
    maxLength: 14,
    size: 'max',
  })

/** At once, since each waits for its retries. @returns the inputs that do not hold. */
async function failures<Input>(inputs: Input[], holds: (input: Input) => Promise<boolean>): Promise<Input[]> {
  const results = await Promise.all(inputs.map(async (input) => ((await holds(input)) ? null : input)))
  return results.filter((input) => input !== null)
}

t.test('one writer: no event is lost or doubled, whatever becomes of calls and of the end of the log', async (t) => {
  const inputs = fc.sample(fc.tuple(fates([...faults, 'crash']), fc.boolean()), 250)
  t.strictSame(await failures(inputs, (input) => single(...input)), [], '250 schedules')
  const doubled = await failures(inputs, (input) => single(...input, 'writesTwice').catch(() => false))
  t.ok(doubled.length > 200, 'a log that writes twice is found')
})

t.test('two writers: the second has all that the first was told, and the first is deposed', async (t) => {
  const inputs = fc.sample(fc.tuple(fates(faults), fc.nat(60)), 250)
  t.strictSame(await failures(inputs, (input) => takenOver(...input)), [], '250 schedules')
  const found = await failures(inputs, (input) => takenOver(...input, 'comparesNothing').catch(() => false))
  t.ok(found.length > 50, 'a log that does not compare is found')
})

t.test('what a deposed coordinator slips in behind a forgotten end does not count', async (t) => {
  const store = new FickleLog([])
  const first = await open(store, names.a, 1)
  await first.append(spent(0))
  await first.append(spent(1))
  // The server forgets the last entry, and the first writer does not hear of it.
  store.entries.pop()
  const second = await open(store, names.b, 2)
  await first.append(spent(2))
  t.equal(store.entries.length, 4, 'the log lets it through')
  t.strictSame(numbers(await readJournal(store.log, store.blobs)), [0])
  await second.append(spent(3))
  t.strictSame(numbers(await readJournal(store.log, store.blobs)), [0, 3])
  t.strictSame(await readJournal(store.log, store.blobs), second.read())
  await t.rejects(first.append(spent(4)), { code: 'RUN_DEPOSED', received: 'epoch 2' })
  await t.rejects(first.append(spent(5)), { code: 'RUN_DEPOSED' }, 'for good')
})

t.test('an epoch leads once', async (t) => {
  const store = new FickleLog([])
  await open(store, names.a, 5)
  await t.rejects(open(store, names.b, 5), { code: 'RUN_DEPOSED' })
  await t.rejects(open(store, names.b, 4), { code: 'RUN_DEPOSED' })
  await open(store, names.b, 6)
  t.equal(store.entries.length, 2)
})

t.test('large events are blobs, written again where they are gone', async (t) => {
  const store = new FickleLog([])
  const journal = await open(store, names.a, 1)
  const images = new Uint8Array(3 * 1024 * 1024).fill(7)
  const event = {
    type: 'evaluated' as const,
    version: 0,
    unit: 0,
    values: [1, Number.NaN, Number.POSITIVE_INFINITY],
    widths: [],
    payload: images,
  }
  await journal.append(event)
  t.ok(store.entries[1].byteLength < 1000)
  const read = async () => {
    const [, found] = await readJournal(store.log, store.blobs)
    if (found.type !== 'evaluated') throw new Error(found.type)
    t.ok(Buffer.from(images).equals(found.payload))
    return found.values
  }
  t.strictSame(await read(), event.values)
  store.loseBlobs()
  await t.rejects(readJournal(store.log, store.blobs), { code: 'STORAGE_WRITE', message: /damaged/ })
  store.crash(1)
  await journal.append(spent(0))
  await read()
})

t.test('damaged entries are one clear error', async (t) => {
  for (const bytes of [new Uint8Array([1, 2, 3]), new Uint8Array(), new Uint8Array([0x80])]) {
    const store = new FickleLog([])
    store.entries.push(bytes)
    await t.rejects(readJournal(store.log, store.blobs), { code: 'STORAGE_WRITE', message: /damaged/ })
    await t.rejects(open(store, names.a, 1), { code: 'STORAGE_WRITE', message: /damaged/ })
  }
})

t.test('appends wait while the bus is away, and reject when the journal is closed', async (t) => {
  const store = new FickleLog([])
  const journal = await open(store, names.a, 1)
  const away = new FickleLog(Array.from({ length: 1000 }, () => 'lostBefore' as const))
  store.log.append = away.log.append
  const waiting = journal.append(spent(0))
  await new Promise((resolve) => setTimeout(resolve, 600))
  await journal.close()
  await t.rejects(waiting, { code: 'BUS_UNAVAILABLE' })
})
