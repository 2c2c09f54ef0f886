import { LetheError } from '../../protocol/errors.ts'
import { runWorker } from '../../worker/main.ts'
import { toyOpener } from './toy-session.ts'

// A worker process with the toy session: `toy-worker.ts URL FAULTS`, the token in LETHE_TOKEN.
const [url, faults] = process.argv.slice(2)
try {
  await runWorker({ url, token: process.env.LETHE_TOKEN ?? '', openSession: toyOpener(JSON.parse(faults)) })
} catch (error) {
  const failure = LetheError.from(error)
  process.stderr.write(`${failure.format()}\n`)
  process.exitCode = failure.exitCode
}
