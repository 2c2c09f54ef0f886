import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { openBus } from '../../../protocol/bus/open.ts'
import { freePorts } from '../../support/nats.ts'
import { conformance } from './conformance.ts'

const program = fileURLToPath(new URL('../../support/bus-server.ts', import.meta.url))

/** The embedded bus as a process of its own, so that it can be killed. */
const folder = t.testdir()
const [port] = await freePorts(1)
const start = async () => {
  const child = spawn(process.execPath, ['--import', 'tsx', program, String(port), folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}
let server = await start()
const kill = async () => {
  const ended = once(server, 'exit')
  server.kill('SIGKILL')
  await ended
}
t.teardown(kill)

conformance(t, {
  open: () => openBus(`ws://127.0.0.1:${port}`),
  kill,
  restart: async () => {
    server = await start()
  },
})
