import t from 'tap'
import { advance, type PhaseProgress, ProgressLine, progressBar, progressText, rateOf } from '../../cli/progress.ts'
import { duration, shellWord } from '../../cli/terminal.ts'

const train = (done: number, losses?: Record<string, number>) => ({
  type: 'progress' as const,
  phase: 'train' as const,
  done,
  total: 60,
  losses,
})

class Screen {
  text = ''
  constructor(readonly isTTY: boolean) {}
  columns = 80
  write(chunk: string): boolean {
    this.text += chunk
    return true
  }
  get stream(): NodeJS.WriteStream {
    return this as unknown as NodeJS.WriteStream
  }
}

t.test('rate and time left are those of the last steps of the phase', async (t) => {
  let progress: PhaseProgress = advance(undefined, { type: 'progress', phase: 'measure', version: 0, done: 3, total: 4 }, 0)
  progress = advance(progress, train(10), 1000)
  t.equal(rateOf(progress), undefined, 'one mark says nothing')
  t.equal(progressText(progress), 'steps 10/60')
  progress = advance(progress, train(20, { keep: 31.23456, forget: 840 }), 6000)
  t.equal(rateOf(progress), 2)
  t.equal(progressText(progress), 'steps 20/60  2.00 steps/s  20 s left  loss keep 31.23, forget 840')
  for (let step = 21; step <= 60; step++) progress = advance(progress, train(step), 6000 + (step - 20) * 1000)
  t.equal(rateOf(progress)?.toFixed(2), '1.00', 'old marks are dropped')
  t.equal(progressText(progress), 'steps 60/60  1.00 steps/s  loss keep 31.23, forget 840')
})

t.test('bar, times and shell words', async (t) => {
  t.equal(progressBar(1, 2, 4), '██░░')
  t.equal(progressBar(0, 0, 2), '░░')
  t.equal(progressBar(9, 3, 2), '██')
  t.same([0, 59.6, 125, 3720].map(duration), ['0 s', '1 min 00 s', '2 min 05 s', '1 h 02 min'])
  t.same(['a=1', "it's", 'a b'].map(shellWord), ['a=1', `'it'\\''s'`, "'a b'"])
})

t.test('a terminal gets one line that is rewritten', async (t) => {
  const { NO_COLOR, TERM } = process.env
  Object.assign(process.env, { NO_COLOR: '1', TERM: 'xterm' })
  t.teardown(() => Object.assign(process.env, { NO_COLOR: NO_COLOR ?? '', TERM: TERM ?? '' }))
  const screen = new Screen(true)
  let now = 0
  const line = new ProgressLine(screen.stream, () => now)
  for (let step = 1; step <= 60; step++) {
    now += 50
    line.update(train(step, { keep: 1.5 }))
  }
  line.close()
  t.equal(screen.text.split('\n').length, 2, 'one line feed')
  const draws = screen.text.split('\r').length - 1
  t.ok(draws >= 30 && draws <= 32, `${draws} draws, at most ten a second`)
  t.ok(
    screen.text.split('\r').every((draw) => draw.replace('\x1b[2K', '').trimEnd().length <= 80),
    'never wider than the terminal',
  )
})

t.test('elsewhere there is a plain line for each tenth, and the end once', async (t) => {
  const screen = new Screen(false)
  let now = 0
  const line = new ProgressLine(screen.stream, () => now)
  for (let step = 1; step <= 60; step++) {
    now += 100
    line.update(train(step))
  }
  line.note('worker 1 left')
  line.close()
  const lines = screen.text.trimEnd().split('\n')
  t.equal(lines.length, 12)
  t.match(lines[10], /^steps 60\/60/)
  t.equal(lines[11], 'worker 1 left')
  t.notMatch(screen.text, '\x1b')
})
