import t from 'tap'
import { joinUrl } from '../../cli/coordinator.ts'

t.test('workers elsewhere are told an address that they can reach', async (t) => {
  t.equal(joinUrl('ws://0.0.0.0:7777', 'box'), 'ws://box:7777')
  t.equal(joinUrl('ws://[::]:7777', 'box'), 'ws://box:7777')
  t.equal(joinUrl('ws://127.0.0.1:7777', 'box'), 'ws://127.0.0.1:7777')
})
