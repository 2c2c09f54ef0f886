import type { Chance } from './chance.ts'
import type { Flaw } from './flaws.ts'

/** What must never be. The simulation ends where one is found. */
export class Violation extends Error {
  constructor(
    readonly invariant: string,
    what: string,
  ) {
    super(what)
    this.name = 'Violation'
  }
}

interface Due {
  at: number
  order: number
  run(): void
}

/** Moments of a run to which a fault can be tied. */
export type Moment =
  | 'planned'
  | 'computed'
  | 'reduced'
  | 'released'
  | 'applied'
  | 'committing'
  | 'committed'
  | 'exported'
  | 'saving'
  | 'elected'
  | 'joined'

/** Virtual time: things happen one after another, in the order of their times, and nothing happens in between. */
export class World {
  /** Milliseconds. */
  now = 0
  readonly story: string[] = []
  readonly chance: Chance
  readonly flaw: Flaw
  /** Writes the story down; costs time, and changes nothing else. */
  readonly isTold: boolean
  onMoment: (moment: Moment) => void = () => {}
  readonly #heap: Due[] = []
  #scheduled = 0

  constructor(chance: Chance, flaw: Flaw, isTold: boolean) {
    this.chance = chance
    this.flaw = flaw
    this.isTold = isTold
  }

  after(ms: number, run: () => void): void {
    const heap = this.#heap
    const due = { at: this.now + ms, order: this.#scheduled++, run }
    let i = heap.length
    heap.push(due)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!isBefore(due, heap[parent])) break
      heap[i] = heap[parent]
      i = parent
    }
    heap[i] = due
  }

  /** @returns false where nothing is left to happen. */
  step(): boolean {
    const heap = this.#heap
    const [first] = heap
    const last = heap.pop()
    if (first === undefined || last === undefined) return false
    if (heap.length > 0) {
      let i = 0
      for (;;) {
        let child = 2 * i + 1
        if (child >= heap.length) break
        if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child += 1
        if (!isBefore(heap[child], last)) break
        heap[i] = heap[child]
        i = child
      }
      heap[i] = last
    }
    this.now = first.at
    first.run()
    return true
  }

  tell(who: string, what: string): void {
    if (this.isTold) this.story.push(`${this.now.toFixed(1).padStart(9)} ms  ${who.padEnd(6)} ${what}`)
  }

  violate(invariant: string, what: string): never {
    this.tell('!!', `${invariant}: ${what}`)
    throw new Violation(invariant, what)
  }
}

const isBefore = (a: Due, b: Due) => a.at < b.at || (a.at === b.at && a.order < b.order)

/** Something that can be killed, and stopped and continued with everything that is on its way to it. */
export class Process {
  readonly world: World
  readonly name: string
  /** Counts starts: what was meant for an earlier life is lost. */
  life = 0
  isAlive = false
  isPaused = false
  /** Called once when this life ends; `isSilent` where the other ends of its sockets hear nothing of it. */
  onEnd: ((isSilent: boolean) => void)[] = []
  #waiting: (() => void)[] = []

  constructor(world: World, name: string) {
    this.world = world
    this.name = name
  }

  start(): void {
    this.life += 1
    this.isAlive = true
    this.isPaused = false
  }

  end(isSilent = false): void {
    if (!this.isAlive) return
    this.isAlive = false
    this.isPaused = false
    this.#waiting = []
    const listeners = this.onEnd
    this.onEnd = []
    for (const listener of listeners) listener(isSilent)
  }

  pause(): void {
    if (this.isAlive) this.isPaused = true
  }

  /** What came meanwhile happens now, in the order in which it came. */
  proceed(): void {
    if (!this.isPaused) return
    this.isPaused = false
    const waiting = this.#waiting
    this.#waiting = []
    for (const work of waiting) this.after(0, work)
  }

  /** A timer of this process. */
  after(ms: number, work: () => void): void {
    const { life } = this
    this.world.after(ms, () => this.receive(life, work))
  }

  /** Something arrives that was meant for one life of this process. */
  receive(life: number, work: () => void): void {
    if (!this.isAlive || life !== this.life) return
    if (this.isPaused) this.#waiting.push(work)
    else work()
  }
}
