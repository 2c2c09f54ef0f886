import t from 'tap'
import { decodeMessage, encodeMessage } from '../../protocol/frame.ts'
import { maxPictureBytes, workerMessage } from '../../protocol/messages.ts'

const digest = '0'.repeat(64)
const opened = (reference: object | null) => ({
  type: 'opened',
  parentDigest: digest,
  held: null,
  meshUrl: null,
  reference,
  summary: {
    parameterCount: 1,
    channels: ['keep'],
    microBatches: 1,
    manifestDigest: digest,
    forgetDigest: digest,
    items: 2,
    forgetItems: 1,
    imageShape: [8, 8, 1],
    engine: 'onnx',
  },
})

t.test('a reference picture has as many pixels as it says, and fits into a message', async (t) => {
  const read = (reference: object | null) => decodeMessage(encodeMessage(opened(reference)), workerMessage)
  const largest = { height: 512, width: 512, channels: 3, pixels: new Uint8Array(maxPictureBytes) }
  t.match(read(largest), { reference: { height: 512 } })
  t.match(read(null), { reference: null })
  t.throws(() => read({ ...largest, width: 511 }), { code: 'CONNECTION_FRAME' })
  t.throws(() => read({ ...largest, width: 513, pixels: new Uint8Array(512 * 513 * 3) }), { code: 'CONNECTION_FRAME' })
})
