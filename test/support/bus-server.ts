import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { Broker } from '../../coordinator/broker/broker.ts'

// An embedded bus as a process: `bus-server.ts PORT FOLDER [ROLE]`. Prints `ready` when it listens.
const [port, folder, role = 'coordinator'] = process.argv.slice(2)
const broker = new Broker({ folder })
const sockets = new WebSocketServer({ noServer: true, maxPayload: 1024 * 1024, perMessageDeflate: false })
const server = createServer()
server.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (one) => broker.attach(one, { role: role as 'worker' | 'coordinator' | 'admin' }))
})
server.listen(Number(port), '127.0.0.1', () => console.log('ready'))
