/** Micro-batches [start, end) of one worker. */
export interface Range {
  worker: string
  start: number
  end: number
}

export interface PlanMember {
  worker: string
  /** Measured micro-batches per millisecond; null before the first measurement. */
  speed: number | null
}

/** Share of its fair load by which a worker's range may be moved to fall on a larger subtree. */
const alignmentSlack = 0.05

/** Largest power of two that divides the cut: the higher, the fewer partials are sent on both sides of it. */
const alignment = (cut: number) => (cut === 0 ? Number.POSITIVE_INFINITY : cut & -cut)

/**
 * Cuts micro-batches [from, to) into contiguous ranges, one for each member in the given order, proportional to the measured speeds and
 * on subtree borders where that costs little. Ranges may be empty. The result of a step does not depend on the plan.
 */
export function plan(members: readonly PlanMember[], to: number, from = 0): Range[] {
  const count = to - from
  const measured = members.map(({ speed }) => speed).filter((speed): speed is number => speed !== null && speed > 0)
  const typical = measured.length > 0 ? measured.reduce((sum, speed) => sum + speed, 0) / measured.length : 1
  const speeds = members.map(({ speed }) => (speed !== null && speed > 0 ? speed : typical))
  const total = speeds.reduce((sum, speed) => sum + speed, 0)

  let done = 0
  let start = from
  return members.map(({ worker }, i) => {
    done += speeds[i]
    const end = i === members.length - 1 ? to : bestCut(from + (count * done) / total, count / members.length, start, to)
    const range = { worker, start, end }
    start = end
    return range
  })
}

/** The most aligned whole number near `ideal`, else the nearest. */
function bestCut(ideal: number, share: number, lowest: number, highest: number): number {
  const slack = Math.max(0.5, share * alignmentSlack)
  const clamp = (cut: number) => Math.min(highest, Math.max(lowest, cut))
  let best = clamp(Math.round(ideal))
  for (let cut = Math.ceil(ideal - slack); cut <= ideal + slack; cut++) {
    const candidate = clamp(cut)
    const gain = alignment(candidate) - alignment(best)
    if (gain > 0 || (gain === 0 && Math.abs(candidate - ideal) < Math.abs(best - ideal))) best = candidate
  }
  return best
}
