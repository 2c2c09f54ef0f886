import t from 'tap'
import { type Log, NatsBus } from '../../../protocol/bus/nats.ts'
import { startNats } from '../../support/nats.ts'
import { bytes, refused, text, until } from './conformance/substrate.ts'

const server = await startNats(t)
const open = async () => {
  const bus = await NatsBus.open(server.url)
  t.teardown(() => bus.close())
  return bus
}
const contents = async (log: Log) => {
  const entries: (string | number | null | undefined)[] = []
  for await (const { sequence, data } of log.read()) entries.push(sequence, text(data))
  return entries
}

t.test('of several writers one appends at a time', async (t) => {
  const logs = await Promise.all(Array.from({ length: 3 }, async () => (await open()).log('writers')))
  t.equal(await logs[0].last(), 0)
  t.same(await contents(logs[0]), [])
  t.equal(await logs[0].append(bytes('1'), 0), 1)
  t.equal(await logs[1].append(bytes('x'), 0), null, 'somebody else was first')
  t.equal(await logs[1].append(bytes('x'), 5), null, 'the log is not that long')
  t.equal(await logs[1].append(bytes('2'), 1), 2)
  t.same(await contents(logs[2]), [1, '1', 2, '2'])
  for (let last = 2; last < 20; last++) {
    const results = await Promise.all(logs.map((log, i) => log.append(bytes(`${last}-${i}`), last)))
    t.same(
      results.filter((result) => result !== null),
      [last + 1],
    )
  }
  t.equal(await logs[2].last(), 20)
  t.equal(await refused(logs[0].append(new Uint8Array(1000 * 1024 + 1), 20)), 'BUS_PAYLOAD')
})

t.test('a log is read in order and whole, whatever its size', async (t) => {
  const log = await (await open()).log('long')
  const data = new Uint8Array(2000)
  for (let i = 0; i < 3000; i += 100)
    // Pipelined appends of one writer: each names the entry before it.
    t.notOk((await Promise.all(Array.from({ length: 100 }, (_, j) => log.append(data, i + j)))).includes(null), 'none is refused')
  let last = 0
  for await (const { sequence, data } of log.read()) {
    if (sequence !== last + 1 || data.byteLength !== 2000) return t.fail(`${sequence} after ${last}`)
    last = sequence
  }
  t.equal(last, 3000)
  for await (const { sequence } of log.read()) if (sequence === 10) break
  t.pass('a reader may stop')
})

t.test('a log outlives the server, and is gone when it is deleted', async (t) => {
  const bus = await open()
  const [log, other] = [await bus.log('kept'), await bus.log('other')]
  for (let i = 0; i < 5; i++) await log.append(bytes(`${i}`), i)
  await other.append(bytes('o'), 0)
  await server.restart()
  t.ok(await until(() => bus.isConnected))
  t.equal(await log.last(), 5)
  t.equal(await log.append(bytes('5'), 5), 6)
  t.same((await contents(log)).slice(-4), [5, '4', 6, '5'])
  await log.delete()
  await log.delete()
  t.equal(await log.last(), 0)
  t.same(await contents(log), [])
  t.equal(await log.append(bytes('new'), 0), 1)
  t.same(await contents(other), [1, 'o'])
})
