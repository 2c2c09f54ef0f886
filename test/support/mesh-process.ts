import { Mesh } from '../../worker/exchange/mesh.ts'

/* A worker's sockets in a process of its own, which counts what arrives until it is killed: mesh-process.ts <name> <mesh key>. */

const [self, meshKey] = process.argv.slice(2)
const mesh = await Mesh.listen({
  ...{ host: '127.0.0.1', port: 0, self, meshKey },
  onTransfer: (_from, { step }) => process.send?.({ arrived: step }),
  limit: () => 64 * 2 ** 20,
  relay: async () => {},
})
process.send?.({ url: mesh.url })
process.once('disconnect', () => process.exit())
