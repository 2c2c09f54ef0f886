import t from 'tap'
import { duration, escaped, grouped, percent, significant } from '../../../coordinator/report/text.ts'

t.test('numbers as a reader sees them', (t) => {
  t.same([0, 0.03, 123456.7, 1.23456e-5, -0.5].map(significant), ['0', '0.03', '123500', '1.235e-5', '-0.5'])
  t.same([0, 999, 1000, 1_043_009].map(grouped), ['0', '999', '1\u202f000', '1\u202f043\u202f009'])
  t.same([0, 0.0038, 0.0574, 1].map(percent), ['0 %', '0.38 %', '5.7 %', '100 %'])
  t.same([420, 59_400, 160_100, 7_260_000].map(duration), ['0.4 s', '59.4 s', '2 min 40 s', '2 h 1 min'])
  t.end()
})

t.test('no markup from text', (t) => {
  t.equal(escaped('<a href="x" title=\'y\'>&'), '&#60;a href=&#34;x&#34; title=&#39;y&#39;&#62;&#38;')
  t.end()
})
