import { randomBytes } from 'node:crypto'
import { NatsJournal } from '../../coordinator/journal/nats.ts'
import { silentLog } from '../../coordinator/run/events.ts'
import { NatsBus } from '../../protocol/bus/nats.ts'

/*
 * Appends numbered events without end and prints each number once it is told that the event is safe: node journal-process.ts <bus>
 * <name of the log> <epoch>.
 */

const [url, name, epoch] = process.argv.slice(2)
const bus = await NatsBus.open(url)
const journal = await NatsJournal.open({
  bus,
  log: await bus.log(name),
  blobs: await bus.blobs(name),
  epoch: Number(epoch),
  coordinator: randomBytes(16).toString('hex'),
  logger: silentLog,
})
for (let ms = 0; ; ms++) {
  await journal.append({ type: 'spent', phase: 'train', ms })
  process.stdout.write(`${ms}\n`)
}
