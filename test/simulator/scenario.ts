import type { RunSettings } from '../../coordinator/run/state.ts'
import { Chance } from './chance.ts'
import type { ModelJob } from './model.ts'
import { fairWeather, type Weather } from './network.ts'
import type { Defect } from './worker.ts'
import type { Moment } from './world.ts'

export type FaultKind =
  | 'killWorker'
  | 'pauseWorker'
  | 'cutWorker'
  | 'slowWorker'
  | 'breakSocket'
  | 'drainWorker'
  | 'joinWorker'
  | 'killCoordinator'
  | 'pauseCoordinator'
  | 'cutCoordinator'
  | 'stopCoordinator'
  | 'outage'

export interface Fault {
  kind: FaultKind
  /** At this time; or so long after the moment has come for the `count`-th time. */
  at: number
  moment: Moment | null
  count: number
  forMs: number
  /** Which of the processes; of coordinators 0 is whoever leads. */
  target: number
  isSilent: boolean
}

export interface Scenario {
  seed: number
  job: ModelJob
  settings: Omit<RunSettings, 'firstEpoch' | 'isSuccessor'>
  coordinators: number
  workers: { microMs: number; defect: Defect | null; isHidden: boolean }[]
  weather: Weather
  faults: Fault[]
  /** What a state takes on a socket. */
  stateMs: number
  /** From here on nothing goes wrong any more. */
  healAt: number
}

const moments: readonly Moment[] = [
  ...(['planned', 'computed', 'reduced', 'released', 'applied', 'committing'] as const),
  ...(['committed', 'exported', 'saving', 'elected', 'joined'] as const),
]

const allFaults: readonly FaultKind[] = [
  ...(['killWorker', 'killWorker', 'pauseWorker', 'cutWorker', 'slowWorker', 'slowWorker', 'breakSocket', 'drainWorker'] as const),
  ...(['joinWorker', 'killCoordinator', 'killCoordinator', 'pauseCoordinator', 'cutCoordinator', 'stopCoordinator', 'outage'] as const),
]
/** Where steps may differ, most happens that takes workers and leaders apart for a while, each with a version of its own. */
const partingFaults: readonly FaultKind[] = [
  ...(['pauseWorker', 'pauseWorker', 'cutWorker', 'breakSocket', 'killWorker', 'joinWorker'] as const),
  ...(['killCoordinator', 'killCoordinator', 'pauseCoordinator', 'stopCoordinator', 'stopCoordinator'] as const),
]
/** Beside a worker with wrong parameters only those that leave the others in the majority. */
const mildFaults: readonly FaultKind[] = ['slowWorker', 'joinWorker']

/** Everything that is particular about one simulation, drawn from its seed alone. */
export function scenarioOf(seed: number): Scenario {
  const chance = new Chance(seed, 1)
  const isHuge = chance.happens(0.05)
  const defectType = chance.happens(0.2) ? chance.pick(['gradient', 'gradient', 'gradients', 'parameters', 'parent'] as const) : null
  const isMild = defectType !== null && defectType !== 'gradient'
  const isExact = defectType !== null || chance.happens(0.7)
  const steps = isHuge ? chance.integer(7, 10) : chance.happens(0.05) ? 0 : chance.integer(2, 8)
  const job: ModelJob = {
    steps,
    microBatches: chance.integer(1, 8),
    channels: chance.integer(1, 2),
    blocks: isHuge ? 256 : chance.integer(1, 6),
    perBlock: isHuge ? 1 : 8,
    ...drawStops(chance, steps),
  }
  const workerCount = isMild ? chance.integer(3, 5) : chance.integer(defectType ? 2 : 1, 5)
  const expectedWorkers = isMild ? workerCount : chance.integer(1, workerCount)
  const auditEvery = !isExact ? 0 : defectType ? 1 : chance.happens(0.2) ? chance.integer(1, 2) : 0
  const microMs = chance.between(2, 25)
  const culprit = chance.below(workerCount)
  const defect: Defect | null = defectType && { type: defectType, step: chance.below(Math.max(1, steps - 1)) }
  const faults = drawFaults(chance, isMild ? mildFaults : !isExact && chance.happens(0.7) ? partingFaults : allFaults, isMild ? 3 : 10)
  return {
    seed,
    job,
    settings: {
      steps,
      microBatches: job.microBatches,
      checkpointEvery: isHuge ? Math.max(1, steps) : chance.integer(1, 4),
      expectedWorkers: defectType === 'parent' ? workerCount - 1 : expectedWorkers,
      stops: job.stops,
      units: job.units,
      reducer: chance.happens(0.5) ? 'sharded' : 'central',
      auditEvery,
      isExact,
    },
    coordinators: chance.integer(1, 3),
    workers: Array.from({ length: workerCount }, (_, i) => ({
      microMs: microMs * chance.between(0.7, 1.5),
      defect: i === culprit ? defect : null,
      isHidden: chance.happens(0.15),
    })),
    weather: isMild || chance.happens(0.3) ? fairWeather : drawWeather(chance),
    faults,
    stateMs: isHuge ? chance.between(100, 1500) : chance.between(1, 20),
    healAt: Math.max(0, ...faults.map(({ at, forMs, moment }) => (moment ? 8000 : at) + forMs)),
  }
}

function drawWeather(chance: Chance): Weather {
  return {
    lossShare: chance.happens(0.5) ? 0.15 * chance.real() : 0,
    doubleShare: chance.happens(0.5) ? 0.2 * chance.real() : 0,
    lateShare: chance.happens(0.5) ? 0.2 * chance.real() : 0,
    lateMs: chance.pick([20, 200, 2000]),
  }
}

function drawFaults(chance: Chance, kinds: readonly FaultKind[], most: number): Fault[] {
  const untilMs = chance.pick([500, 1500, 4000, 8000])
  return Array.from({ length: chance.below(most) }, () => ({
    kind: chance.pick(kinds),
    at: chance.between(0, untilMs),
    moment: chance.happens(0.5) ? chance.pick(moments) : null,
    count: 1 + Math.floor(12 * chance.real() ** 2),
    forMs: chance.happens(0.5) ? chance.between(50, 1000) : chance.between(1000, 7000),
    target: chance.below(8),
    isSilent: chance.happens(0.25),
  }))
}

function drawStops(chance: Chance, steps: number): Pick<ModelJob, 'stops' | 'units' | 'enoughAt'> {
  const stops = Array.from({ length: steps + 1 }, (_, version) => version).filter(() => chance.happens(0.4))
  if (stops.length === 0) return { stops, units: 0, enoughAt: null }
  return { stops, units: chance.integer(1, 3), enoughAt: chance.happens(0.2) ? stops[chance.below(stops.length)] : null }
}
