import { createHash, createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import t from 'tap'
import { LetheError } from '../../protocol/errors.ts'
import {
  createIdentity,
  decodeBase64url,
  fingerprint,
  identityPem,
  joinStatement,
  publicKeyPem,
  readIdentity,
  readPublicKey,
  signJoin,
  verifyJoin,
} from '../../protocol/identity.ts'

const claim = { runId: 'a'.repeat(64), epoch: 3, instance: '0123456789abcdef'.repeat(2) }
const identity = createIdentity()
const signed = { instance: claim.instance, ...signJoin(identity, claim) }

t.test('an identity survives its file', async (t) => {
  const back = readIdentity(identityPem(identity))
  t.equal(back.publicKey, identity.publicKey)
  t.equal(back.fingerprint, identity.fingerprint)
  t.equal(readPublicKey(identityPem(identity)), identity.publicKey, 'the private key tells the public one')
  t.equal(readPublicKey(publicKeyPem(identity.publicKey)), identity.publicKey)
  t.equal(fingerprint(identity.publicKey), createHash('sha256').update(Buffer.from(identity.publicKey, 'base64url')).digest('hex'))
  t.not(createIdentity().fingerprint, identity.fingerprint)
})

t.test('the public key of RFC 8410 is read as OpenSSL reads it', async (t) => {
  const pem = '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n'
  t.equal(
    Buffer.from(readPublicKey(pem), 'base64url').toString('hex').slice(24),
    '19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1',
  )
})

t.test('a join is signed for one run, one leader, one instance, one key', async (t) => {
  t.ok(verifyJoin(signed, claim))
  const bytes = joinStatement({ ...claim, publicKey: identity.publicKey })
  t.ok(verify(null, bytes, createPublicKey(identity.privateKey), Buffer.from(signed.signature, 'base64url')), 'plain Ed25519')
  t.equal(
    Buffer.from(bytes).toString(),
    `lethe-join-1\n{"epoch":3,"instance":"${claim.instance}","publicKey":"${identity.publicKey}","runId":"${claim.runId}"}`,
    'the statement is pinned',
  )
  t.notOk(verifyJoin(signed, { ...claim, epoch: 4 }), 'replayed to the next leader')
  t.notOk(verifyJoin(signed, { ...claim, runId: 'b'.repeat(64) }), 'replayed to another run')
  t.notOk(verifyJoin({ ...signed, instance: 'f'.repeat(32) }, claim))
  t.notOk(verifyJoin({ ...signed, publicKey: createIdentity().publicKey }, claim), 'another key')
})

t.test('keys of other kinds are no identities', async (t) => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const x25519 = generateKeyPairSync('x25519')
  const others = [ec, x25519].map(({ privateKey }) => privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)
  for (const pem of [...others, publicKeyPem(identity.publicKey)])
    t.throws(() => readIdentity(pem), { code: 'USAGE', message: 'the private key cannot be read' })
  const encrypted = identity.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }) as string
  t.throws(() => readIdentity(encrypted), { code: 'USAGE' })

  const der = x25519.publicKey.export({ type: 'spki', format: 'der' }).toString('base64url')
  t.throws(() => fingerprint(der), { code: 'CONNECTION_IDENTITY' }, 'same length, another algorithm')
  t.notOk(verifyJoin({ ...signed, publicKey: der }, claim))
})

t.test('base64url has one text for one value', async (t) => {
  const { signature } = signed
  const last = signature.at(-1) as string
  const twin = String.fromCharCode(last.charCodeAt(0) + 1)
  t.same(Buffer.from(signature, 'base64url'), Buffer.from(signature.slice(0, -1) + twin, 'base64url'), 'Node itself takes both')
  t.notOk(verifyJoin({ ...signed, signature: signature.slice(0, -1) + twin }, claim))
  t.notOk(verifyJoin({ ...signed, signature: `${signature}=` }, claim))
  t.equal(decodeBase64url('AAAA', 2), null)
  t.same(decodeBase64url('AAAA', 3), Buffer.alloc(3))
})

t.test('whatever the bytes, a refusal and no crash', async (t) => {
  const pem = identityPem(identity)
  const garbage = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.string({ maxLength: 300, unit: 'binary' }),
    fc.base64String({ maxLength: 400 }).map((text) => `-----BEGIN PRIVATE KEY-----\n${text}\n-----END PRIVATE KEY-----\n`),
    fc.base64String({ maxLength: 400 }).map((text) => `-----BEGIN PUBLIC KEY-----\n${text}\n-----END PUBLIC KEY-----\n`),
    fc
      .tuple(fc.nat(pem.length - 1), fc.string({ minLength: 1, maxLength: 3 }))
      .map(([at, text]) => pem.slice(0, at) + text + pem.slice(at + 1)),
  )
  const isRefusal = (run: () => unknown, code: string) => {
    try {
      run()
      return true
    } catch (error) {
      return error instanceof LetheError && error.code === code
    }
  }
  fc.assert(
    fc.property(garbage, (text) => isRefusal(() => readIdentity(text), 'USAGE') && isRefusal(() => readPublicKey(text), 'USAGE')),
    { numRuns: 2000 },
  )
  fc.assert(
    fc.property(garbage, garbage, (publicKey, signature) => {
      const forgeries = [{ publicKey }, { signature }, { publicKey, signature }].map((change) => ({ ...signed, ...change }))
      return !forgeries.some((one) => verifyJoin(one, claim)) && isRefusal(() => fingerprint(publicKey), 'CONNECTION_IDENTITY')
    }),
    { numRuns: 1000 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.uint8Array({ minLength: 64, maxLength: 64 }), (point, signature) => {
      const publicKey = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), point]).toString('base64url')
      return !verifyJoin({ ...signed, publicKey, signature: Buffer.from(signature).toString('base64url') }, claim)
    }),
    { numRuns: 500 },
  )
  t.throws(() => readIdentity('x'.repeat(100_000)), { code: 'USAGE' }, 'too large to look at')
})

t.test('an error says nothing of what it was given', async (t) => {
  const secret = identityPem(identity).replace('PRIVATE', 'PRIVAT')
  try {
    readIdentity(secret)
    t.fail('refused')
  } catch (error) {
    const text = `${(error as LetheError).format()} ${(error as Error).stack} ${(error as { cause?: Error }).cause?.stack}`
    t.notMatch(text, secret.split('\n')[1])
  }
})

t.test('an identity can be posted to a thread', async (t) => {
  const code = `const { parentPort, workerData } = require('node:worker_threads')
    parentPort.postMessage(require('node:crypto').sign(null, Buffer.from('x'), workerData.privateKey).toString('base64url'))`
  const thread = new Worker(code, { eval: true, workerData: identity })
  const signature: string = await new Promise((resolve, reject) => thread.once('message', resolve).once('error', reject))
  t.ok(verify(null, Buffer.from('x'), createPublicKey(identity.privateKey), Buffer.from(signature, 'base64url')))
})
