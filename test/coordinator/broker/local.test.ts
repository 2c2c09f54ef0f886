import t from 'tap'
import { Broker } from '../../../coordinator/broker/broker.ts'
import { conformance } from '../../protocol/bus/conformance.ts'

for (const [name, folder] of [
  ['in memory', null],
  ['in LMDB', t.testdir()],
] as const)
  t.test(name, async (t) => {
    const broker = new Broker({ folder })
    t.teardown(() => broker.close())
    conformance(t, { open: async () => broker.local(), kill: null, restart: async () => {} })
  })
