import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { errorTable } from '../../protocol/errors.ts'
import { examplesPath, lethe } from './command.ts'

const quickstart = join(examplesPath, 'quickstart.yaml')

async function refusal(
  t: Test,
  args: readonly string[],
  code: keyof typeof errorTable,
  contains: string,
  env: Record<string, string> = {},
) {
  const { status, stdout, stderr } = await lethe(args, { env })
  const name = `lethe ${args.map((arg) => arg.replace(examplesPath, 'examples')).join(' ')}`
  t.equal(status, errorTable[code].exitCode, name)
  t.equal(stdout, '', 'nothing on stdout')
  t.match(stderr, new RegExp(`^error ${code}: [^\\n]+\\n$`), 'one line')
  t.ok(stderr.includes(contains), `${JSON.stringify(stderr)} holds ${JSON.stringify(contains)}`)
}

t.test('the command line', async (t) => {
  await refusal(t, ['run'], 'USAGE', "missing required argument 'job'")
  await refusal(t, ['rum'], 'USAGE', 'Did you mean run?')
  await refusal(t, ['run', quickstart, '--worker', '2'], 'USAGE', 'Did you mean --workers?')
  await refusal(t, ['run', quickstart, '--workers', '0'], 'USAGE', 'from 1 to 64')
  await refusal(t, ['run', quickstart, 'another.yaml'], 'USAGE', 'too many arguments')
  await refusal(t, ['explain', quickstart, '--set', 'seed'], 'USAGE', 'key=value')
  await refusal(t, ['worker'], 'USAGE', '--bus')
  await refusal(t, ['worker', '--bus', 'http://127.0.0.1:1'], 'USAGE', 'wss://')
  await refusal(t, ['worker', '--bus', 'nats://127.0.0.1:1', '--cluster', 'A.b'], 'USAGE', 'lower-case letters')
  await refusal(t, ['coordinator', quickstart, '--bus', 'nats://127.0.0.1:1'], 'USAGE', '--token-file')
  await refusal(t, ['worker', '--bus', 'ws://127.0.0.1:1'], 'CONNECTION_TOKEN', 'LETHE_TOKEN')
  await refusal(t, ['worker', '--bus', 'ws://127.0.0.1:1', '--token-file', '/nonexistent'], 'USAGE', 'token file')
  const bare = await lethe([])
  t.equal(bare.status, errorTable.USAGE.exitCode, 'no command')
  t.match(bare.stderr, 'Usage: lethe')
})

t.test('what would end in a hang or a stack trace is refused at once', async (t) => {
  for (const [set, contains] of [
    ['training.batchSize=1000000000000', 'training.batchSize'],
    ['data.sources.1.copies=1000000000000', 'data.sources.1.copies'],
    ['engine.threads=100000', 'engine.threads'],
    ['training.steps=1000000000000000', 'training.steps'],
  ]) {
    await refusal(t, ['explain', quickstart, '--set', set], 'JOB_INVALID', contains)
  }
  const folder = t.testdir({ file: 'no folder' })
  const { status, stderr } = await lethe(['run', quickstart, '--out', join(folder, 'file')])
  t.equal(status, errorTable.STORAGE_WRITE.exitCode)
  t.match(stderr, 'is a file; expected a folder')
  const busy = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => busy.once('listening', resolve))
  t.teardown(() => busy.close())
  const { port } = busy.address() as AddressInfo
  const taken = await lethe(['coordinator', quickstart, '--out', join(folder, 'run'), '--port', String(port)])
  t.equal(taken.status, errorTable.CONNECTION_PORT.exitCode, 'a busy port ends the command')
  t.match(taken.stderr, 'EADDRINUSE')
  const elsewhere = await lethe(['coordinator', quickstart, '--out', join(folder, 'run'), '--host', '300.1.1.1', '--insecure'])
  t.match(elsewhere, { status: errorTable.CONNECTION_PORT.exitCode, stderr: /--host must be an address of this machine/ })
})

t.test('the job file', async (t) => {
  const folder = t.testdir({
    'broken.yaml': 'kind: unlearn\nname: [1, 2',
    'binary.yaml': '\u0000\u0001',
    'large.yaml': 'x'.repeat(2 ** 20 + 1),
  })
  await refusal(t, ['run', join(folder, 'missing.yaml')], 'JOB_FILE_MISSING', 'ENOENT')
  await refusal(t, ['run', folder], 'JOB_FILE_MISSING', 'EISDIR')
  await refusal(t, ['run', join(folder, 'broken.yaml')], 'JOB_NOT_YAML', 'broken.yaml:2')
  await refusal(t, ['explain', join(folder, 'binary.yaml')], 'JOB_INVALID', 'a mapping')
  await refusal(t, ['explain', join(folder, 'large.yaml')], 'JOB_INVALID', 'too large')
  await refusal(
    t,
    ['run', quickstart, '--set', 'method.lambda=2'],
    'JOB_INVALID',
    '`method.lambda` (--set method.lambda) is not allowed; expected a number at most 1; got 2',
  )
  await refusal(t, ['run', quickstart, '--set', 'method.lamda=1'], 'JOB_UNKNOWN_KEY', 'Did you mean `lambda`?')
  await refusal(t, ['run', quickstart, '--set', 'training.batchSize=30'], 'JOB_BATCH_NOT_MULTIPLE', 'expected a multiple of')
})

t.test('a refused job leaves nothing behind', async (t) => {
  const cwd = t.testdir({})
  mkdirSync(join(cwd, 'jobs'))
  writeFileSync(join(cwd, 'jobs/a.yaml'), 'kind: unlearn\nname: a\n')
  const { status } = await lethe(['run', 'jobs/a.yaml'], { cwd })
  t.equal(status, errorTable.JOB_INVALID.exitCode)
  t.same(readdirSync(cwd), ['jobs'])
})

t.test('help is no error', async (t) => {
  for (const args of [['--help'], ['run', '--help'], ['help', 'coordinator'], ['worker', '-h'], ['--version']]) {
    const { status, stdout, stderr } = await lethe(args)
    t.equal(status, 0, args.join(' '))
    t.ok(stdout.length > 0)
    t.equal(stderr, '')
  }
})
