import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readIdentity } from '../../protocol/identity.ts'
import { verifyToken } from '../../protocol/token.ts'
import { lethe } from './command.ts'

t.setTimeout(60_000)
const cwd = t.testdir({ 'text.pem': 'no key' })
const read = (name: string) => readFileSync(join(cwd, name), 'utf8')

t.test('a key in a file that only its owner can read', async (t) => {
  const made = await lethe(['identity', 'create', '--out', 'key.pem'], { cwd })
  t.match(made, { status: 0, stdout: /^[0-9a-f]{64}\n$/, stderr: '' })
  t.equal(statSync(join(cwd, 'key.pem')).mode & 0o777, 0o600)
  t.equal(made.stdout, `${readIdentity(read('key.pem')).fingerprint}\n`)
  t.notMatch(made.stdout + made.stderr, read('key.pem').split('\n')[1])

  const before = read('key.pem')
  t.match(await lethe(['identity', 'create', '--out', 'key.pem'], { cwd }), { status: 2, stderr: /USAGE: key.pem exists/ })
  t.equal(read('key.pem'), before, 'left alone')
  t.match(await lethe(['identity', 'create', '--out', 'nowhere/key.pem'], { cwd }), { status: 61, stderr: /STORAGE_WRITE/ })

  const shown = await lethe(['identity', 'show', 'key.pem', '--public'], { cwd })
  writeFileSync(join(cwd, 'public.pem'), shown.stdout)
  t.equal((await lethe(['identity', 'show', 'public.pem'], { cwd })).stdout, made.stdout, 'the public half has the same fingerprint')
})

t.test('a token on stdout and nothing else', async (t) => {
  const { publicKey, fingerprint } = readIdentity(read('key.pem'))
  const startedAt = Date.now()
  const made = await lethe(['token', '--identity', 'key.pem'], { cwd })
  t.match(made, { status: 0, stdout: /^lethe1\.[\w-]+\.[\w-]+\n$/, stderr: '' })
  const claims = verifyToken(made.stdout.trim(), publicKey, Date.now())
  t.ok(claims.expiresAt >= startedAt + 3_600_000 && claims.expiresAt <= Date.now() + 3_600_000, 'an hour')

  const bound = await lethe(['token', '--identity', 'key.pem', '--ttl', '15m', '--for', fingerprint], { cwd })
  t.match(verifyToken(bound.stdout.trim(), publicKey, Date.now()), { subject: fingerprint })
  t.throws(() => verifyToken(bound.stdout.trim(), publicKey, Date.now() + 17 * 60_000), { code: 'CONNECTION_TOKEN' })
})

t.test('what it refuses', async (t) => {
  const refused = async (args: string[], message: RegExp) => {
    const { status, stdout, stderr } = await lethe(['token', ...args], { cwd })
    t.match({ status, stdout }, { status: 2, stdout: '' }, args.join(' '))
    t.match(stderr, message)
  }
  await refused([], /--identity/)
  await refused(['--identity', 'nowhere.pem'], /cannot be read; got ENOENT/)
  await refused(['--identity', 'text.pem'], /expected an Ed25519 private key/)
  await refused(['--identity', 'public.pem'], /expected an Ed25519 private key/)
  for (const ttl of ['0s', '31d', '1', '1y', '-1h']) await refused(['--identity', 'key.pem', `--ttl=${ttl}`], /--ttl/)
  await refused(['--identity', 'key.pem', '--for', 'abc'], /64 hexadecimal digits/)
})
