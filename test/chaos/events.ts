import { closeSync, openSync, readSync } from 'node:fs'
import type { CoordinatorEvent } from '../../coordinator/main.ts'

/** What a coordinator wrote by --events, and which one it was. */
export type ClusterEvent = CoordinatorEvent & { at: number; coordinator: number }

const pollMs = 20
const chunkBytes = 64 * 1024

/** Follows the event files of several coordinators. */
export class EventTail {
  readonly events: ClusterEvent[] = []
  readonly #files: { path: string; coordinator: number; read: number; rest: string }[] = []
  readonly #timer: NodeJS.Timeout
  readonly #listeners = new Set<(event: ClusterEvent) => void>()

  constructor() {
    this.#timer = setInterval(() => this.#poll(), pollMs)
  }

  follow(path: string, coordinator: number): void {
    this.#files.push({ path, coordinator, read: 0, rest: '' })
  }

  /** @returns what ends it. */
  listen(listener: (event: ClusterEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves with the first event, of those to come or of those that were, that has this; with null where `until` is first. */
  async find(isIt: (event: ClusterEvent) => boolean, until: Promise<unknown> = new Promise(() => {})): Promise<ClusterEvent | null> {
    const known = this.events.find(isIt)
    if (known) return known
    let end = () => {}
    const found = new Promise<ClusterEvent>((resolve) => {
      end = this.listen((event) => {
        if (isIt(event)) resolve(event)
      })
    })
    return Promise.race([found, until.then(() => null)]).finally(end)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#poll()
  }

  #poll(): void {
    for (const file of this.#files) {
      const text = readFrom(file.path, file.read)
      if (text === null) continue
      file.read += text.length
      const lines = (file.rest + text).split('\n')
      file.rest = lines.pop() ?? ''
      for (const line of lines) this.#add({ ...JSON.parse(line), coordinator: file.coordinator })
    }
  }

  #add(event: ClusterEvent): void {
    this.events.push(event)
    for (const listener of [...this.#listeners]) listener(event)
  }
}

/** What was appended since, as latin-1: a length is one of bytes then, and what we read of the lines is ASCII. */
function readFrom(path: string, position: number): string | null {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return null
  }
  const chunk = Buffer.alloc(chunkBytes)
  try {
    const length = readSync(file, chunk, 0, chunkBytes, position)
    return length === 0 ? null : chunk.toString('latin1', 0, length)
  } finally {
    closeSync(file)
  }
}
