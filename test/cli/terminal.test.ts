import t from 'tap'
import { planText } from '../../cli/job-lines.ts'
import { printable } from '../../cli/terminal.ts'
import type { Expansion } from '../../protocol/experiment/expansion.ts'

t.test('texts of files cannot write anything but text to a terminal', async (t) => {
  t.equal(printable('\x1b[2J\x1b]0;title\x07 a\r\x08b\x9bc\u202ed'), '\ufffd[2J\ufffd]0;title\ufffd a\ufffd\ufffdb\ufffdc\ufffdd')
  t.equal(printable('Größe 漢字 – 1\t2\n'), 'Größe 漢字 – 1\t2\n')
  const job = { id: 'a', job: { kind: 'evaluate' }, dependsOn: [] } as unknown as Expansion['jobs'][number]
  t.equal(planText({ title: 'x\x1b[31m', budget: 'full' } as Expansion, [job]), 'x\ufffd[31m: 1 jobs, budget full\na  evaluate\n')
})
