import fc from 'fast-check'
import t from 'tap'
import { checksum } from '../../protocol/checksum.ts'

const prime = 2n ** 130n - 5n
/** The key stream of ChaCha20 for a key and a nonce of zeros begins with these (RFC 8439, A.1, test vector 1): Poly1305's r and s. */
const stream = Buffer.from('76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7', 'hex')

const little = (bytes: Uint8Array) => [...bytes].reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n)

/** Poly1305 as RFC 8439, 2.5 and 2.8 define it, in whole numbers: the bytes, zeros to a multiple of 16, their length, 0. */
function reference(bytes: Uint8Array): string {
  const r = little(stream.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn
  const length = Buffer.alloc(16)
  length.writeBigUInt64LE(BigInt(bytes.length))
  const message = Buffer.concat([bytes, Buffer.alloc((16 - (bytes.length % 16)) % 16), length])
  let sum = 0n
  for (let i = 0; i < message.length; i += 16) sum = ((sum + little(message.subarray(i, i + 16)) + 2n ** 128n) * r) % prime
  const tag = (sum + little(stream.subarray(16))) % 2n ** 128n
  return Buffer.from(tag.toString(16).padStart(32, '0'), 'hex').reverse().toString('hex')
}

t.test('is Poly1305', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => checksum(bytes) === reference(bytes)),
    { numRuns: 300 },
  )
  t.match(checksum(new Uint8Array(0)), /^[0-9a-f]{32}$/)
  const view = Uint8Array.from([9, 1, 2, 3]).subarray(1)
  t.equal(checksum(view), checksum(Uint8Array.of(1, 2, 3)), 'of a view only what it shows')
})
