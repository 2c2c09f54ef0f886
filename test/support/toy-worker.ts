import { LetheError } from '../../protocol/errors.ts'
import { runWorker } from '../../worker/main.ts'
import { type ToyFaults, toyOpener } from './toy-session.ts'

// A worker process with the toy session: `toy-worker.ts URL FAULTS`, the token in LETHE_TOKEN.
const [url, text] = process.argv.slice(2)
const faults: ToyFaults = JSON.parse(text)
try {
  if (faults.joinsOnSignal) {
    const signalled = new Promise((resolve) => process.once('SIGUSR2', resolve))
    const alive = setInterval(() => {}, 1000)
    process.stdout.write('ready\n')
    await signalled
    clearInterval(alive)
  }
  await runWorker({ url, token: process.env.LETHE_TOKEN ?? '', openSession: toyOpener(faults) })
} catch (error) {
  const failure = LetheError.from(error)
  process.stderr.write(`${failure.format()}\n`)
  process.exitCode = failure.exitCode
}
