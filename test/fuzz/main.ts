import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startNats } from '../support/nats.ts'
import { judge } from './judge.ts'
import { type SiegeOptions, siegeCluster, siegeEmbedded } from './siege.ts'

/*
 * The whole attack: node --import tsx test/fuzz/main.ts [--messages 100000] [--connections 100000] [--seed 1] [--only embedded|cluster]
 * Exit status 1 where anything is not as it must be.
 */

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    connections: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
})
const [messages, connections, seed] = [Number(values.messages), Number(values.connections), Number(values.seed)]
const ends: (() => unknown)[] = []
const say = (text: string) => console.log(text)
let isWell = true
try {
  for (const name of ['embedded', 'cluster'].filter((one) => values.only === undefined || values.only === one)) {
    const folder = mkdtempSync(join(tmpdir(), 'lethe-fuzz-'))
    ends.push(() => rmSync(folder, { recursive: true, force: true }))
    say(`${name}, seed ${seed}`)
    const options: SiegeOptions = { folder, seed, messages, connections, seconds: (messages + 5 * connections) / 2000, say }
    const report =
      name === 'embedded'
        ? await siegeEmbedded(options)
        : await siegeCluster(await startNats({ teardown: (end) => ends.push(end) }), options)
    for (const { what, isMet } of judge(report)) {
      say(`${isMet ? 'ok    ' : 'NOT OK'} ${what}`)
      isWell &&= isMet
    }
  }
} finally {
  for (const end of ends.reverse()) await end()
}
process.exitCode = isWell ? 0 : 1
