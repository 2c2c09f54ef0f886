import { Leadership } from '../../coordinator/leadership/lead.ts'
import { silentLog } from '../../coordinator/run/events.ts'
import { openBus } from '../../protocol/bus/open.ts'

/*
 * A process that wants to lead a run and says what becomes of it, a line of JSON each: node leader-process.ts <bus> <run id>.
 * SIGTERM stops it in good order, SIGUSR2 finishes the run.
 */

const [url, runId] = process.argv.slice(2)
const bus = await openBus(url)
const say = (said: string, fields: object = {}) => process.stdout.write(`${JSON.stringify({ at: Date.now(), said, ...fields })}\n`)

let wasLeading = false
const leadership = new Leadership({
  bus,
  cluster: 'test',
  runId,
  url: '',
  isAlone: false,
  log: silentLog,
  onStandingBy: ({ epoch }) => say('standingBy', { epoch }),
  onElected: (epoch) => say('elected', { epoch }),
  onSuspended: () => say('suspended'),
  onResumed: () => say('resumed'),
  onDeposed: (error) => end('deposed', { code: error.code, text: error.format() }),
  onFinished: ({ epoch, state }) => end('finished', { epoch, state }),
  onRefused: (error) => end('refused', { code: error.code, text: error.format() }),
})

function end(said: string, fields: object = {}): void {
  say(said, fields)
  clearInterval(watch)
  void bus.close()
}

/** What a coordinator would ask before each command. */
const watch = setInterval(() => {
  const isLeading = leadership.leads
  if (isLeading !== wasLeading) say(isLeading ? 'leads' : 'leadsNot')
  wasLeading = isLeading
}, 5)

for (const [signal, finished] of [
  ['SIGTERM', false],
  ['SIGUSR2', true],
] as const) {
  process.once(signal, async () => {
    await leadership.stop({ finished })
    end('stopped')
  })
}
leadership.start()
say('started')
