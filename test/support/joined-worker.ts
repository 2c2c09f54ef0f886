import type { Test } from 'tap'
import { createIdentity } from '../../protocol/identity.ts'
import { runWorker, type WorkerOptions } from '../../worker/main.ts'
import type { JobSession } from '../../worker/session.ts'
import { type FakeCoordinator, type FakeMember, until } from './fake-coordinator.ts'
import { type ToyFaults, toyOpener } from './toy-session.ts'

/** A worker in this process; its link has a thread of its own. */
export function joinWorker(t: Test, bus: string, faults: ToyFaults = {}, options: Partial<WorkerOptions> = {}) {
  const sessions: JobSession[] = []
  const leaving = new AbortController()
  const open = toyOpener(faults)
  const ended = runWorker({
    bus,
    token: 'a token',
    identity: createIdentity(),
    openSession: async (job, files) => {
      const session = await open(job, files)
      sessions.push(session)
      return session
    },
    signal: leaving.signal,
    ...options,
  })
  ended.catch(() => {})
  t.teardown(() => leaving.abort())
  return { ended, sessions, leave: () => leaving.abort() }
}

/** The so-many-th membership, once its worker has opened the job. */
export async function opened(fake: FakeCoordinator, index: number, timeoutMs?: number): Promise<FakeMember> {
  await until(() => fake.members[index]?.said('opened'), timeoutMs)
  return fake.members[index]
}

export const assign = (epoch: number, step: number, start = 0, end = 2) =>
  ({ type: 'assign', epoch, step, start, end, audit: null, slices: null }) as const
