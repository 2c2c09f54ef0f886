import type { RunReport } from '../../../protocol/report.ts'
import { channelsIn, type RoundPhase } from '../../../protocol/rounds.ts'
import type { ReportInput } from '../input.ts'
import { curveSvg } from '../svg.ts'
import { escaped } from '../text.ts'
import { section } from './elements.ts'

const phases: readonly RoundPhase[] = ['update', 'inner', 'prepare']
const names: Record<RoundPhase, string> = { update: '', inner: ', inner steps', prepare: ', preparation' }

/** Losses of each phase that has any, and the norm of the updates. */
export function curvesSection({ history }: RunReport, { job }: ReportInput): string {
  if (job.kind === 'evaluate' || history.length < 2) return ''
  const { method } = job
  const losses = phases.flatMap((phase) => {
    const rounds = history.filter((record) => record.phase === phase)
    if (rounds.length < 2) return []
    return channelsIn(method, phase).map((channel) =>
      curveSvg({
        name: channel === 'forget' ? 'forget' : 'keep',
        title: escaped(`${channel} loss${names[phase]}`),
        points: rounds.map(({ losses }, round) => [round, losses[channel]] as const),
      }),
    )
  })
  const updates = history.filter(({ phase }) => phase === 'update')
  const norm = curveSvg({
    name: 'norm',
    title: 'norm of the update before clipping',
    points: updates.map(({ step, updateNorm }) => [step, updateNorm] as const),
  })
  return section(
    'The run, step by step',
    `<p class="note">Faint: each step. Bold: running mean.</p><div class="plots">${losses.join('')}${norm}</div>`,
  )
}
