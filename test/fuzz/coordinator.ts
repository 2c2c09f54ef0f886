import { type CoordinatorOptions, startCoordinator } from '../../coordinator/main.ts'
import { LetheError } from '../../protocol/errors.ts'
import { reportVitals } from './vitals.ts'

// A coordinator under attack: options in its only argument; events, and at last the result, go to the parent.
reportVitals()
const options: CoordinatorOptions = JSON.parse(process.argv[2])
try {
  const { result } = await startCoordinator({ ...options, onEvent: (event) => process.send?.(event) })
  const { checkpoint, steps } = await result
  process.send?.({ type: 'finished', sha256: checkpoint.sha256, steps })
} catch (error) {
  process.send?.({ type: 'failed', reason: LetheError.from(error).format() })
  process.exitCode = 1
}
process.disconnect?.()
