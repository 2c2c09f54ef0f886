import { Chance } from './chance.ts'
import { Cluster } from './cluster.ts'
import { Faults } from './faults.ts'
import type { Flaw } from './flaws.ts'
import { type Scenario, scenarioOf } from './scenario.ts'
import type { ModelWorker } from './worker.ts'
import { Violation } from './world.ts'

export interface Outcome {
  seed: number
  /** Null where everything held. */
  violation: { invariant: string; message: string } | null
  /** Virtual time that the run took. */
  virtualMs: number
  events: number
  faults: number
  /** Epochs of leaders. */
  leaders: number
  /** A worker that errs was found out. */
  caught: number
  story: readonly string[]
}

/** From the last fault on the run must end within this time. It is longer than any wait for a worker that does not come. */
const isEnded = ({ process }: ModelWorker) => !process.isAlive && process.life > 0

const patienceMs = 90_000
const mostEvents = 200_000

/** One run of a job under the faults of its seed. The same seed gives the same story. */
export function simulate(seed: number, { flaw = 'none' as Flaw, isTold = false, scenario = scenarioOf(seed) as Scenario } = {}): Outcome {
  const cluster = new Cluster(scenario, new Chance(seed, 2), flaw, isTold)
  const { world, checks, coordinators, workers } = cluster
  world.tell('', JSON.stringify({ job: scenario.job, settings: scenario.settings }))
  let events = 0
  let violation: Outcome['violation'] = null
  try {
    for (const one of coordinators) world.after(300 * world.chance.real(), () => one.start())
    // One that reads other parameters than the others is known by that they were there before.
    for (const one of workers) world.after((one.defect?.type === 'parent' ? 3000 : 0) + 300 * world.chance.real(), () => one.start())
    new Faults(cluster)
    const isOver = () => checks.isFinished && (workers.every(isEnded) || coordinators.every(({ isGone }) => isGone))
    while (!isOver()) {
      if (world.now > scenario.healAt + patienceMs || events > mostEvents || !world.step())
        world.violate('no deadlock', `at ${Math.round(world.now)} ms the run is not over: ${whereabouts(cluster)}`)
      events += 1
    }
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    violation = { invariant: error.invariant, message: error.message }
  }
  const leaders = cluster.log.entries.filter(({ event }) => event.type === 'led').length
  const { length: faults } = scenario.faults
  return { seed, violation, virtualMs: world.now, events, faults, leaders, caught: checks.caught.size, story: world.story }
}

function whereabouts({ leader, checks, workers }: Cluster): string {
  const living = workers.filter(({ process }) => process.isAlive).map(({ name }) => name)
  const state = leader?.run?.state
  const phase = state ? `${state.phase}, version ${state.version}, committed ${state.committed}` : 'nobody leads'
  return `${checks.isFinished ? 'finished' : phase}; ${living.join(', ')} live`
}
