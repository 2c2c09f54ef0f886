import { LetheError } from '../../protocol/errors.ts'
import { createIdentity } from '../../protocol/identity.ts'
import { runWorker, type WorkerOptions } from '../../worker/main.ts'

export type WorkerSettings = Pick<WorkerOptions, 'cluster' | 'mesh' | 'credentials' | 'tls' | 'insecure'>

/** What `lethe worker` does, with a session of the test: the token in LETHE_TOKEN, SIGTERM drains, exit status of the error. */
export async function runWorkerProcess(bus: string, options: WorkerSettings & Pick<WorkerOptions, 'openSession'>): Promise<void> {
  const leaving = new AbortController()
  process.once('SIGTERM', () => leaving.abort())
  const say = (fields: object, message: string) => void process.stdout.write(`${message} ${JSON.stringify(fields)}\n`)
  try {
    await runWorker({
      bus,
      token: process.env.LETHE_TOKEN ?? '',
      identity: createIdentity(),
      signal: leaving.signal,
      log: { info: say, warn: say },
      ...options,
    })
  } catch (error) {
    const failure = LetheError.from(error)
    process.stderr.write(`${failure.format()}\n`)
    process.exitCode = failure.exitCode
  }
}
