import t from 'tap'
import { canonicalJson, digestOf, filesDigest, sha256 } from '../../protocol/digest.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

t.test('sha256 gives the known answers of FIPS 180-4', async (t) => {
  t.equal(sha256(bytes('')), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  t.equal(sha256(bytes('abc')), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  t.equal(sha256([bytes('a'), bytes(''), bytes('bc')]), sha256(bytes('abc')), 'in pieces')
  t.equal(sha256([]), sha256(bytes('')))
})

t.test('a view is hashed, not the buffer behind it', async (t) => {
  t.equal(sha256(bytes('xabcx').subarray(1, 4)), sha256(bytes('abc')))
})

t.test('filesDigest is what `sha256sum | sha256sum` prints, in any order of the files', async (t) => {
  const files = [
    { path: 'b/z.json', bytes: bytes('{}') },
    { path: 'a.txt', bytes: bytes('abc') },
    { path: 'B', bytes: bytes('') },
  ]
  const text = `${sha256(bytes(''))}  B\n${sha256(bytes('abc'))}  a.txt\n${sha256(bytes('{}'))}  b/z.json\n`
  t.equal(filesDigest(files), sha256(bytes(text)))
  t.equal(filesDigest(files.toReversed()), filesDigest(files))
  t.not(filesDigest([{ path: 'a', bytes: bytes('abc') }]), filesDigest([{ path: 'b', bytes: bytes('abc') }]))
  t.throws(() => filesDigest([files[0], files[0]]), RangeError)
  t.throws(() => filesDigest([{ path: 'a\nb', bytes: bytes('') }]), RangeError)
})

t.test('canonical JSON sorts keys at every depth', async (t) => {
  t.equal(canonicalJson({ b: [1, { d: null, c: 'é"\n' }], a: true, '': -0 }), '{"":0,"a":true,"b":[1,{"c":"é\\"\\n","d":null}]}')
  t.equal(canonicalJson({ 10: 'x', 9: 'y', B: 1, a: 2 }), '{"10":"x","9":"y","B":1,"a":2}')
  t.equal(canonicalJson({ a: undefined, b: 1e21 }), '{"b":1e+21}')
  t.equal(canonicalJson(Object.assign(Object.create(null), { a: 1 })), '{"a":1}')
  t.equal(digestOf({ a: 1, b: 2 }), digestOf({ b: 2, a: 1 }))
  t.equal(digestOf({}), '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a')
})

t.test('what JSON cannot hold is refused, not lost', async (t) => {
  for (const value of [Number.NaN, Infinity, undefined, 1n, () => 1, Symbol('s'), new Date(0), new Map(), new Uint8Array(1), [undefined]])
    t.throws(() => canonicalJson({ value: [value] }), TypeError)
  t.throws(() => canonicalJson(new Array(2)), TypeError, 'holes in an array')
})
