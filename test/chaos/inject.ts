import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, Worker } from './cluster.ts'
import type { Injected } from './measure.ts'
import type { Fault } from './schedule.ts'

const fewestWorkers = 2
const mostWorkers = 4

/** What is being done to the cluster. */
export interface Injection {
  /** One line for a person; null where the cluster is not in a state for this fault. */
  text: string | null
  record: Injected
  /** Resolves when the process goes on, the server is there again, the worker has gone. Its failure is one of the cluster. */
  passed: Promise<void>
}

/** Carries out one fault. Replacements of killed processes are started at once. */
export function inject(cluster: Cluster, fault: Fault): Injection {
  const at = Date.now()
  const record: Injected = { kind: fault.kind, at, until: at, worker: null, hasOthers: cluster.members > 1, hasStandby: cluster.hasStandby }
  const work = perform(cluster, fault, record)
  return work ? { ...work, record } : { text: null, record, passed: Promise.resolve() }
}

interface Work {
  text: string
  passed: Promise<void>
}

function perform(cluster: Cluster, { kind, durationMs, target, mayTakeLast }: Fault, record: Injected): Work | null {
  const paused = (what: { signal(name: NodeJS.Signals): void }) => {
    what.signal('SIGSTOP')
    record.until = record.at + durationMs
    return sleep(durationMs).then(() => what.signal('SIGCONT'))
  }
  const seconds = `${(durationMs / 1000).toFixed(1)} s`
  switch (kind) {
    case 'worker joins': {
      if (cluster.workers.filter(({ isAlive }) => isAlive).length >= mostWorkers) return null
      const { number } = cluster.addWorker()
      return { text: `worker ${number} starts`, passed: Promise.resolve() }
    }
    case 'leader killed':
    case 'leader paused': {
      const { leader } = cluster
      if (!leader) return null
      const name = `coordinator ${leader.number}, which leads,`
      if (kind === 'leader paused') return { text: `${name} is paused for ${seconds}`, passed: paused(leader) }
      leader.signal('SIGKILL')
      const { number } = cluster.addCoordinator()
      return { text: `${name} is killed; coordinator ${number} starts`, passed: Promise.resolve() }
    }
    case 'nats paused': {
      if (cluster.isNatsDisturbed) return null
      cluster.isNatsDisturbed = true
      const { nats } = cluster
      const server = { signal: (name: NodeJS.Signals) => (name === 'SIGSTOP' ? nats.stopProcess() : nats.continueProcess()) }
      return { text: `nats-server is paused for ${seconds}`, passed: paused(server).then(() => restored(cluster)) }
    }
    case 'nats killed': {
      if (cluster.isNatsDisturbed) return null
      cluster.isNatsDisturbed = true
      const passed = cluster
        .killNats()
        .then(() => sleep(durationMs))
        .then(() => cluster.restartNats())
        .then(() => {
          record.until = Date.now()
          restored(cluster)
        })
      return { text: `nats-server is killed, and started again after ${seconds}`, passed }
    }
    default: {
      const worker = pick(cluster, target)
      if (!worker || (!record.hasOthers && !mayTakeLast)) return null
      const called = worker.names.at(-1) ?? ''
      record.worker = cluster.isMember(called) ? called : null
      const name = `worker ${worker.number} (${called})`
      if (kind === 'worker paused') return { text: `${name} is paused for ${seconds}`, passed: paused(worker) }
      worker.signal(kind === 'worker killed' ? 'SIGKILL' : 'SIGTERM')
      if (kind === 'worker leaves') worker.isLeaving = true
      const others = cluster.workers.filter((one) => one.isAlive && one !== worker).length
      const next = others < fewestWorkers || kind === 'worker killed' ? cluster.addWorker() : null
      const then = next ? `; worker ${next.number} starts` : ''
      if (kind === 'worker killed') return { text: `${name} is killed${then}`, passed: Promise.resolve() }
      const left = worker.ended.then(() => {
        record.until = Date.now()
      })
      return { text: `${name} is asked to leave${then}`, passed: left }
    }
  }
}

function restored(cluster: Cluster): void {
  cluster.isNatsDisturbed = false
}

/** One of the workers that have joined and have not been asked to leave. */
function pick(cluster: Cluster, target: number): Worker | null {
  const ready = cluster.workers.filter((worker) => worker.isAlive && worker.names.length > 0 && !worker.isLeaving)
  return ready[Math.floor(target * ready.length)] ?? null
}
