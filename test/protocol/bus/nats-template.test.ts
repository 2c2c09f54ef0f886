import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { NatsBus } from '../../../protocol/bus/nats.ts'
import { downSubject, joinSubject, leaderBucket, leaderKey, upSubject } from '../../../protocol/bus/subjects.ts'
import { startNats } from '../../support/nats.ts'
import { makeCertificates, startTemplate } from '../../support/nats-template.ts'
import { bytes, refused, text, until } from './conformance/substrate.ts'

const server = await startTemplate(t, ['coordinator-1', 'worker-1', 'worker-2', 'operator-1'])
const run = 'run'
const bucket = leaderBucket('default')

const open = async (t: Test, name: string) => {
  const bus = await NatsBus.open(server.tlsUrl, server.options(name))
  t.teardown(() => bus.close())
  return bus
}

t.test('nobody gets in without a certificate and a key', async (t) => {
  const { tls, credentials } = server.options('worker-1')
  t.equal(
    await refused(NatsBus.open(server.tlsUrl, { tls: { ca: tls?.ca }, credentials, connectTimeoutMs: 1000 })),
    'CONNECTION_CERTIFICATE',
    'no certificate',
  )
  t.equal(await refused(NatsBus.open(server.tlsUrl, { tls })), 'BUS_UNAVAILABLE', 'no key')
  t.equal(
    await refused(NatsBus.open(server.tlsUrl, { tls: { cert: tls?.cert, key: tls?.key }, credentials })),
    'CONNECTION_CERTIFICATE',
    'another CA',
  )
  t.equal(await refused(NatsBus.open(server.url, { credentials })), 'CONNECTION_CERTIFICATE', 'no TLS')
})

t.test('a coordinator and a worker can do what a run needs', async (t) => {
  const coordinator = await open(t, 'coordinator-1')
  const worker = await open(t, 'worker-1')

  const seen: string[] = []
  await (await worker.keyValue(bucket)).watch('leader.>', (key, entry) => seen.push(`${key}=${text(entry?.value)}`))
  t.equal(await (await worker.keyValue(bucket)).get(leaderKey(run)), null, 'before there is a leader')

  const leader = await coordinator.keyValue(bucket)
  const revision = (await leader.create(leaderKey(run), bytes('1'))) as number
  await leader.update(leaderKey(run), bytes('2'), revision)
  t.ok(await until(() => seen.at(-1) === 'leader.run=2'))
  t.equal(text((await (await worker.keyValue(bucket)).get(leaderKey(run)))?.value), '2')
  t.same(await (await worker.keyValue(bucket)).keys(), ['leader.run'])

  await coordinator.subscribe(joinSubject('default', run), ({ respond }) => respond(bytes('welcome')))
  let up = ''
  await coordinator.subscribe(upSubject('default', run), ({ data }) => {
    up = text(data) as string
  })
  t.equal(text(await worker.request(joinSubject('default', run), bytes('hello'), { timeoutMs: 3000 })), 'welcome')
  let down = ''
  await worker.subscribe(downSubject('default', run, 'a1'), ({ data }) => {
    down = text(data) as string
  })
  worker.publish(upSubject('default', run), bytes('up'))
  coordinator.publish(downSubject('default', run, 'a1'), bytes('down'))
  t.ok(await until(() => up === 'up' && down === 'down'))

  const log = await coordinator.log('journal')
  t.equal(await log.append(bytes('event'), 0), 1)
  for await (const { data } of log.read()) t.equal(text(data), 'event')
  const queue = await coordinator.queue('tasks', { leaseMs: 5000, maxDeliveries: 2 })
  t.equal(await queue.put('a', bytes('task')), true)
  const lease = await queue.take({ waitMs: 2000 })
  t.equal(await lease?.extend(), true)
  t.equal(await lease?.acknowledge(), true)
  await (await coordinator.blobs('pictures')).put('a', bytes('blob'))
  t.equal(text(await (await coordinator.blobs('pictures')).get('a')), 'blob')
})

