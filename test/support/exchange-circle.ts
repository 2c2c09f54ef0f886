import { CentralReducer } from '../../coordinator/reduce/central.ts'
import type { Reduction } from '../../coordinator/reduce/reducer.ts'
import { ShardedReducer } from '../../coordinator/reduce/sharded.ts'
import { sliceBorders } from '../../protocol/blocks.ts'
import { checksum } from '../../protocol/checksum.ts'
import type { LetheError } from '../../protocol/errors.ts'
import type { MeshBulk, MeshMessage, Slice, WireEncoding } from '../../protocol/messages.ts'
import { type Method, method } from '../../protocol/method.ts'
import { TreeSum } from '../../protocol/tree.ts'
import { addInPlace } from '../../protocol/vector.ts'
import { type Contribution, Exchange } from '../../worker/exchange/exchange.ts'

export const runId = 'a'.repeat(64)
const clipNorm = 3

/** Fast numbers of all sizes; the same for the same seed. */
export function noise(length: number, seed: number): Float32Array {
  const values = new Float32Array(length)
  let state = Math.imul(seed, 2654435761) | 1
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    values[i] = (state / 2 ** 31) * 2 ** ((state >>> 4) & 7)
  }
  return values
}

/** A method of so many channels whose coefficients hang on every inner product. */
export function methodOf(channels: number): Method {
  const names = Array.from({ length: channels }, (_, i) => `c${i}`)
  return method({
    name: 'test',
    options: {},
    channels: names,
    coefficients: (scalars) =>
      Object.fromEntries(names.map((one, i) => [one, names.reduce((sum, other) => sum + Math.atan(scalars[one][other]) / (2 + i), 0.1)])),
  }) as Method
}

export interface Setting {
  parameterCount: number
  channels: number
  microBatches: number
  /** Borders between the ranges of workers; one more worker than borders. */
  cuts: readonly number[]
  encoding?: WireEncoding
  /** Numbers in [0, 1) that decide what arrives when. */
  random?: () => number
}

/** What a worker adds up of its range; new arrays each time. */
export function partialsOf(setting: Setting, start: number, end: number): Contribution[] {
  return methodOf(setting.channels).channels.flatMap((channel, c) => {
    const sum = new TreeSum(setting.microBatches, addInPlace)
    for (let leaf = start; leaf < end; leaf++) sum.put({ level: 0, index: leaf }, noise(setting.parameterCount, 100 * leaf + c + 1))
    return sum.nodes().map(({ node, value }) => ({ channel, node, gradient: value }))
  })
}

const rangesOf = ({ cuts, microBatches }: Setting) => {
  const borders = [0, ...[...cuts].sort((a, b) => a - b), microBatches]
  return borders.slice(1).map((end, i) => ({ worker: `w${i}`, start: borders[i], end }))
}

const reducerOptions = ({ parameterCount, channels, microBatches }: Setting) => ({
  ...{ parameterCount, microBatches, clipNorm, method: methodOf(channels), methodOptions: {} },
  onDelivered: () => {},
})

/** What the coordinator gets when it does all of it. */
export async function central(setting: Setting): Promise<Reduction> {
  const reducer = new CentralReducer(reducerOptions(setting))
  const ranges = rangesOf(setting)
  const reducing = reducer.begin({ epoch: 1, step: 0, ranges, slices: null })
  for (const { worker, start, end } of ranges)
    for (const partial of partialsOf(setting, start, end)) reducer.accept({ worker, epoch: 1, step: 0, loss: 1, computeMs: 1, ...partial })
  return (await reducing) as Reduction
}

/** Workers with an exchange each, and a network between them that delivers in any order. */
export class Circle {
  readonly setting: Setting
  readonly slices: readonly Slice[]
  readonly exchanges: Map<string, Exchange>
  readonly gathered = new Map<string, string>()
  readonly errors: LetheError[] = []
  /** Bytes of payload sent from one worker to another. */
  sentBytes = 0
  /** Looks at, and may change or drop, what is sent. */
  onSend: (from: string, to: string, message: MeshMessage) => 'once' | 'twice' | 'never' = () => 'once'
  readonly #sharded: ShardedReducer

  constructor(setting: Setting) {
    this.setting = setting
    const { parameterCount, microBatches, channels, encoding = 'f32' } = setting
    const workers = rangesOf(setting).map(({ worker }) => worker)
    this.slices = sliceBorders(
      parameterCount,
      workers.map((worker) => ({ worker })),
    )
    this.#sharded = new ShardedReducer(reducerOptions(setting))
    this.exchanges = new Map(
      workers.map((self) => [
        self,
        new Exchange({
          ...{ self, runId, parameterCount, microBatches, encoding, channels: methodOf(channels).channels },
          send: (to, message, payload) => this.carry(self, to, message, payload),
          report: (message) => {
            if (message.type === 'sliced') this.#sharded.sliced(self, message)
            if (message.type === 'gathered') this.gathered.set(self, message.sha256)
          },
          onError: (error) => this.errors.push(error),
        }),
      ]),
    )
  }

  get workers(): string[] {
    return [...this.exchanges.keys()]
  }

  exchange(worker: string): Exchange {
    return this.exchanges.get(worker) as Exchange
  }

  /** Brings a transfer to another worker; a test may put a real network in its place. */
  carry = async (from: string, to: string, message: MeshMessage, payload: Uint8Array): Promise<void> => {
    const { random = Math.random } = this.setting
    const bytes = Uint8Array.from(payload)
    this.sentBytes += bytes.byteLength
    const times = { once: 1, twice: 2, never: 0 }[this.onSend(from, to, message)]
    for (let i = 0; i < times; i++) {
      for (let turns = Math.floor(4 * random()); turns > 0; turns--) await new Promise(setImmediate)
      this.exchange(to).accept(from, transferOf(message, bytes), Uint8Array.from(bytes))
    }
  }

  /** One step from plan to direction. Workers get the plan at any time: what comes early must wait for it. */
  async step(epoch = 1, step = 0): Promise<{ reduction: Reduction; directions: Float32Array[] }> {
    const { random = Math.random } = this.setting
    const ranges = rangesOf(this.setting)
    const reducing = this.#sharded.begin({ epoch, step, ranges, slices: this.slices })
    const work = ranges.map(async ({ worker, start, end }) => {
      for (let turns = Math.floor(4 * random()); turns > 0; turns--) await new Promise(setImmediate)
      this.exchange(worker).begin(epoch, step, this.slices)
      const partials = partialsOf(this.setting, start, end)
      const terms = partials.map(({ channel, node }) => ({ channel, ...node, loss: 1, sha256: '' }))
      this.#sharded.computed({ worker, epoch, step, start, end, computeMs: 1, terms })
      await this.exchange(worker).contribute(partials)
    })
    await Promise.all(work)
    const reduction = (await reducing) as Reduction
    const figures = { losses: {}, norms: {}, updateNorm: 0 }
    const { coefficients } = reduction
    await Promise.all(
      [...this.exchanges.values()].map((one) => one.combine({ type: 'combine', epoch, step, coefficients, to: this.workers, figures })),
    )
    for (let turns = 0; turns < 100 && this.gathered.size < this.workers.length; turns++) await new Promise(setImmediate)
    return { reduction, directions: [...this.exchanges.values()].map((one) => one.direction(epoch, step) ?? new Float32Array(0)) }
  }
}

export const transferOf = (message: MeshMessage, payload: Uint8Array): MeshBulk => ({
  ...message,
  ...{ checksum: checksum(payload), totalBytes: payload.byteLength, offset: 0 },
})
