import { faultyOpener } from './faulty-session.ts'
import { runWorkerProcess, type WorkerSettings } from './worker-process.ts'

// A worker process with real sessions and a fault: `faulty-worker.ts BUS {"flipsBitAt":STEP} [SETTINGS]`, the token in LETHE_TOKEN.
const [bus, fault, settings = '{}'] = process.argv.slice(2)
await runWorkerProcess(bus, { ...(JSON.parse(settings) as WorkerSettings), openSession: faultyOpener(JSON.parse(fault)) })
