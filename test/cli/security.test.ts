import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import t from 'tap'
import { addSecurityOptions, busUrl, type Role, readSecurity, type SecurityOptions } from '../../cli/security.ts'
import { createIdentity, identityPem, publicKeyPem } from '../../protocol/identity.ts'
import { makeAuthority, makeCertificate, pemTexts } from '../support/certificates.ts'

const folder = t.testdir({ credentials: 'worker:hunter2\n' })
const at = (name: string) => join(folder, name)
const identity = createIdentity()
writeFileSync(at('key.pem'), identityPem(identity))
writeFileSync(at('public.pem'), publicKeyPem(identity.publicKey))
const authority = makeAuthority(folder, 'authority')
const certificate = makeCertificate(folder, authority, 'machine')

function parsed(role: Role, args: string[]) {
  const command = addSecurityOptions(new Command().exitOverride(), role)
  return readSecurity(command.parse(args, { from: 'user' }).opts<SecurityOptions>(), role)
}

t.test('nothing is given', async (t) => {
  const nothing = { identity: null, issuer: null, tls: undefined, credentials: undefined, insecure: false }
  t.same(parsed('worker', []), nothing)
  t.same(parsed('coordinator', []), nothing)
})

t.test('a worker has a private key, a coordinator needs the public half', async (t) => {
  t.equal(parsed('worker', ['--identity', at('key.pem')]).identity?.fingerprint, identity.fingerprint)
  t.throws(() => parsed('worker', ['--identity', at('public.pem')]), { code: 'USAGE', expected: /private key/ })
  for (const file of ['key.pem', 'public.pem'])
    t.match(parsed('coordinator', ['--identity', at(file)]), { identity: null, issuer: identity.publicKey })
})

t.test('files', async (t) => {
  const args = ['--tls-ca', authority.cert, '--tls-cert', certificate.cert, '--tls-key', certificate.key]
  const found = parsed('worker', [...args, '--bus-credentials', at('credentials'), '--insecure'])
  t.same(found.tls, pemTexts(authority.cert, certificate))
  t.equal(found.credentials, 'worker:hunter2')
  t.equal(found.insecure, true)
  t.throws(() => parsed('worker', args.slice(0, 4)), { code: 'USAGE', message: '--tls-key is missing' })
  t.throws(() => parsed('worker', ['--bus-credentials', at('nowhere')]), { code: 'USAGE' })
})

t.test('addresses of a bus', async (t) => {
  for (const url of [
    'ws://127.0.0.1:7777',
    'wss://a.example',
    'nats://127.0.0.1:4222',
    'tls://a.example:4222',
    'nats+wss://a.example',
    'tls://a.example:4222,tls://b.example:4222',
  ])
    t.equal(busUrl(url), url)
  for (const url of ['', 'a.example:4222', 'http://a.example', 'tls://', 'nats:4222', 'tls://a.example,', 'tls://a.example,b.example'])
    t.throws(() => busUrl(url), { code: 'commander.invalidArgument' }, url)
  try {
    busUrl('nats://user:hunter2@a.example')
    t.fail('refused')
  } catch (error) {
    t.match(error, { code: 'USAGE', hint: /--bus-credentials/ })
    t.notMatch(JSON.stringify(error), 'hunter2')
  }
})
