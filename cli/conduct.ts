import { relative } from 'node:path'
import type { CoordinatorEvent, CoordinatorOptions } from '../coordinator/main.ts'
import { startCoordinator } from '../coordinator/main.ts'
import { textTable } from '../coordinator/report/table.ts'
import type { RunReport } from '../protocol/report.ts'
import { openEvents } from './events.ts'
import { catchInterrupt } from './interrupt.ts'
import { openLog } from './log.ts'
import { ProgressLine } from './progress.ts'
import { paint, shellWord } from './terminal.ts'
import type { WorkerPool } from './worker-pool.ts'

export interface ConductOptions {
  coordinator: Omit<CoordinatorOptions, 'onEvent' | 'log'>
  json: boolean
  /** File that gets the events of the run. */
  events?: string
  /** Called once the coordinator listens; the pool that it starts, if any, ends with the run. */
  onListening(address: { bus: string; token: string | null }, note: (text: string) => void): WorkerPool | undefined
}

/** Runs a coordinator to the end of its run: progress on stderr, the result on stdout. An interrupted run can be resumed. */
export async function conduct({ coordinator: options, json, events, onListening }: ConductOptions): Promise<void> {
  const recordEvent = events === undefined ? () => {} : openEvents(events)
  const progress = new ProgressLine(process.stderr)
  const note = (text: string) => progress.note(paint(process.stderr, 'dim', text))
  const interrupt = catchInterrupt(`Resume with: ${resumeCommand(process.argv.slice(2))}`)
  let pool: WorkerPool | undefined
  let over = false
  const onEvent = (event: CoordinatorEvent) => {
    recordEvent(event)
    if (over) return
    if (event.type === 'progress') {
      progress.update(event)
      if (event.done > 0) pool?.progressed()
    } else {
      const text = noteOf(event)
      if (text) note(text)
    }
  }
  try {
    const starting = startCoordinator({ ...options, onEvent, log: openLog('coordinator', 'silent') })
    const coordinator = await Promise.race([starting, interrupt.raised]).catch(async (error) => {
      await starting.then((late) => late.stop('interrupted')).catch(() => {})
      throw error
    })
    const { result, bus, token } = coordinator
    result.catch(() => {})
    try {
      const stored = await Promise.race([result, new Promise<undefined>((resolve) => setImmediate(resolve, undefined))])
      if (!stored) pool = onListening({ bus, token }, note)
      const report = await Promise.race([result, interrupt.raised, ...(pool ? [pool.failed] : [])])
      over = true
      await pool?.stop()
      progress.close()
      print(report, options.out, json)
    } catch (error) {
      over = true
      progress.close()
      await coordinator.stop(error instanceof Error ? error.message : String(error))
      await pool?.stop()
      throw error
    }
  } finally {
    interrupt.release()
  }
}

function noteOf(event: CoordinatorEvent): string | undefined {
  if (event.type === 'standby') return 'looking for whoever leads this run; taking over if nobody does'
  if (event.type === 'leading') return event.epoch > 1 ? `leading now (epoch ${event.epoch})` : undefined
  if (event.type === 'notice') return event.message
  if (event.type === 'phase' && event.phase === 'prepare') return 'waiting for workers to be ready'
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
  const links = [
    report.kind !== 'evaluate' && `checkpoint  ${shown}/checkpoint  sha256 ${report.checkpoint.sha256}`,
    `report      ${paint(process.stdout, 'bold', `${shown}/report.html`)}`,
  ]
  const paragraphs = [textTable(report), links.filter(Boolean).join('\n')].filter((text) => text !== '')
  process.stdout.write(`\n${paragraphs.join('\n\n')}\n`)
}

/** The same command again; --fresh would start over. */
export function resumeCommand(args: readonly string[]): string {
  return ['npx', 'lethe', ...args.filter((arg) => arg !== '--fresh')].map(shellWord).join(' ')
}
