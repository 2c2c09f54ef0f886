import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type TAP as Tap } from 'tap'
import type { JournalEvent } from '../../../coordinator/journal/journal.ts'
import { NatsJournal, readJournal } from '../../../coordinator/journal/nats.ts'
import { type Log, silentLog } from '../../../coordinator/run/events.ts'
import { NatsBus } from '../../../protocol/bus/nats.ts'
import { startNats } from '../../support/nats.ts'

t.setTimeout(120_000)

const script = fileURLToPath(new URL('../../support/journal-process.ts', import.meta.url))
const spent = (ms: number): JournalEvent => ({ type: 'spent', phase: 'train', ms })
const numbers = (events: JournalEvent[]) => events.flatMap((event) => (event.type === 'spent' ? [event.ms] : []))
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)
const freshName = () => randomBytes(32).toString('hex')

/** One coordinator with a connection of its own. */
async function coordinator(t: Pick<Tap, 'teardown'>, url: string, name: string) {
  const bus = await NatsBus.open(url)
  t.teardown(() => bus.close())
  const store = { log: await bus.log(name), blobs: await bus.blobs(name) }
  const warnings: object[] = []
  const logger: Log = { ...silentLog, warn: (fields) => warnings.push(fields) }
  const open = (epoch: number) => NatsJournal.open({ bus, ...store, epoch, coordinator: randomBytes(16).toString('hex'), logger })
  return { open, read: () => readJournal(store.log, store.blobs), delete: () => store.log.delete(), warnings }
}

t.test('what one coordinator wrote the next one reads, large events too', async (t) => {
  const { url } = await startNats(t)
  const name = freshName()
  const first = await coordinator(t, url, name)
  const journal = await first.open(1)
  const images = new Uint8Array(2 * 1024 * 1024).map((_, i) => i * 7)
  await journal.append({ type: 'evaluated', version: 0, unit: 3, values: [1, Number.NaN], widths: [], payload: images })
  await Promise.all(upTo(50).map((ms) => journal.append(spent(ms))))

  const second = await coordinator(t, url, name)
  const next = await second.open(2)
  const events = next.read()
  t.strictSame(numbers(events), upTo(50))
  const [, evaluated] = events
  t.ok(evaluated.type === 'evaluated' && evaluated.unit === 3 && Buffer.from(images).equals(evaluated.payload))
  t.match(
    [events[0], events.at(-1)],
    [
      { type: 'led', epoch: 1 },
      { type: 'led', epoch: 2 },
    ],
  )
  t.equal(events.length, 53)

  await t.rejects(journal.append(spent(50)), { code: 'RUN_DEPOSED', received: 'epoch 2' }, 'the first one is deposed')
  await t.rejects(journal.append(spent(51)), { code: 'RUN_DEPOSED' })
  await next.append(spent(50))
  t.strictSame(numbers(await first.read()), upTo(51))
  await next.close()
  await second.delete()
  t.strictSame(await second.read(), [])
})

t.test('a server killed in the middle of appends, three times', async (t) => {
  const server = await startNats(t)
  const name = freshName()
  const { open, read, warnings } = await coordinator(t, server.url, name)
  const journal = await open(1)
  let told = 0
  const appends = upTo(1500).map((ms) =>
    journal.append(spent(ms)).then(() => {
      told += 1
    }),
  )
  const killedAt: number[] = []
  for (const kill of [1, 2, 3]) {
    while (told < kill * 350) await sleep(1)
    await server.kill()
    killedAt.push(told)
    await server.restart()
  }
  await Promise.all(appends)
  t.comment(`killed after ${killedAt.join(', ')} of 1500 events; the server forgot its end ${warnings.length} times`)
  t.ok(
    killedAt.every((count) => count < 1500),
    'in the middle',
  )
  t.strictSame(numbers(await read()), upTo(1500), 'all are there once, in order')
})

t.test('a server that comes back with an older store', async (t) => {
  const server = await startNats(t)
  const { open, read, warnings } = await coordinator(t, server.url, freshName())
  const journal = await open(1)
  for (const ms of upTo(5)) await journal.append(spent(ms))
  const store = join(server.folder, 'store')
  const older = join(server.folder, 'older')
  await sleep(300)
  await server.kill()
  cpSync(store, older, { recursive: true })
  await server.restart()
  for (const ms of [5, 6, 7]) await journal.append(spent(ms))
  await server.kill()
  rmSync(store, { recursive: true })
  cpSync(older, store, { recursive: true })
  await server.restart()
  for (let i = 0; i < 200 && numbers(await read()).length < 8; i++) await sleep(50)
  t.strictSame(numbers(await read()), upTo(8), 'what it forgot is written again, before anything new is')
  t.match(warnings, [{ events: 3 }])
  await journal.append(spent(8))
  t.strictSame(numbers(await read()), upTo(9))
})

t.test('a coordinator killed in the middle of appends', async (t) => {
  const { url } = await startNats(t)
  const name = freshName()
  const writer = spawn(process.execPath, ['--import', 'tsx', script, url, name, '1'], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => writer.kill('SIGKILL'))
  let told = 0
  const lines = createInterface({ input: writer.stdout })
  lines.on('line', (line) => {
    told = Number(line) + 1
    if (told === 200) writer.kill('SIGKILL')
  })
  await Promise.all([once(writer, 'exit'), once(lines, 'close')])
  const { open } = await coordinator(t, url, name)
  const inherited = numbers((await open(2)).read())
  t.ok(told >= 200 && inherited.length >= told && inherited.length <= told + 1, `told ${told}, inherited ${inherited.length}`)
  t.strictSame(inherited, upTo(inherited.length))
})
