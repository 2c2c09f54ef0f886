import type { Process, World } from './world.ts'

export interface Weather {
  /** Shares of packets and of calls. */
  lossShare: number
  doubleShare: number
  /** Share of packets that come late, and how late: what was sent later comes before them. */
  lateShare: number
  lateMs: number
}

export const fairWeather: Weather = { lossShare: 0, doubleShare: 0, lateShare: 0, lateMs: 0 }

/** The bus, with everything that can go wrong on it: packets are lost, doubled and overtaken, and processes are cut off. */
export class Network {
  readonly #world: World
  weather: Weather
  #isUp = true
  #cut = new Set<Process>()
  /** Raised when everything that is on its way gets lost. */
  #generation = 0
  readonly #listeners: ((isUp: boolean) => void)[] = []

  constructor(world: World, weather: Weather) {
    this.#world = world
    this.weather = weather
  }

  get isUp(): boolean {
    return this.#isUp
  }

  setUp(isUp: boolean): void {
    if (this.#isUp === isUp) return
    this.#isUp = isUp
    this.#generation += 1
    for (const listener of this.#listeners) listener(isUp)
  }

  onConnection(listener: (isUp: boolean) => void): void {
    this.#listeners.push(listener)
  }

  cut(process: Process): void {
    this.#cut.add(process)
  }

  mend(process: Process): void {
    this.#cut.delete(process)
  }

  #reaches(process: Process): boolean {
    return this.#isUp && !this.#cut.has(process)
  }

  #delayMs(): number {
    const { chance } = this.#world
    const { lateShare, lateMs } = this.weather
    return 0.5 + 3 * chance.real() + (chance.happens(lateShare) ? lateMs * chance.real() : 0)
  }

  /** At most once, or twice. */
  packet(from: Process, to: Process, deliver: () => void): void {
    if (!this.#reaches(from)) return
    const { chance } = this.#world
    const copies = chance.happens(this.weather.doubleShare) ? 2 : 1
    for (let i = 0; i < copies; i++) if (!chance.happens(this.weather.lossShare)) this.#deliver(to, deliver)
  }

  /** Something that a server tells a process for certain, but not when. */
  notice(to: Process, deliver: () => void): void {
    const { life } = to
    this.#world.after(this.#delayMs(), () => {
      if (this.#reaches(to)) to.receive(life, deliver)
      else if (to.isAlive && to.life === life) this.#world.after(200, () => this.notice(to, deliver))
    })
  }

  /** A question to a server, which answers at one moment between the way there and the way back. Either may be lost. */
  call<T>(from: Process, serve: () => T, answer: (result: T) => void): void {
    const { chance } = this.#world
    if (!this.#reaches(from) || chance.happens(this.weather.lossShare)) return
    const generation = this.#generation
    // A process that was started again has no part in what it asked before.
    const { life } = from
    this.#world.after(this.#delayMs(), () => {
      if (generation !== this.#generation) return
      const result = serve()
      if (!chance.happens(this.weather.lossShare)) this.#deliver(from, () => answer(result), life)
    })
  }

  #deliver(to: Process, deliver: () => void, life = to.life): void {
    const generation = this.#generation
    this.#world.after(this.#delayMs(), () => {
      if (generation === this.#generation && this.#reaches(to)) to.receive(life, deliver)
    })
  }
}

interface End {
  process: Process
  life: number
  isOpen: boolean
  /** When the last thing on its way to this end arrives. */
  arrivedAt: number
  onClose(): void
}

/** A direct socket: what is sent arrives in order and once, or the socket breaks. */
export class Socket {
  readonly #world: World
  readonly #ends: [End, End]

  constructor(world: World, one: Process, other: Process) {
    this.#world = world
    const end = (process: Process): End => ({ process, life: process.life, isOpen: true, arrivedAt: 0, onClose() {} })
    this.#ends = [end(one), end(other)]
    for (const process of [one, other]) process.onEnd.push((isSilent) => this.#drop(process, isSilent))
  }

  isOpen(process: Process): boolean {
    return this.#end(process).isOpen
  }

  onClose(process: Process, listener: () => void): void {
    this.#end(process).onClose = listener
  }

  /** `ms` is what the transfer takes. */
  send(from: Process, ms: number, deliver: () => void): void {
    const [own, to] = this.#order(from)
    if (!own.isOpen) return
    to.arrivedAt = Math.max(to.arrivedAt, this.#world.now + 0.2 + this.#world.chance.real()) + ms
    this.#world.after(to.arrivedAt - this.#world.now, () => to.process.receive(to.life, () => to.isOpen && deliver()))
  }

  /** The other end hears of it after what is on its way. */
  close(process: Process): void {
    const [own, other] = this.#order(process)
    if (!own.isOpen) return
    own.isOpen = false
    this.#hear(other, Math.max(other.arrivedAt - this.#world.now, 0) + 1)
  }

  /** Nobody asked for it: both ends hear of it, and what is on its way is lost. */
  break(): void {
    for (const end of this.#ends) this.#hear(end, this.#world.chance.real())
  }

  #drop(process: Process, isSilent: boolean): void {
    const [own, other] = this.#order(process)
    own.isOpen = false
    if (!isSilent) this.#hear(other, 0.5 + this.#world.chance.real())
  }

  #hear(end: End, ms: number): void {
    this.#world.after(ms, () =>
      end.process.receive(end.life, () => {
        if (!end.isOpen) return
        end.isOpen = false
        end.onClose()
      }),
    )
  }

  #end(process: Process): End {
    return this.#order(process)[0]
  }

  #order(process: Process): [own: End, other: End] {
    const [one, other] = this.#ends
    return one.process === process ? [one, other] : [other, one]
  }
}
