import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { WorkerPool } from '../../cli/worker-pool.ts'

const idle = 'setInterval(() => {}, 1000)'

function pool(t: Test, script: string, workers = 1) {
  const notices: string[] = []
  const logs = join(t.testdir({}), 'logs')
  const made = new WorkerPool({
    workers,
    env: { LETHE_TOKEN: 'secret' },
    args: ['-e', script],
    logs,
    onNotice: (text) => notices.push(text),
  })
  t.teardown(() => made.stop())
  return { pool: made, notices, logs }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20)
}

t.test('workers get the token in their environment and a log each, and are gone after stop()', async (t) => {
  const { pool: made, logs, notices } = pool(t, `console.log(process.pid, process.env.LETHE_TOKEN); ${idle}`, 2)
  const log = (worker: number) => readFileSync(join(logs, `worker-${worker}.log`), 'utf8')
  await until(() => log(1).includes('secret') && log(2).includes('secret'))
  await made.stop()
  for (const worker of [1, 2]) t.throws(() => process.kill(Number.parseInt(log(worker), 10), 0), { code: 'ESRCH' })
  t.same(notices, [])
})

t.test('a worker that ignores SIGTERM is killed', async (t) => {
  const { pool: made, logs } = pool(t, `process.on('SIGTERM', () => {}); console.log(process.pid); ${idle}`)
  const log = () => readFileSync(join(logs, 'worker-1.log'), 'utf8')
  await until(() => log().includes('\n'))
  await made.stop()
  t.throws(() => process.kill(Number.parseInt(log(), 10), 0), { code: 'ESRCH' })
})

t.test('a worker that dies is started again, with its own words as the reason', async (t) => {
  const { pool: made, notices, logs } = pool(t, `console.error('error DATA_FORMAT: bad file. Hint.'); process.exit(21)`)
  await until(() => notices.length >= 2)
  made.progressed()
  await made.stop()
  t.match(notices[0], 'worker process 1 died (DATA_FORMAT: bad file. Hint)')
  t.ok(readFileSync(join(logs, 'worker-1.log'), 'utf8').split('\n').length >= 3, 'one log for all of them')
})

t.test('logs that cannot be written are a storage error', async (t) => {
  const folder = t.testdir({ file: '' })
  const made = new WorkerPool({ workers: 1, env: {}, args: ['-e', idle], logs: join(folder, 'file', 'logs'), onNotice() {} })
  t.teardown(() => made.stop())
  await t.rejects(made.failed, { code: 'STORAGE_WRITE', exitCode: 61 })
})

t.test('the pool gives up when nothing is achieved', async (t) => {
  const { pool: made, notices } = pool(t, `process.kill(process.pid, 'SIGKILL')`)
  await t.rejects(made.failed, { code: 'RUN_NO_WORKERS', message: /died 5 times .* ended by SIGKILL/ })
  t.equal(notices.length, 4)
})
