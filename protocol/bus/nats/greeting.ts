import { connect } from 'node:net'
import { unavailable } from '../payload.ts'

/** A server speaks first, and says `INFO {…}`. */
const greeting = 'INFO {'

/**
 * Waits for the first words of a NATS server over TCP. The client itself would keep its socket to one that says nothing, and with it the
 * process.
 * @throws LetheError BUS_UNAVAILABLE
 */
export function awaitGreeting(host: string, port: number, timeoutMs: number): Promise<void> {
  const address = `${host}:${port}`
  const socket = connect({ host, port })
  return new Promise<void>((resolve, reject) => {
    const fail = (received: string, cause?: unknown) =>
      reject(unavailable(`cannot reach the NATS server at ${address}`, { received, cause }))
    socket.setTimeout(timeoutMs, () => fail(`nothing for ${timeoutMs} ms`))
    socket.on('error', (cause: NodeJS.ErrnoException) => fail(cause.code ?? cause.message, cause))
    socket.on('close', () => fail('the end of the connection'))
    let text = ''
    socket.on('data', (data) => {
      text += data.toString('latin1', 0, greeting.length)
      if (text.length < greeting.length) return
      if (text.startsWith(greeting)) resolve()
      else fail('the words of another kind of server')
    })
  }).finally(() => socket.destroy())
}
