import { readdirSync } from 'node:fs'

/* What a process under attack says of itself, when it is asked. */

export interface Vitals {
  /** Of JavaScript, after a collection. */
  heapBytes: number
  /** Outside of it: buffers. */
  externalBytes: number
  rssBytes: number
  /** Files and sockets. */
  descriptors: number
  /** The most processor time between two turns of the event loop, since the last question: however busy the machine is. */
  longestTurnMs: number
}

const turnMs = 10

/** Answers `vitals` on the channel to the parent. The process must have been started with --expose-gc. */
export function reportVitals(onMessage: (message: string) => void = () => {}): void {
  let longestTurnMs = 0
  let last = process.cpuUsage()
  setInterval(() => {
    const { user, system } = process.cpuUsage(last)
    last = process.cpuUsage()
    longestTurnMs = Math.max(longestTurnMs, (user + system) / 1000)
  }, turnMs).unref()
  process.on('message', (message: string) => {
    if (message !== 'vitals') return onMessage(message)
    const turn = longestTurnMs
    global.gc?.()
    global.gc?.()
    const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage()
    const descriptors = readdirSync('/proc/self/fd').length
    process.send?.({ heapBytes: heapUsed, externalBytes: external + arrayBuffers, rssBytes: rss, descriptors, longestTurnMs: turn })
    last = process.cpuUsage()
    longestTurnMs = 0
  })
}
