import type { Cluster } from './cluster.ts'
import type { ModelCoordinator } from './coordinator.ts'
import { fairWeather } from './network.ts'
import type { Fault } from './scenario.ts'
import type { ModelWorker } from './worker.ts'

/** How late after its moment a fault strikes, at most. */
const momentMs = 12
const mostWorkers = 6

/** Lets the faults of the scenario happen, and ends them. */
export class Faults {
  readonly #cluster: Cluster
  #isHealed = false

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    const { world, scenario } = cluster
    const tied: (Fault & { left: number })[] = []
    for (const fault of scenario.faults)
      if (fault.moment) tied.push({ ...fault, left: fault.count })
      else world.after(fault.at, () => this.#strike(fault))
    if (tied.length > 0)
      world.onMoment = (moment) => {
        for (const fault of tied)
          if (fault.moment === moment) {
            fault.left -= 1
            if (fault.left === 0) world.after(momentMs * world.chance.real(), () => this.#strike(fault))
          }
      }
    world.after(scenario.healAt, () => this.#heal())
  }

  get isHealed(): boolean {
    return this.#isHealed
  }

  #strike(fault: Fault): void {
    if (this.#isHealed) return
    const { cluster, worker, coordinator } = this.#targets(fault)
    const { world, network } = cluster
    const later = (work: () => void) => world.after(fault.forMs, () => !this.#isHealed && work())
    switch (fault.kind) {
      case 'killWorker':
        if (!worker) return
        worker.kill(fault.isSilent)
        return later(() => this.#restart(worker))
      case 'pauseWorker':
        return worker && this.#pause(worker, later)
      case 'cutWorker':
        return worker && this.#cut(worker, later)
      case 'slowWorker':
        if (!worker) return
        worker.slowness = 20
        world.tell(worker.name, 'becomes slow')
        return later(() => {
          worker.slowness = 1
        })
      case 'breakSocket':
        world.tell('', `the socket of ${worker?.name} breaks`)
        return worker?.breakSocket()
      case 'drainWorker':
        return worker?.drain()
      case 'joinWorker':
        if (cluster.workers.length >= mostWorkers) return
        return cluster.addWorker({ microMs: 10, defect: null, isHidden: false }).start()
      case 'killCoordinator':
        if (!coordinator) return
        coordinator.kill(fault.isSilent)
        return later(() => cluster.startAgain(coordinator))
      case 'pauseCoordinator':
        return coordinator && this.#pause(coordinator, later)
      case 'cutCoordinator':
        return coordinator && this.#cut(coordinator, later)
      case 'stopCoordinator':
        return coordinator?.stop()
      case 'outage':
        world.tell('', 'the bus is down')
        network.setUp(false)
        return later(() => {
          world.tell('', 'the bus is up')
          network.setUp(true)
        })
    }
  }

  #targets({ target }: Fault) {
    const cluster = this.#cluster
    const workers = cluster.workers.filter(({ process, isGone }) => process.isAlive && !isGone)
    const coordinators = cluster.coordinators.filter(({ process }) => process.isAlive)
    const other = coordinators[target % Math.max(1, coordinators.length)]
    return {
      cluster,
      worker: workers[target % Math.max(1, workers.length)],
      coordinator: target % 4 < 3 ? (cluster.leader ?? other) : other,
    }
  }

  #pause(one: ModelWorker | ModelCoordinator, later: (work: () => void) => void): void {
    const { world } = this.#cluster
    world.tell(one.name, 'is stopped by a signal')
    one.process.pause()
    later(() => {
      world.tell(one.name, 'goes on')
      one.process.proceed()
    })
  }

  #cut(one: ModelWorker | ModelCoordinator, later: (work: () => void) => void): void {
    const { world, network } = this.#cluster
    world.tell(one.name, 'is cut off from the bus')
    network.cut(one.process)
    later(() => {
      world.tell(one.name, 'reaches the bus again')
      network.mend(one.process)
    })
  }

  #restart(worker: ModelWorker): void {
    if (worker.process.life > 0 && !worker.process.isAlive && !worker.isGone) worker.start()
  }

  /** From here on the run must come to its end. */
  #heal(): void {
    const { world, network, workers, coordinators } = this.#cluster
    world.tell('', 'nothing goes wrong from here on')
    this.#isHealed = true
    network.weather = fairWeather
    network.setUp(true)
    for (const one of [...workers, ...coordinators]) {
      network.mend(one.process)
      one.process.proceed()
    }
    for (const coordinator of coordinators) if (coordinator.process.life > 0) this.#cluster.startAgain(coordinator)
    for (const worker of workers) {
      worker.slowness = 1
      this.#restart(worker)
    }
  }
}
