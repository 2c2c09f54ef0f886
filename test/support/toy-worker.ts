import { type ToyFaults, toyOpener } from './toy-session.ts'
import { runWorkerProcess, type WorkerSettings } from './worker-process.ts'

// A worker process with the toy session: `toy-worker.ts BUS FAULTS [SETTINGS]`, the token in LETHE_TOKEN.
const [bus, text, settings = '{}'] = process.argv.slice(2)
const faults: ToyFaults = JSON.parse(text)
if (faults.joinsOnSignal) {
  const signalled = new Promise((resolve) => process.once('SIGUSR2', resolve))
  const alive = setInterval(() => {}, 1000)
  process.stdout.write('ready\n')
  await signalled
  clearInterval(alive)
}
await runWorkerProcess(bus, { ...(JSON.parse(settings) as WorkerSettings), openSession: toyOpener(faults) })
