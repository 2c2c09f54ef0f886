import { lineShare, type Scaling, worthwhileSpeedup } from '../protocol/scaling.ts'
import type { Plan } from './plan-figures.ts'

const titles = ['workers', 'reducer', 'speed-up', 'step', 'a worker sends', 'receives', 'busiest point in', 'out', '']

/** One row for each number of workers and reducer; the last column says where whole jobs side by side are better. */
export function planTable(rows: readonly Scaling[]): string {
  const cells = [
    titles,
    ...rows.map((row) => [
      String(row.workers),
      row.reducer,
      `${row.speedup.toFixed(2)}×`,
      time(row.stepMs),
      size(row.sentBytes),
      size(row.receivedBytes),
      size(row.busiestInBytes),
      size(row.busiestOutBytes),
      row.workers > 1 && !row.isWorthwhile ? 'not worth it' : '',
    ]),
  ]
  const widths = titles.map((_, column) => Math.max(...cells.map((row) => row[column].length)))
  const isText = (column: number) => column === 1 || column === titles.length - 1
  const lines = cells.map((row) =>
    row
      .map((cell, column) => (isText(column) ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('   ')
      .trimEnd(),
  )
  const rule = widths.map((width) => '─'.repeat(width)).join('   ')
  return [lines[0], rule.trimEnd(), ...lines.slice(1)].join('\n')
}

/** What was measured, what was assumed, the table, and a verdict. */
export function planText(found: Plan): string {
  const { measured, link, rows, auto, best } = found
  const rate = (bytesPerSecond: number) => `${size(bytesPerSecond)}/s`
  const lines = [
    `${found.job}: ${found.method}, ${found.parameterCount} parameters, ${found.channels} channel${found.channels === 1 ? '' : 's'}, ${found.microBatches} micro-batches a step, wire ${found.wire}`,
    '',
    `measured   ${time(measured.stepMs)} a step on one worker: ${found.microBatches} × ${time(measured.microBatchMs)}, the median of ${measured.timed} (${found.engine})`,
    `measured   ${rate(measured.socketBytesPerSecond)} through one bulk socket on this machine, ${time(measured.socketLatencyMs)} one way`,
    link.lineBytesPerSecond === null
      ? 'assumed    a network as fast as that socket: give the real one with --link'
      : `given      a line of ${rate(link.lineBytesPerSecond)}, of which payload gets ${Math.round(100 * lineShare)} %; reckoned with: ${rate(link.bytesPerSecond)}, the slower of line and socket`,
    'assumed    a machine like this one, and not busier, for each worker',
    '',
    planTable(rows),
    '',
    `The reducer that \`auto\` takes: ${auto.reducer} (${auto.reason}).`,
    verdict(found, best),
    ...otherReducer(found),
  ]
  return `${lines.join('\n')}\n`
}

function verdict({ rows }: Plan, best: Scaling | null): string {
  const most = Math.max(...rows.map(({ workers }) => workers))
  if (most === 1) return 'Look at more workers with --workers.'
  if (best === null) {
    const top = Math.max(...rows.filter(({ workers }) => workers > 1).map(({ speedup }) => speedup))
    return `Not worth it: the best speed-up is ${top.toFixed(2)}×, below ${worthwhileSpeedup}. Run whole jobs side by side: ${most} of them take the time of one.`
  }
  return `Fastest: ${best.workers} workers, ${best.reducer}: a step ${best.speedup.toFixed(2)}× as fast. (${best.workers} whole jobs side by side do ${best.workers}× the work.)`
}

/** What another reducer than that of `auto` must gain to be worth a line. */
const notableGain = 1.1

/** `auto` goes by size alone: it cannot know whether workers will reach each other. */
function otherReducer({ rows, auto, best }: Plan): string[] {
  if (best === null || best.reducer === auto.reducer) return []
  const usual = Math.max(...rows.filter(({ reducer, workers }) => reducer === auto.reducer && workers > 1).map(({ speedup }) => speedup))
  if (best.speedup < notableGain * usual) return []
  const need = best.reducer === 'sharded' ? ', where workers reach each other (--mesh-host, --mesh-url: docs/cluster.md)' : ''
  return [`Pass --reducer ${best.reducer} for that${need}: with \`auto\`, ${usual.toFixed(2)}× at best.`]
}

const digits = (value: number) => (value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3))))
const units = ['B', 'kB', 'MB', 'GB', 'TB']

/** `12.3 MB`, in powers of 1000. */
export function size(bytes: number): string {
  const unit = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  return `${digits(bytes / 1000 ** unit)} ${units[unit]}`
}

/** `0.08 ms`, `640 ms`, `3.8 s`. */
export function time(ms: number): string {
  return ms < 1000 ? `${digits(ms)} ms` : `${digits(ms / 1000)} s`
}
