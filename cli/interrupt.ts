import { errorTable, LetheError } from '../protocol/errors.ts'

/** npm passes a Ctrl-C on that the terminal has sent already; within this time two signals are one. */
const samePressMs = 500

export interface Interrupt {
  /** Rejects with INTERRUPTED at the first SIGINT or SIGTERM. */
  readonly raised: Promise<never>
  /** Gives the signals back. */
  release(): void
}

/** The first signal asks for an orderly end, the second one ends the process at once. */
export function catchInterrupt(hint: string): Interrupt {
  let firstAt: number | undefined
  let reject: (error: LetheError) => void = () => {}
  const raised = new Promise<never>((_, rejectRaised) => {
    reject = rejectRaised
  })
  raised.catch(() => {})
  const onSignal = (signal: NodeJS.Signals) => {
    const now = performance.now()
    if (firstAt === undefined) {
      firstAt = now
      reject(new LetheError('INTERRUPTED', { message: `stopped by ${signal}`, hint }))
    } else if (now - firstAt > samePressMs) {
      process.exit(errorTable.INTERRUPTED.exitCode)
    }
  }
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  return {
    raised,
    release: () => {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
    },
  }
}
