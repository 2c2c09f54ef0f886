import { setImmediate as breathe } from 'node:timers/promises'

/** A coordinator renews its lease every second and answers heartbeats: arithmetic gives way after this time. */
const turnMs = 20

/** For long loops: `await turn()` now and then lets the event loop run, once for every 20 ms of arithmetic. */
export function eventLoopTurns(): () => Promise<void> | undefined {
  let since = performance.now()
  return () => {
    if (performance.now() - since < turnMs) return undefined
    return breathe().then(() => {
      since = performance.now()
    })
  }
}