t.test('a worker is refused everything else', async (t) => {
  const coordinator = await open(t, 'coordinator-1')
  const [worker, victim] = [await open(t, 'worker-1'), await open(t, 'worker-2')]
  const heard: string[] = []
  await victim.subscribe(downSubject('default', run, 'a2'), ({ subject }) => heard.push(subject))
  await coordinator.subscribe(downSubject('other', run, 'a2'), ({ subject }) => heard.push(subject))
  await coordinator.subscribe('lethe.other.run.up', ({ subject }) => heard.push(subject))

  const values = await worker.keyValue(bucket)
  const before = await (await coordinator.keyValue(bucket)).get(leaderKey(run))
  for (const [what, attempt] of Object.entries({
    'writes the leader record': () => values.put(leaderKey(run), bytes('me')),
    'takes the lease': () => values.update(leaderKey(run), bytes('me'), before?.revision ?? 0),
    'deletes the leader record': () => values.delete(leaderKey(run)),
    'makes a bucket': async () => (await worker.keyValue('mine')).put('a', bytes('')),
    'reads another bucket': async () => (await worker.keyValue('lethe-queue-tasks')).get('a'),
    'reads the journal': async () => {
      for await (const entry of (await worker.log('journal')).read()) return entry
    },
    'writes the journal': async () => (await worker.log('journal')).append(bytes('false'), 1),
    'deletes the journal': async () => (await worker.log('journal')).delete(),
    'puts work': async () => (await worker.queue('tasks', { leaseMs: 5000, maxDeliveries: 2 })).put('b', bytes('')),
    'takes work': async () => (await worker.queue('tasks', { leaseMs: 5000, maxDeliveries: 2 })).take({ waitMs: 100 }),
    'reads blobs': async () => (await worker.blobs('pictures')).get('a'),
    'hears everything': () => worker.subscribe('>', () => {}),
    'hears other workers’ packets': () => worker.subscribe(upSubject('default', run), () => {}),
    'hears those who join': () => worker.subscribe(joinSubject('default', run), () => {}),
  }))
    t.equal(await refused(attempt()), 'BUS_UNAVAILABLE', what)

  worker.publish(downSubject('default', run, 'a2'), bytes('apply'))
  worker.publish(downSubject('other', run, 'a2'), bytes('apply'))
  worker.publish('lethe.other.run.up', bytes('up'))
  coordinator.publish(downSubject('default', run, 'a2'), bytes('real'))
  t.ok(await until(() => heard.length > 0))
  await worker.request(joinSubject('default', run), bytes(''), { timeoutMs: 500 }).catch(() => {})
  t.same(heard, [downSubject('default', run, 'a2')], 'only the coordinator’s packet arrived')

  t.same(await (await coordinator.keyValue(bucket)).get(leaderKey(run)), before)
  t.equal(await (await coordinator.log('journal')).last(), 1)
  t.equal(await (await coordinator.queue('tasks', { leaseMs: 5000, maxDeliveries: 2 })).size(), 0)
})

t.test('a user that is added gets in after a reload, one that is removed is put out', async (t) => {
  server.makeUsers('worker-3')
  t.equal(await refused(NatsBus.open(server.tlsUrl, server.options('worker-3'))), 'BUS_UNAVAILABLE')
  server.installUsers()
  const enter = async () => (await NatsBus.open(server.tlsUrl, server.options('worker-3'))).close()
  t.ok(await until(async () => (await refused(enter())) === 'nothing'))
  const worker = await open(t, 'worker-2')
  server.removeUser('worker-2')
  server.installUsers()
  t.ok(await until(() => !worker.isConnected))
})

t.test('a server that maps certificates to users needs no other credentials', async (t) => {
  const folder = t.testdir()
  const tls = makeCertificates(folder)
  const mapping = await startNats(t, {
    config: ({ port, wsPort, folder: own }) => `
listen: "127.0.0.1:${port}"
jetstream { store_dir: "${join(own, 'store')}" }
websocket { listen: "127.0.0.1:${wsPort}", no_tls: true }
tls { cert_file: "${folder}/server.pem", key_file: "${folder}/server.key", ca_file: "${folder}/ca.pem", verify_and_map: true }
authorization { users: [
  { user: "CN=client,O=Lethe", permissions { publish: "$JS.API.INFO", subscribe: "_INBOX_client.>" } }
  { user: "CN=other,O=Lethe" }
] }
`,
  })
  // An answer reaches it only in the inboxes that are named for its certificate.
  const bus = await NatsBus.open(`tls://127.0.0.1:${mapping.port}`, { tls })
  t.equal(await refused(bus.subscribe('other', () => {})), 'BUS_UNAVAILABLE')
  await bus.close()
})

t.test('users.js keeps the keys that are there, and their files private', async (t) => {
  const folder = t.testdir()
  const users = new URL('../../../deploy/nats/users.js', import.meta.url).pathname
  const make = (...args: string[]) =>
    String(execFileSync(process.execPath, [users, folder, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }))
  t.match(make('coordinator-1', 'worker-a'), /^2 users in /)
  const seed = readFileSync(join(folder, 'worker-a.seed'), 'utf8')
  t.equal(statSync(join(folder, 'worker-a.seed')).mode & 0o777, 0o600)
  t.match(make('worker-b', '--cluster', 'blue'), /^3 users in /)
  t.equal(readFileSync(join(folder, 'worker-a.seed'), 'utf8'), seed)
  const config = readFileSync(join(folder, 'users.conf'), 'utf8')
  t.notMatch(config, seed.trim())
  t.match(config, /KV_lethe-blue/)
  rmSync(join(folder, 'worker-b.seed'))
  t.match(make(), /^2 users in /, 'a user whose seed is gone is shut out')
  for (const bad of [['boss-1'], ['worker-../x'], ['worker-1', '--cluster', 'a b'], ['-1']]) t.throws(() => make(...bad), bad.join(' '))
})
