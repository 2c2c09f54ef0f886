import { sign } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { LetheError } from '../../protocol/errors.ts'
import { createIdentity, signJoin } from '../../protocol/identity.ts'
import { issueToken, verifyToken } from '../../protocol/token.ts'

const issuer = createIdentity()
const now = Date.UTC(2026, 0, 2, 3, 4, 5)
const hour = 3_600_000
const subject = 'c'.repeat(64)
const token = issueToken(issuer, { role: 'worker', expiresInMs: hour, now })

/** A text that the issuer did sign, with any claims. */
function signedClaims(claims: string): string {
  const encoded = Buffer.from(claims).toString('base64url')
  return `lethe1.${encoded}.${sign(null, Buffer.from(`lethe-token-1\n${encoded}`), issuer.privateKey).toString('base64url')}`
}

t.test('a token says what its issuer vouches for', async (t) => {
  t.match(token, /^lethe1\.[\w-]+\.[\w-]{86}$/)
  t.strictSame(verifyToken(token, issuer.publicKey, now), { role: 'worker', expiresAt: now + hour })
  const bound = issueToken(issuer, { role: 'worker', expiresInMs: hour, now, subject })
  t.strictSame(verifyToken(bound, issuer.publicKey, now), { role: 'worker', expiresAt: now + hour, subject })
})

t.test('time runs out, clocks may differ by a minute', async (t) => {
  t.ok(verifyToken(token, issuer.publicKey, now + hour + 60_000))
  t.throws(() => verifyToken(token, issuer.publicKey, now + hour + 60_001), {
    code: 'CONNECTION_TOKEN',
    message: 'the join token has expired since 2026-01-02T04:04:05.000Z',
  })
})

t.test('other issuers and damaged tokens', async (t) => {
  t.throws(() => verifyToken(token, createIdentity().publicKey, now), { code: 'CONNECTION_TOKEN', message: /another issuer/ })
  const [head, claims, signature] = token.split('.')
  const longer = Buffer.from(JSON.stringify({ role: 'worker', expiresAt: now + 1000 * hour })).toString('base64url')
  t.throws(() => verifyToken(`${head}.${longer}.${signature}`, issuer.publicKey, now), { message: /another issuer, or is damaged/ })
  for (const text of [
    '',
    'lethe1',
    'lethe1..',
    `lethe2.${claims}.${signature}`,
    `${token}.`,
    `${head}.${claims}.${signature}=`,
    `${token}${'x'.repeat(2000)}`,
  ])
    t.throws(() => verifyToken(text, issuer.publicKey, now), { code: 'CONNECTION_TOKEN' }, JSON.stringify(text).slice(0, 40))
  for (const claims of [
    '',
    'null',
    '[]',
    '{"role":"worker"}',
    '{"role":"admin","expiresAt":9e15}',
    '{"role":"worker","expiresAt":1e99}',
    '{"role":"worker","expiresAt":1,"more":1}',
  ])
    t.throws(() => verifyToken(signedClaims(claims), issuer.publicKey, now), { code: 'CONNECTION_TOKEN', message: /damaged/ }, claims)
  t.equal(verifyToken(signedClaims(`{"role":"worker","expiresAt":${now}}`), issuer.publicKey, now).expiresAt, now, 'the control')
})

t.test('a signature of a join is no token', async (t) => {
  const { signature } = signJoin(issuer, { runId: 'a'.repeat(64), epoch: 1, instance: 'b'.repeat(32) })
  t.throws(() => verifyToken(`lethe1.${token.split('.')[1]}.${signature}`, issuer.publicKey, now), { code: 'CONNECTION_TOKEN' })
})

t.test('whatever the text, a refusal and no crash', async (t) => {
  let tried = 0
  const text = fc.oneof(
    fc.string({ maxLength: 200, unit: 'binary' }),
    fc.string({ maxLength: 100 }).map((text) => `lethe1.${text}`),
    fc
      .tuple(fc.nat(token.length - 1), fc.string({ minLength: 1, maxLength: 2 }))
      .map(([at, text]) => token.slice(0, at) + text + token.slice(at + 1)),
    fc.string({ maxLength: 200 }).map(signedClaims),
    fc.jsonValue().map((value) => signedClaims(JSON.stringify(value))),
  )
  fc.assert(
    fc.property(text, (text) => {
      tried++
      try {
        verifyToken(text, issuer.publicKey, now)
        return text === token
      } catch (error) {
        return error instanceof LetheError && error.code === 'CONNECTION_TOKEN'
      }
    }),
    { numRuns: 2000 },
  )
  t.equal(tried, 2000)
})
