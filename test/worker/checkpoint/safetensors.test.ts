import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { LetheError } from '../../../protocol/errors.ts'
import { decodeSafetensors, encodeSafetensors, floats } from '../../../worker/checkpoint/safetensors.ts'

const golden = new URL('../../golden/', import.meta.url)
const goldenFiles = readdirSync(golden, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.safetensors'))

function file(header: string, payload = new Uint8Array(0)): Uint8Array {
  const json = Buffer.from(header)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, payload])
}

t.test('every golden file, written by the Python library, comes back byte for byte', (t) => {
  t.ok(goldenFiles.length >= 10)
  for (const name of goldenFiles) {
    const bytes = new Uint8Array(readFileSync(new URL(name, golden)))
    const { tensors, metadata } = decodeSafetensors(bytes)
    t.equal(Buffer.compare(encodeSafetensors(tensors.values(), metadata), bytes), 0, name)
  }
  t.end()
})

t.test('golden model: order, shapes and metadata', (t) => {
  const { tensors, metadata } = decodeSafetensors(readFileSync(new URL('unet2d/diffusion_pytorch_model.safetensors', golden)))
  t.same(metadata, { format: 'pt' })
  t.equal([...tensors.keys()][0], 'conv_in.weight')
  t.same(tensors.get('conv_in.weight')?.shape, [16, 1, 3, 3])
  t.equal(
    [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0),
    408_641,
  )
  t.end()
})

t.test('half and brain floats are widened, other types kept', (t) => {
  const header = JSON.stringify({
    half: { dtype: 'F16', shape: [5], data_offsets: [0, 10] },
    brain: { dtype: 'BF16', shape: [2], data_offsets: [10, 14] },
    counts: { dtype: 'I64', shape: [1], data_offsets: [14, 22] },
    double: { dtype: 'F64', shape: [], data_offsets: [22, 30] },
  })
  const payload = Buffer.alloc(30)
  for (const [i, bits] of [0x3c00, 0xc000, 0x0001, 0x7bff, 0xfc00, 0x3f80, 0xc049].entries()) payload.writeUInt16LE(bits, 2 * i)
  payload.writeBigInt64LE(-7n, 14)
  payload.writeDoubleLE(Math.PI, 22)
  const { tensors } = decodeSafetensors(file(header, payload))
  t.same([...floats(tensors, 'half')], [1, -2, 2 ** -24, 65504, Number.NEGATIVE_INFINITY])
  t.same([...floats(tensors, 'brain')], [1, -3.140625])
  t.same([...floats(tensors, 'counts')], [-7])
  t.equal(tensors.get('double')?.data[0], Math.PI)
  t.throws(() => floats(tensors, 'other'), { code: 'CHECKPOINT_TENSORS' })
  t.end()
})

t.test('what the format forbids is CHECKPOINT_FORMAT', (t) => {
  const one = '"dtype":"U8","shape":[2]'
  const cases: Record<string, Uint8Array> = {
    'empty file': new Uint8Array(0),
    'header longer than the file': file('{}').subarray(0, 9),
    'header length beyond the limit': Uint8Array.from([255, 255, 255, 255, 255, 255, 255, 255, 123]),
    'no brace': file(' {}'),
    'not JSON': file('{"a":}'),
    'not UTF-8': Buffer.concat([file('{"a"').fill(0xff, 9), Buffer.alloc(0)]),
    hole: file(`{"a":{${one},"data_offsets":[1,3]}}`, new Uint8Array(3)),
    'bytes left over': file(`{"a":{${one},"data_offsets":[0,2]}}`, new Uint8Array(3)),
    overlap: file(`{"a":{${one},"data_offsets":[0,2]},"b":{${one},"data_offsets":[1,3]}}`, new Uint8Array(3)),
    'duplicate tensor': file(`{"a":{${one},"data_offsets":[0,2]},"a":{${one},"data_offsets":[0,2]}}`, new Uint8Array(2)),
    'duplicate key in a tensor': file('{"a":{"dtype":"U8","dtype":"U8","shape":[2],"data_offsets":[0,2]}}', new Uint8Array(2)),
    'size and shape differ': file('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,2]}}', new Uint8Array(2)),
    'negative size': file('{"a":{"dtype":"U8","shape":[-1,-2],"data_offsets":[0,2]}}', new Uint8Array(2)),
    'unknown type': file('{"a":{"dtype":"X9","shape":[2],"data_offsets":[0,2]}}', new Uint8Array(2)),
    'backward offsets': file('{"a":{"dtype":"U8","shape":[0],"data_offsets":[2,1]}}', new Uint8Array(2)),
    'metadata not text': file('{"__metadata__":{"a":1}}'),
    'null entry': file('{"a":null}'),
  }
  for (const [name, bytes] of Object.entries(cases)) t.throws(() => decodeSafetensors(bytes), { code: 'CHECKPOINT_FORMAT' }, name)
  t.end()
})

t.test('writing refuses a wrong size and a reserved name', (t) => {
  const data = new Float32Array(2)
  t.throws(() => encodeSafetensors([{ name: 'a', dtype: 'F32', shape: [3], data }]), { code: 'CHECKPOINT_FORMAT' })
  t.throws(() => encodeSafetensors([{ name: '__metadata__', dtype: 'F32', shape: [2], data }]), { code: 'CHECKPOINT_FORMAT' })
  t.end()
})

t.test('random and truncated bytes never do more than throw a LetheError', (t) => {
  const whole = encodeSafetensors([{ name: 'a', dtype: 'F32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }], { format: 'pt' })
  const decodes = (bytes: Uint8Array) => {
    try {
      decodeSafetensors(bytes)
      return true
    } catch (error) {
      if (!(error instanceof LetheError)) throw error
      return false
    }
  }
  for (let length = 0; length < whole.length; length++) t.notOk(decodes(whole.subarray(0, length)))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      decodes(bytes)
    }),
  )
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
      decodes(whole.with(at, byte))
    }),
  )
  t.end()
})
