import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { CoordinatorEvent, CoordinatorOptions } from '../coordinator/main.ts'
import { startCoordinator } from '../coordinator/main.ts'
import { textTable } from '../coordinator/report/table.ts'
import type { RunReport } from '../protocol/report.ts'
import { openEvents } from './events.ts'
import { catchInterrupt, type Interrupt } from './interrupt.ts'
import { openLog } from './log.ts'
import { ProgressLine } from './progress.ts'
import { paint, printable, shellWord } from './terminal.ts'
import type { WorkerPool } from './worker-pool.ts'

export interface ConductOptions {
  coordinator: Omit<CoordinatorOptions, 'onEvent' | 'log'>
  json: boolean
  /** File that gets the events of the run. */
  events?: string
  /** Called once the coordinator listens, where there is anything left to do. */
  onListening?(address: { bus: string; token: string | null }): void
  /** Called once it leads; the pool that it starts ends with the run. */
  onLeading?(address: { bus: string; token: string | null }, note: (text: string) => void): WorkerPool
}

/** Runs a coordinator to the end of its run: progress on stderr, the result on stdout. An interrupted run can be resumed. */
export async function conduct(options: ConductOptions): Promise<void> {
  const resume = `esume with: ${resumeCommand(process.argv.slice(2))}`
  const interrupt = catchInterrupt(
    options.coordinator.bus ? `A coordinator that stands by takes over; without one, r${resume}` : `R${resume}`,
  )
  try {
    const { report, wasFinished } = await conductRun(options, interrupt)
    if (wasFinished) process.stderr.write('this run was finished before: nothing was computed (--fresh starts over)\n')
    print(report, options.coordinator.out, options.json)
  } finally {
    interrupt.release()
  }
}

/** The same without the result on stdout. `wasFinished` where the run folder held the result. */
export async function conductRun(
  { coordinator: options, events, onListening, onLeading }: Omit<ConductOptions, 'json'>,
  interrupt: Interrupt,
): Promise<{ report: RunReport; wasFinished: boolean }> {
  const recordEvent = events === undefined ? () => {} : openEvents(events)
  const progress = new ProgressLine(process.stderr)
  const note = (text: string) => progress.note(paint(process.stderr, 'dim', printable(text)))
  let pool: WorkerPool | undefined
  let over = false
  let lead: () => void = () => {}
  const leading = new Promise<void>((resolve) => {
    lead = resolve
  })
  const onEvent = (event: CoordinatorEvent) => {
    recordEvent(event)
    if (event.type === 'leading') lead()
    if (over) return
    if (event.type === 'progress') {
      progress.update(event)
      if (event.done > 0) pool?.progressed()
    } else {
      const text = noteOf(event, options)
      if (text) note(text)
    }
  }
  const starting = startCoordinator({ ...options, onEvent, log: openLog('coordinator', 'silent') })
  const coordinator = await Promise.race([starting, interrupt.raised]).catch(async (error) => {
    await starting.then((late) => late.stop('interrupted')).catch(() => {})
    throw error
  })
  const { result, bus, token } = coordinator
  result.catch(() => {})
  try {
    if (bus !== '') onListening?.({ bus, token })
    // Workers of one's own are for the run that one leads.
    const poolFailed = leading.then(() => {
      if (!over) pool = onLeading?.({ bus, token }, note)
      return pool?.failed ?? new Promise<never>(() => {})
    })
    const report = await Promise.race([result, interrupt.raised, poolFailed])
    over = true
    await pool?.stop()
    progress.close()
    return { report, wasFinished: bus === '' }
  } catch (error) {
    over = true
    progress.close()
    await coordinator.stop(error instanceof Error ? error.message : String(error))
    await pool?.stop()
    throw error
  }
}

function noteOf(event: CoordinatorEvent, { bus, expectedWorkers = 1 }: ConductOptions['coordinator']): string | undefined {
  if (event.type === 'standby') return 'looking for whoever leads this run; taking over if nobody does'
  if (event.type === 'leading') return bus ? `leading now (epoch ${event.epoch})` : undefined
  if (event.type === 'notice') return event.message
  if (event.type === 'phase' && event.phase === 'prepare') return `waiting for workers to be ready: 0 of ${expectedWorkers}`
  if (event.type === 'workerJoined') return `${event.worker} joined (${countOf(event.workers)})`
  if (event.type === 'workerLeft') return `${event.worker} left: ${event.reason} (${countOf(event.workers)})`
  return undefined
}

function countOf(workers: number): string {
  return `${workers} ${workers === 1 ? 'worker' : 'workers'}`
}

function print(report: RunReport, out: string, json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
    return
  }
  const folder = relative(process.cwd(), out) || '.'
  const shown = folder.startsWith('..') ? out : folder
  // Another coordinator may have finished the run, on another machine.
  const isHere = existsSync(join(out, 'report.html'))
  const isOther = report.kind !== 'evaluate' && report.attack?.stoppedAt !== 0
  const links = [
    isOther && `checkpoint  ${isHere ? `${shown}/checkpoint  ` : ''}sha256 ${report.checkpoint.sha256}`,
    isHere
      ? `report      ${paint(process.stdout, 'bold', `${shown}/report.html`)}`
      : 'Checkpoint and report are with the coordinator that finished the run.',
  ]
  const paragraphs = [printable(textTable(report)), links.filter(Boolean).join('\n')].filter((text) => text !== '')
  process.stdout.write(`\n${paragraphs.join('\n\n')}\n`)
}

/** The same command again; --fresh would start over. */
export function resumeCommand(args: readonly string[]): string {
  return ['npx', 'lethe', ...args.filter((arg) => arg !== '--fresh')].map(shellWord).join(' ')
}
