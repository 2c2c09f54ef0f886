import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import t from 'tap'
import { Admission } from '../../protocol/admission.ts'
import { codeDigest } from '../../protocol/code.ts'
import { createIdentity, type Identity, signJoin } from '../../protocol/identity.ts'
import { type Hello, helloSchema } from '../../protocol/messages.ts'
import { protocolVersion } from '../../protocol/socket.ts'
import { issueToken } from '../../protocol/token.ts'

const issuer = createIdentity()
const worker = createIdentity()
const now = Date.UTC(2026, 0, 2)
const minute = 60_000
const join = { runId: 'a'.repeat(64), epoch: 2, now }
const secret = 'Zm9yIHRoZSB0ZXN0cw'

function hello(token: string, who: Identity = worker, changes: Partial<Hello> = {}): Hello {
  const instance = 'd'.repeat(32)
  const facts = {
    instance,
    protocol: protocolVersion,
    code: codeDigest(),
    pid: 1,
    host: 'h',
    token,
    ...signJoin(who, { ...join, instance }),
  }
  return helloSchema.parse({ ...facts, ...changes })
}

const issued = (options: { subject?: string; by?: Identity } = {}) =>
  issueToken(options.by ?? issuer, { role: 'worker', expiresInMs: 10 * minute, now, subject: options.subject })
const admission = (admitted: string[] = []) => new Admission({ issuer: issuer.publicKey, secret: null, admitted })

t.test('a worker with a token gets in, and is known by its key', async (t) => {
  t.equal(admission().admit(hello(issued()), join).fingerprint, worker.fingerprint)
  t.equal(admission().admit(hello(issued({ subject: worker.fingerprint })), join).fingerprint, worker.fingerprint)
})

t.test('refusals', async (t) => {
  const refused = (one: Hello, code: string, message: RegExp, at = join) =>
    t.throws(() => admission().admit(one, at), { code, message }, String(message))
  refused(hello('guess'), 'CONNECTION_TOKEN', /does not know this token/)
  refused(hello(''), 'CONNECTION_TOKEN', /does not know this token/)
  refused(hello(issued({ by: createIdentity() })), 'CONNECTION_TOKEN', /another issuer/)
  refused(hello(issued()), 'CONNECTION_TOKEN', /expired since 2026-01-02T00:10/, { ...join, now: now + 12 * minute })
  refused(hello(issued({ subject: createIdentity().fingerprint })), 'CONNECTION_IDENTITY', /bound to another worker/)
  refused(hello(issued()), 'CONNECTION_IDENTITY', /signature/, { ...join, epoch: 3 })
  refused(hello(issued()), 'CONNECTION_IDENTITY', /signature/, { ...join, runId: 'b'.repeat(64) })
  refused(hello(issued(), worker, { publicKey: createIdentity().publicKey }), 'CONNECTION_IDENTITY', /signature/)
  refused(hello(issued(), worker, { instance: 'e'.repeat(32) }), 'CONNECTION_IDENTITY', /signature/)
  refused(hello(issued(), worker, { protocol: protocolVersion + 1 }), 'CONNECTION_VERSION', /another protocol version/)
  refused(hello(issued(), worker, { code: 'f'.repeat(64) }), 'CONNECTION_VERSION', /other code/)
  refused(hello('guess', worker, { code: 'f'.repeat(64) }), 'CONNECTION_TOKEN', /does not know/)
})

t.test('whoever was admitted comes back after the token has expired', async (t) => {
  const later = { ...join, now: now + 60 * minute }
  const token = issued()
  const known = admission()
  known.admit(hello(token), join)
  t.ok(known.admit(hello(token), later))
  t.equal(known.refusal(token, later.now), null)
  t.throws(() => known.admit(hello(token, createIdentity()), later), { code: 'CONNECTION_TOKEN' }, 'nobody else with that token')
  t.throws(() => known.admit(hello(issued({ by: createIdentity() })), later), { code: 'CONNECTION_TOKEN' }, 'nor with a forged one')

  const next = admission([worker.fingerprint])
  t.ok(next.admit(hello(token), later), 'the journal of the last coordinator says so')
  const elected = admission()
  t.throws(() => elected.admit(hello(token), later), { code: 'CONNECTION_TOKEN' })
  elected.remember(worker.fingerprint)
  t.ok(elected.admit(hello(token), later), 'the journal is read when a standby is elected')
  const bound = issued({ subject: worker.fingerprint })
  t.equal(admission([worker.fingerprint]).refusal(bound, later.now), null)
  t.ok(admission().refusal(bound, later.now))
})

t.test('tokens in upgrades', async (t) => {
  const token = issued()
  t.equal(admission().refusal(token, now), null)
  t.ok(admission().refusal(token, now + 12 * minute))
  t.match(admission().refusal(token, now + 12 * minute), { code: 'CONNECTION_TOKEN', message: /expired since/ })
  t.equal(admission().refusal(token, now), null)
  t.ok(admission().refusal('', now))
  t.ok(admission().refusal(secret, now))
  t.ok(admission().refusal(issued({ by: createIdentity() }), now))
})

t.test('the simple shared token', async (t) => {
  const simple = new Admission({ issuer: null, secret, admitted: [] })
  t.equal(simple.refusal(secret, now), null)
  t.ok(simple.refusal(`${secret}x`, now))
  t.ok(simple.refusal('', now))
  t.equal(simple.admit(hello(secret), join).fingerprint, worker.fingerprint)
  t.throws(() => simple.admit(hello(issued()), join), { code: 'CONNECTION_TOKEN' }, 'without an issuer, no issued token counts')
  t.throws(() => simple.admit(hello(secret, worker, { signature: 'A'.repeat(86) }), join), { code: 'CONNECTION_IDENTITY' })

  const both = new Admission({ issuer: issuer.publicKey, secret, admitted: [] })
  t.equal(both.refusal(secret, now), null)
  t.equal(both.refusal(issued(), now), null)
  const none = new Admission({ issuer: null, secret: null, admitted: [] })
  t.ok(none.refusal('', now))
  t.ok(none.refusal(issued(), now))
  t.throws(() => new Admission({ issuer: null, secret: '', admitted: [] }), { code: 'INTERNAL' })
})

t.test('secrets are compared in constant time, by digests of one length', async (t) => {
  const { timingSafeEqual } = crypto
  const lengths: number[][] = []
  crypto.timingSafeEqual = (a, b) => {
    lengths.push([a.byteLength, b.byteLength])
    return timingSafeEqual(a, b)
  }
  syncBuiltinESMExports()
  t.teardown(() => {
    crypto.timingSafeEqual = timingSafeEqual
    syncBuiltinESMExports()
  })
  const simple = new Admission({ issuer: null, secret, admitted: [] })
  for (const guess of ['', secret.slice(1), secret, 'x'.repeat(4096)]) simple.refusal(guess, now)
  t.strictSame(
    lengths,
    [1, 2, 3, 4].map(() => [32, 32]),
  )
})
