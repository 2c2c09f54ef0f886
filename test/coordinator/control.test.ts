import t from 'tap'
import { Control } from '../../coordinator/control.ts'
import { silentLog } from '../../coordinator/run/events.ts'
import type { Run } from '../../coordinator/run/run.ts'
import { Admission } from '../../protocol/admission.ts'
import type { Bus } from '../../protocol/bus/bus.ts'
import { BusRefused } from '../../protocol/bus/refused.ts'
import { LetheError } from '../../protocol/errors.ts'

/** A bus whose first answers to a subscription are these errors. */
function control(errors: LetheError[]) {
  const asked: string[] = []
  const bus = {
    subscribe: async (subject: string) => {
      asked.push(subject)
      const error = errors.shift()
      if (error) throw error
      return { unsubscribe: () => asked.push(`not ${subject}`) }
    },
    onConnection: () => {},
  } as unknown as Bus
  const admission = new Admission({ issuer: null, secret: 'x'.repeat(32), admitted: [] })
  const options = { bus, cluster: 'c', runId: 'a'.repeat(64), epoch: 1, admission, leads: () => true, log: silentLog }
  return { asked, control: new Control(options) }
}
const away = () => new LetheError('BUS_UNAVAILABLE', { message: 'the server is away for a moment' })

t.test('a bus that is away right after the election does not end the leader', async (t) => {
  const { asked, control: own } = control([away(), away()])
  const end = await own.listen({} as Run)
  t.equal(asked.length, 4, 'two failures, two subscriptions')
  end()
  t.equal(asked.filter((subject) => subject.startsWith('not ')).length, 2)
})

t.test('what will not change is told at once', async (t) => {
  const refused = new BusRefused({ message: 'this user may not' })
  await t.rejects(control([refused]).control.listen({} as Run), refused)
  await t.rejects(control([new LetheError('INTERNAL', { message: 'a mistake' })]).control.listen({} as Run), { code: 'INTERNAL' })
})
