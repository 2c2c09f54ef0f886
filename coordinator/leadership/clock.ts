/**
 * Milliseconds that never go back and go on while the machine sleeps: the monotonic clock of Linux and macOS stands still in a sleeping
 * machine, and the wall clock may be set. The faster of the two counts, so a wall clock set forward looks like a pause.
 */
export function sleepClock(monotonic: () => number = () => performance.now(), wall: () => number = () => Date.now()): () => number {
  let now = 0
  let last = { monotonic: monotonic(), wall: wall() }
  return () => {
    const next = { monotonic: monotonic(), wall: wall() }
    now += Math.max(next.monotonic - last.monotonic, next.wall - last.wall)
    last = next
    return now
  }
}
