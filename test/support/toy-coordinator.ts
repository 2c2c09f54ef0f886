import { startCoordinator } from '../../coordinator/main.ts'
import { LetheError } from '../../protocol/errors.ts'

// A coordinator process: `toy-coordinator.ts OPTIONS`, one JSON line for each event and one for the end.
const options = JSON.parse(process.argv[2])
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
try {
  const { result } = await startCoordinator({ ...options, onEvent: say })
  const { checkpoint } = await result
  say({ type: 'finished', sha256: checkpoint.sha256 })
} catch (error) {
  const failure = LetheError.from(error)
  say({ type: 'failed', code: failure.code, message: failure.message })
  process.exitCode = failure.exitCode
}
