import { createInterface } from 'node:readline'

/*
 * Ends what a chaos run started, however the run itself ended: its standard input closes with it. A line is `+PID` or `-PID`. SIGKILL,
 * because that ends stopped processes too.
 */

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {})
const alive = new Set()
const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => (line[0] === '+' ? alive.add(Number(line.slice(1))) : alive.delete(Number(line.slice(1)))))
lines.on('close', () => {
  for (const pid of alive) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
})
