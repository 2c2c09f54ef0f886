import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createIdentity, identityPem, publicKeyPem } from '../../protocol/identity.ts'
import { jobYaml } from '../../protocol/jobfile.ts'
import { issueToken } from '../../protocol/token.ts'
import { type Files, makeAuthority, makeCertificate } from '../support/certificates.ts'
import { checkpointFiles, tinyJob, writePictures } from '../support/tiny-job.ts'
import { type Finished, lethe, lethePath } from './command.ts'

/* Coordinator and worker as commands, with TLS, certificates on both sides, and tokens that an issuer signed. */

t.setTimeout(120_000)

const cwd = t.testdir({ parent: {} })
const at = (name: string) => join(cwd, name)
const authority = makeAuthority(cwd, 'authority')
const stranger = makeAuthority(cwd, 'stranger')
const server = makeCertificate(cwd, authority, 'server')
const machine = makeCertificate(cwd, authority, 'machine')
const issuer = createIdentity()
const worker = createIdentity()
const hour = 3_600_000

for (const { path, bytes } of checkpointFiles()) writeFileSync(join(cwd, 'parent', path), bytes)
writeFileSync(at('job.yaml'), jobYaml(tinyJob('unlearn', await writePictures(cwd))))
writeFileSync(at('issuer.pub'), publicKeyPem(issuer.publicKey))
writeFileSync(at('worker.pem'), identityPem(worker))
const token = (name: string, expiresInMs: number, subject?: string, by = issuer) =>
  writeFileSync(at(name), issueToken(by, { role: 'worker', expiresInMs, now: Date.now(), subject }))
token('bound', hour, worker.fingerprint)
token('expired', -hour)
token('forged', hour, undefined, createIdentity())

const tls = (ca: Files, pair?: Files) => ['--tls-ca', ca.cert, ...(pair ? ['--tls-cert', pair.cert, '--tls-key', pair.key] : [])]
const jobArgs = ['job.yaml', '--no-evaluate', '--json']

/** The command until it says where workers find it. */
function startCoordinator(t: Test): Promise<{ bus: string; ended: Promise<Finished> }> {
  const args = ['coordinator', ...jobArgs, '--out', 'secure', '--identity', 'issuer.pub', ...tls(authority, server)]
  const child = spawn(process.execPath, [lethePath, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const finished = { status: null as number | null, stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    finished.stdout += chunk
  })
  const ended = new Promise<Finished>((resolve) => child.once('close', (status) => resolve({ ...finished, status })))
  return new Promise((resolve, reject) => {
    child.once('close', () => reject(new Error(finished.stderr)))
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      finished.stderr += chunk
      const bus = /--bus (wss:\S+)/.exec(finished.stderr)?.[1]
      if (bus) resolve({ bus, ended })
    })
  })
}

t.test('only who has certificate, token and key gets in, and the bits are the same', async (t) => {
  const { bus, ended } = await startCoordinator(t)
  const join = (...args: string[]) => lethe(['worker', '--bus', bus, ...args], { cwd })
  const reference = lethe(['run', ...jobArgs, '--out', 'plain', '--workers', '1'], { cwd })
  const key = ['--identity', 'worker.pem']
  const mutual = tls(authority, machine)
  const refused: Record<string, [Promise<Finished>, status: number, said: RegExp]> = {
    'a token that has expired': [join('--token-file', 'expired', ...mutual), 41, /CONNECTION_TOKEN/],
    'a token of another issuer': [join('--token-file', 'forged', ...mutual), 41, /CONNECTION_TOKEN/],
    'the token of another worker': [
      join('--token-file', 'bound', ...mutual),
      47,
      /CONNECTION_IDENTITY: the join token is bound to another worker/,
    ],
    'no certificate': [join('--token-file', 'bound', ...key, ...tls(authority)), 49, /CONNECTION_CERTIFICATE/],
    'another authority': [join('--token-file', 'bound', ...key, ...tls(stranger, machine)), 49, /CONNECTION_CERTIFICATE/],
    'no TLS': [lethe(['worker', '--bus', bus.replace('wss', 'ws'), '--token-file', 'bound', ...key], { cwd }), 40, /CONNECTION_REFUSED/],
  }
  for (const [name, [run, status, said]] of Object.entries(refused)) {
    const found = await run
    t.equal(found.status, status, `${name}: ${found.stderr}`)
    t.match(found.stderr, said, name)
  }

  const joined = await join('--token-file', 'bound', ...key, ...mutual)
  if (joined.status !== 0) return t.fail(joined.stderr)
  const line = joined.stderr.split('\n').find((one) => one.includes('joined as w'))
  t.match(JSON.parse(line ?? '{}'), { host: hostname(), fingerprint: worker.fingerprint }, 'its log tells which worker it is')
  const secure = await ended
  t.equal(secure.status, 0, secure.stderr)
  const command = `npx lethe worker --bus ${bus} --token-file ISSUED_TOKEN_FILE ${tls(authority, server).join(' ')}`
  t.ok(secure.stderr.includes(`start workers with:\n  ${command}\n`), secure.stderr)
  const plain = await reference
  t.equal(plain.status, 0, plain.stderr)
  t.equal(JSON.parse(secure.stdout).checkpoint.sha256, JSON.parse(plain.stdout).checkpoint.sha256)
})

t.test('plain connections beyond this machine are refused before anything is sent', async (t) => {
  const env = { LETHE_TOKEN: 'x' }
  const said = /CONNECTION_INSECURE/
  t.match(await lethe(['worker', '--bus', 'ws://192.0.2.1:7777'], { cwd, env }), { status: 48, stderr: said })
  t.match(await lethe(['worker', '--bus', 'nats://nats.example:4222'], { cwd, env }), { status: 48, stderr: said })
  t.match(await lethe(['coordinator', 'job.yaml', '--host', '0.0.0.0', '--out', 'open'], { cwd, env }), { status: 48, stderr: said })
  t.match(await lethe(['coordinator', 'job.yaml', '--bus', 'nats://nats.example:4222', '--out', 'open'], { cwd, env }), {
    status: 48,
    stderr: said,
  })
  const password = await lethe(['worker', '--bus', 'tls://user:hunter2@nats.example:4222'], { cwd, env })
  t.match(password, { status: 2, stderr: /must not hold a user or a password/ })
  t.notMatch(password.stderr, 'hunter2')
})
