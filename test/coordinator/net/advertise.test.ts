import t from 'tap'
import { advertisedUrl } from '../../../coordinator/net/advertise.ts'

t.equal(advertisedUrl('ws://0.0.0.0:7777', 'gpu-1'), 'ws://gpu-1:7777', 'every IPv4 address')
t.equal(advertisedUrl('wss://[::]:7777', 'gpu-1'), 'wss://gpu-1:7777', 'every address')
t.equal(advertisedUrl('ws://127.0.0.1:7777', 'gpu-1'), 'ws://127.0.0.1:7777', 'an address of its own stays')
