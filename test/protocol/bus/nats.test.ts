import t from 'tap'
import { openBus } from '../../../protocol/bus/open.ts'
import { startNats } from '../../support/nats.ts'
import { conformance } from './conformance.ts'

const server = await startNats(t)
conformance(t, { open: () => openBus(server.url), kill: server.kill, restart: server.restart })
