import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { openBus } from '../../protocol/bus/open.ts'
import { readIdentity } from '../../protocol/identity.ts'
import type { TlsFiles } from '../../protocol/tls.ts'
import { Attendant, type FromLink, type ToLink } from './attendant.ts'
import { Watermark } from './watermark.ts'

/*
 * The bus lives in this thread, so that heartbeats leave on time however long a micro-batch holds the main one. Each beat carries the
 * watermark: a worker that lives but does not move is seen too.
 */

export interface LinkData {
  url: string
  cluster: string
  token: string
  /** PEM of the worker's private key. */
  identity: string
  tls?: TlsFiles
  credentials?: string
  pid: number
  watermark: SharedArrayBuffer
}

const port = parentPort as MessagePort
const { url, cluster, token, identity, tls, credentials, pid, watermark } = workerData as LinkData

const attendant = new Attendant({
  url,
  cluster,
  token,
  identity: readIdentity(identity),
  pid,
  watermark: new Watermark(watermark),
  open: () => openBus(url, { token, tls, credentials, name: 'lethe worker' }),
  tell: (message: FromLink) => port.postMessage(message),
})

port.on('message', async (message: ToLink) => {
  await attendant.receive(message)
  if (message.type === 'close') port.close()
})
await attendant.run()
