import { connect, type Socket } from 'node:net'
import type { Chance } from '../simulator/chance.ts'
import { noise } from './wild.ts'

/* TCP without a library that keeps the rules: what is sent is what the fuzzer says, and all that comes back is kept. */

const ownAddresses = 200
const partialFrameMs = 2000
let opened = 0

/** Addresses of our own take turns, because a port of one is not free again for a minute. */
function dial(port: number): Socket {
  opened += 1
  const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.1.${1 + (opened % ownAddresses)}`, noDelay: true })
  socket.on('error', () => {})
  return socket
}

export interface Answer {
  text: string
  /** The other end did not close in time. */
  isHeld: boolean
}

/** Sends all at once, and waits until the server closes. With `isOpenEnded` our end stays open. */
export function exchange(port: number, bytes: Uint8Array, { patienceMs = 3000, isOpenEnded = false } = {}): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = dial(port)
    let text = ''
    let isHeld = false
    const patience = setTimeout(() => {
      isHeld = true
      socket.destroy()
    }, patienceMs)
    socket.setEncoding('latin1').on('data', (part: string) => {
      text += part
    })
    socket.on('close', () => {
      clearTimeout(patience)
      resolve({ text, isHeld })
    })
    socket.on('connect', () => (isOpenEnded ? socket.write(bytes) : socket.end(bytes)))
  })
}

export function upgradeRequest(path: string, headers: Record<string, string>): string {
  const all = {
    host: '127.0.0.1',
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'MDEyMzQ1Njc4OWFiY2RlZg==',
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return [`GET ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n')
}

/** A WebSocket frame as a client sends it, with a mask of zeros. */
export function frame(
  payload: Uint8Array,
  { opcode = 2, isLast = true, reserved = 0, isMasked = true, declared = payload.byteLength } = {},
): Buffer {
  const head = Buffer.alloc(14)
  head[0] = (isLast ? 0x80 : 0) | (reserved << 4) | opcode
  const mask = isMasked ? 0x80 : 0
  let length = 2
  if (declared < 126) {
    head[1] = mask | declared
  } else if (declared < 65_536) {
    head[1] = mask | 126
    head.writeUInt16BE(declared, 2)
    length = 4
  } else {
    head[1] = mask | 127
    head.writeBigUInt64BE(BigInt(declared), 2)
    length = 10
  }
  return Buffer.concat([head.subarray(0, length + (isMasked ? 4 : 0)), payload])
}

/** A frame that breaks a rule of WebSocket itself. */
export function brokenFrame(chance: Chance): Buffer {
  const payload = noise(chance, 40)
  return chance.pick([
    () => frame(payload, { opcode: chance.integer(3, 15) }),
    () => frame(payload, { reserved: chance.integer(1, 7) }),
    () => frame(payload, { isMasked: false }),
    () => frame(payload, { declared: chance.pick([2 ** 24, 2 ** 32, 2 ** 53]) }),
    () => frame(payload, { opcode: 0 }),
    () => frame(payload, { opcode: 1 }),
    () => frame(payload, { opcode: 8 }),
    () => frame(Buffer.alloc(200), { opcode: 9 }),
    () => Buffer.concat([frame(payload, { isLast: false }), frame(payload)]),
    () => noise(chance, 60),
  ])()
}

/** Finds the close frame in what a server sends, however it comes in pieces. */
class CloseWatch {
  #rest = Buffer.alloc(0)
  /** Of the payload at hand. */
  #skip = 0

  /** @returns true once the server has said that it closes. */
  read(part: Buffer): boolean {
    const skipped = Math.min(this.#skip, part.byteLength)
    this.#skip -= skipped
    let bytes = Buffer.concat([this.#rest, part.subarray(skipped)])
    while (bytes.byteLength >= 10 || (bytes.byteLength >= 2 && bytes[1] < 126)) {
      if ((bytes[0] & 0x0f) === 8) return true
      const [length, headBytes] =
        bytes[1] < 126 ? [bytes[1], 2] : bytes[1] === 126 ? [bytes.readUInt16BE(2), 4] : [Number(bytes.readBigUInt64BE(2)), 10]
      const end = headBytes + length
      this.#skip = Math.max(0, end - bytes.byteLength)
      bytes = bytes.subarray(end)
    }
    this.#rest = bytes
    return false
  }
}

/** A WebSocket without a client's manners. */
export class RawSocket {
  readonly #socket: Socket
  /** When it has ended, or the server has said that it will. */
  readonly #ended: Promise<void>

  private constructor(socket: Socket) {
    this.#socket = socket
    const watch = new CloseWatch()
    this.#ended = new Promise((resolve) => {
      socket.once('close', () => resolve())
      socket.on('data', (part: Buffer) => {
        if (watch.read(part)) resolve()
      })
    })
  }

  /** @throws Error where it is not let in. */
  static open(port: number, path: string, headers: Record<string, string>): Promise<RawSocket> {
    return new Promise((resolve, reject) => {
      const socket = dial(port)
      let text = ''
      const read = (part: Buffer) => {
        text += part.toString('latin1')
        if (!text.includes('\r\n\r\n')) return
        socket.off('data', read)
        if (text.startsWith('HTTP/1.1 101 ')) resolve(new RawSocket(socket))
        else socket.destroy()
      }
      socket.on('data', read)
      socket.once('close', () => reject(new Error(`not let in: ${text.split('\r\n')[0]}`)))
      socket.write(upgradeRequest(path, headers))
    })
  }

  send(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  /** False where the server keeps it open, even when our end is closed: what looks like a part of a frame is waited for until then. */
  async ends(patienceMs: number): Promise<boolean> {
    const hangUp = setTimeout(() => this.#socket.end(), partialFrameMs)
    let patience: NodeJS.Timeout | undefined
    const late = new Promise<boolean>((resolve) => {
      patience = setTimeout(() => resolve(false), patienceMs)
    })
    const ended = await Promise.race([this.#ended.then(() => true), late])
    clearTimeout(hangUp)
    clearTimeout(patience)
    return ended
  }

  destroy(): void {
    this.#socket.resetAndDestroy()
  }
}
