import t from 'tap'
import { shareText } from '../../../coordinator/experiment/format.ts'
import { experimentHtml } from '../../../coordinator/experiment/html.ts'
import { experimentReportOf } from '../../../coordinator/experiment/summary.ts'
import { experimentTable } from '../../../coordinator/experiment/table.ts'
import { keptLoss, madeUpAttack, madeUpModel, recognised } from '../../support/experiment.ts'

async function madeUp() {
  const controls = { original: 'o', retrained: 'r' }
  const row = (method: string) => ({ row: { method }, controls })
  const results = [
    madeUpModel('x', row('<script>alert(1)</script>'), { ...recognised(1, 80), ...keptLoss(0.1) }),
    madeUpAttack('x-attacked', row('<script>alert(1)</script>'), [0, 20, 60]),
    madeUpModel('y', row('calm'), recognised(0, 90)),
    madeUpAttack('y-attacked', row('calm'), [0, 0, 5]),
    madeUpModel('z', row('late'), null),
    madeUpAttack('o', {}, [80, 90, 90]),
    madeUpAttack('r', {}, [0, 0, 10]),
  ]
  const expansion = { name: 'made-up', title: 'A & B', text: 'Why?', budget: 'full', titles: {} }
  return experimentReportOf({ expansion, results, rerun: (ids) => `npx lethe experiment e.yaml --only ${ids[0]}` })
}

t.test('the page holds every part, is self-contained, and escapes what it shows', async (t) => {
  const report = await madeUp()
  const sheet = { what: 'before', url: 'data:image/png;base64,AAAA', width: 10, height: 10 }
  const after = { ...sheet, what: 'after', url: 'data:image/png;base64,BBBB' }
  const html = experimentHtml(
    report,
    new Map([
      [0, [sheet]],
      [1, [sheet, after]],
    ]),
  )
  for (const part of [
    '<h1>A &#38; B</h1>',
    'unlearning accuracy ↑',
    'Attack with kept data',
    '&#62; 20',
    'Pareto front',
    'data:image/png;base64,AAAA',
    '1 of 1 jobs not run',
  ])
    t.ok(html.includes(part), part)
  t.equal(html.match(/<svg class="plot"/g)?.length, 2, 'one recovery curve a row')
  t.equal(html.match(/class="front"/g)?.length, 1, 'the row that is beaten has no ring')
  t.equal(html.match(/class="arm (original|retrained)"/g)?.length, 4)
  t.equal(html.match(/base64,AAAA/g)?.length, 1, 'a picture of two rows is in the page once')
  t.equal(html.match(/<use href="#sheet-0"\/>/g)?.length, 1)
  t.equal(html.match(/<figure>/g)?.length, 3)
  t.notMatch(html, /<script|https?:|url\(|<link|@import/, 'nothing is loaded, nothing runs')
  t.notMatch(html, /NaN|undefined|Infinity/)
})

t.test('shares that are small have a digit more', async (t) => {
  t.same([0, 1 / 2048, 0.0099, 0.01, 0.5, 1].map(shareText), ['0.0 %', '0.05 %', '0.99 %', '1.0 %', '50.0 %', '100.0 %'])
})

t.test('the table of a terminal', async (t) => {
  const text = experimentTable(await madeUp())
  t.match(text, /calm +100\.0 % \(72\.2 to 100\.0 %\)/)
  t.match(text, /calm +kept data +0\.0 % +5\.0 % .* > 20 +90\.0 % at the end +10\.0 % at the end/)
  t.match(text, /late: 1 of 1 jobs not run/)
})

t.test('an experiment of which nothing has finished', async (t) => {
  const expansion = { name: 'none', title: 'None', text: '', budget: 'full', titles: {} }
  const report = await experimentReportOf({ expansion, results: [madeUpModel('z', { row: { m: 'z' } }, null)], rerun: () => '' })
  t.match(experimentHtml(report, new Map()), /No job of the table has finished/)
  t.match(experimentTable(report), /1 of 1 jobs not run/)
})
