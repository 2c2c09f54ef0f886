import type { AttackArm, Cell, ExperimentAttack, ExperimentColumn, ExperimentReport } from '../../protocol/experiment/report.ts'
import { duration, escaped, grouped } from '../report/text.ts'
import { gapsText, halfText, intervalText, notMeasured, number, partialText, share, valueText } from './format.ts'
import type { Sheet } from './pictures.ts'
import { recoverySvg, scatterSvg, shade } from './plots.ts'
import { experimentStyle } from './style.ts'

/** Sheets of samples by the number of the row. */
export type RowSheets = ReadonlyMap<number, readonly Sheet[]>

/** experiment.html: self-contained, no script, no request to anywhere. */
export function experimentHtml(report: ExperimentReport, sheets: RowSheets): string {
  const body = [
    header(report),
    models(report),
    comparison(report),
    attacks(report),
    samples(report, sheets),
    limits(report),
    rerun(report),
    jobs(report),
  ]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(report.title)} · Lethe experiment</title>
<style>${experimentStyle}</style>
</head>
<body>
<main>
${body.filter(Boolean).join('\n')}
</main>
</body>
</html>
`
}

function section(title: string, content: string): string {
  return `<section><h2>${title}</h2>${content}</section>`
}

function header({ title, text, budget, jobs, rows }: ExperimentReport): string {
  const done = jobs.filter(({ state }) => state === 'finished').length
  const spent = jobs.reduce((sum, { wallMs }) => sum + (wallMs ?? 0), 0)
  const lead = `${rows.length} rows from ${grouped(done)} of ${grouped(jobs.length)} jobs, budget ${budget}, ${duration(spent)} of computing.`
  const about = text === '' ? '' : `<p>${escaped(text)}</p>`
  return `<header><div class="brand">Lethe</div><h1>${escaped(title)}</h1><p class="lead soft">${escaped(lead)}</p>${about}</header>`
}

function cellHtml(cell: Cell | undefined, column: Pick<ExperimentColumn, 'isShare'>, { isBest = false, partial = '' } = {}): string {
  const interval = intervalText(cell, column)
  const samples = cell && column.isShare ? cell.readings.reduce((sum, one) => sum + (one.samples ?? 0), 0) : 0
  const small = [interval, samples > 0 ? `n = ${grouped(samples)}` : '', partial]
    .filter(Boolean)
    .map((line) => `<small>${escaped(line)}</small>`)
  return `<td${isBest ? ' class="best"' : ''}>${escaped(valueText(cell, column))}${small.join('')}</td>`
}

const arrows = { higher: '↑', lower: '↓' } as const

function models(report: ExperimentReport): string {
  const { columns, rows } = report
  // An attack by itself has no model of its own to show.
  const hasModels = report.jobs.some(({ kind }) => kind !== 'attack')
  if (columns.length === 0) return hasModels ? section('Models', '<p class="soft">No job of the table has finished yet.</p>') : ''
  const head = columns.map(({ label, better }) => `<th>${escaped(label)}${better ? ` ${arrows[better]}` : ''}</th>`)
  const best = new Map(columns.map((column) => [column.key, bestOf(report, column)]))
  const lines = rows.map((row) => {
    const { title, cells, seeds, jobs } = row
    const gaps = gapsText(report, jobs)
    const names = `${escaped(title)}<small>${seeds.length === 1 ? 'seed' : 'seeds'} ${escaped(seeds.join(', '))}</small>${gaps ? `<small class="bad">${escaped(gaps)}</small>` : ''}`
    const values = columns.map((column) => {
      const cell = cells[column.key]
      return cellHtml(cell, column, { isBest: isAt(cell, best.get(column.key)), partial: cell && partialText(cell.readings, report, row) })
    })
    return `<tr><td>${names}</td>${values.join('')}</tr>`
  })
  const table = `<div class="scroll"><table class="models"><thead><tr><th></th>${head.join('')}</tr></thead><tbody>${lines.join('')}</tbody></table></div>`
  const notes = columns.map(({ label, note }) => `<li>${escaped(label)}: ${escaped(note)}</li>`)
  const intervals =
    'Small print: intervals of 95 %. Shares are pooled over seeds; their interval is the wider of Wilson’s, which knows nothing of the spread between seeds, and Student’s t over the shares of the seeds. Other numbers are means over seeds, with Student’s t over seeds. With one seed an interval is of that run alone: Student’s over samples, noises, chunks or probes, the delete-block jackknife of a Fréchet distance, Wilson’s of precision and recall; it knows nothing of other seeds. experiment.json names the kind of each. Bold: the best value of a column, which alone is no verdict.'
  return section(
    'Models',
    `${table}<p class="note">${intervals}</p><details><summary>What the columns are</summary><ul class="note">${notes.join('')}</ul></details>`,
  )
}

/** Among rows that have all their seeds: fewer may have been the lucky ones. */
function bestOf(report: ExperimentReport, { key, better }: ExperimentColumn): number | null {
  const values = report.rows.flatMap((row) => {
    const cell = row.cells[key]
    return cell && partialText(cell.readings, report, row) === '' ? (cell.value ?? []) : []
  })
  if (better === null || values.length < 2) return null
  return better === 'higher' ? Math.max(...values) : Math.min(...values)
}

function isAt(cell: Cell | undefined, best: number | null | undefined): boolean {
  return best != null && cell?.value === best
}

function comparison(report: ExperimentReport): string {
  const plot = scatterSvg(report)
  if (plot === '') return ''
  const { axes, values } = report.comparison
  const third = axes.find(({ of }) => of === 'robustness')
  const missing = report.rows.filter((_, i) => values[i].includes(null)).map(({ title }) => title)
  const colours = third
    ? ` Colour: ${escaped(third.label)}, by the worst attack: <span class="swatch" style="background:${shade(0)}"></span>0 % <span class="swatch" style="background:${shade(0.5)}"></span>50 % <span class="swatch" style="background:${shade(1)}"></span>100 %; grey where there was none.`
    : ''
  const left = missing.length > 0 ? ` Not judged, as they lack one of these, or it is not finite: ${escaped(missing.join(', '))}.` : ''
  const text = `<p class="note">Ring: on the Pareto front of ${axes.length === 3 ? 'the three' : 'the two'}: no other row is as good on each and better on one. Means alone decide, not their intervals.${colours}${left}</p>`
  return section(third ? 'Forgetting, quality, robustness' : 'Forgetting and quality', text + plot)
}

const measures = {
  recognised: 'samples of the forgotten classes that the classifier takes for them',
  hits: 'samples that are the forgotten image',
  reconstructed: 'noised copies of the forgotten image that are brought back to it',
} as const

function attacks(report: ExperimentReport): string {
  const { rows } = report
  const names = [...new Set(rows.flatMap((row) => row.attacks.map(({ name }) => name)))]
  return names
    .map((name) => {
      const attacked = rows.flatMap((row) =>
        row.attacks
          .filter((one) => one.name === name)
          .map((attack) => ({ title: row.title, attack, partial: partialText(attack.seeds, report, row) })),
      )
      const head = [
        '',
        'share at start',
        'at end',
        'mean over steps',
        'half back at step',
        'distance in weights',
        'original: end',
        'retrained: end',
        'half back: original / retrained',
      ].map((label) => `<th>${label}</th>`)
      const lines = attacked.map(
        ({ title, attack, partial }) =>
          `<tr><td>${escaped(title)}${partial && `<small>${escaped(partial)}</small>`}</td>${armHtml(attack)}</tr>`,
      )
      const plots = attacked.map(({ title, attack }) => recoverySvg(title, attack))
      const [{ attack }] = attacked
      const text = `<p class="note">The attacker trains the unlearned model on images without anything of the forgotten: ${escaped(name)}. Followed is the share of ${measures[attack.measure]}. Half back: the step, interpolated, at which half of what the original model shows is reached; median over seeds, “>” where it was not reached by that step. Controls are the original model and one that never saw the forgotten, under the same attack: what the retrained one learns is not recovered but learned.</p>`
      const table = `<div class="scroll"><table class="attacks"><thead><tr>${head.join('')}</tr></thead><tbody>${lines.join('')}</tbody></table></div>`
      const key = `<p class="note"><span class="key"></span>the row <span class="key original"></span>original <span class="key retrained"></span>retrained. Band: least to most of the seeds; with one seed, Wilson’s interval.</p>`
      return section(`Attack with ${escaped(name)}`, `${text}${table}${key}<div class="plots">${plots.join('')}</div>`)
    })
    .join('\n')
}

function armHtml({ start, end, area, half, distance, controls }: ExperimentAttack): string {
  const control = (arm: AttackArm | null) => (arm ? cellHtml(arm.end, share) : `<td>${notMeasured}</td>`)
  const halves = [controls.original, controls.retrained].map((arm) => (arm ? halfText(arm.half) : notMeasured)).join(' / ')
  return `${cellHtml(start, share)}${cellHtml(end, share)}${cellHtml(area, number)}<td>${escaped(halfText(half))}</td>${cellHtml(distance, number)}${control(controls.original)}${control(controls.retrained)}<td>${escaped(halves)}</td>`
}

function samples({ rows }: ExperimentReport, sheets: RowSheets): string {
  // Many rows begin with the same model: the page holds each picture once.
  const numbers = new Map<string, number>()
  const imageOf = ({ url, width, height }: Sheet) => {
    const known = numbers.get(url)
    if (known !== undefined) return `<use href="#sheet-${known}"/>`
    numbers.set(url, numbers.size)
    return `<image id="sheet-${numbers.size - 1}" href="${url}" width="${width}" height="${height}"/>`
  }
  const blocks = rows.flatMap(({ title, seeds }, i) => {
    const own = sheets.get(i) ?? []
    if (own.length === 0) return []
    const figures = own.map((sheet) => {
      const label = escaped(`${title}, ${sheet.what}`)
      return `<figure><svg viewBox="0 0 ${sheet.width} ${sheet.height}" role="img" aria-label="${label}">${imageOf(sheet)}</svg><figcaption>${escaped(sheet.what)}</figcaption></figure>`
    })
    return [
      `<h3>${escaped(title)}${seeds.length > 1 ? `, seed ${escaped(seeds[0])}` : ''}</h3><div class="row-sheets">${figures.join('')}</div>`,
    ]
  })
  return blocks.length > 0 ? section('What the models draw', blocks.join('')) : ''
}

function limits({ rows, columns }: ExperimentReport): string {
  const keys = columns.map(({ key }) => key)
  const entries = [
    'That a row which resists these attacks resists others. An attack shows what came back, never that nothing could.',
    rows.some(({ attacks }) => attacks.some(({ controls }) => !controls.original || !controls.retrained)) &&
      'That what came back was remembered, in rows without controls: there is nothing to compare with.',
    rows.some(({ seeds }) => seeds.length < 5) &&
      'That other seeds give the same. Where there are few, Student’s intervals are wide, and right only if seeds vary about as a normal distribution does; with one seed, nothing is known of others.',
    (keys.includes('inceptionScore') || keys.includes('frechetDistance')) &&
      'Numbers to compare with other papers. Scores are of the classifier of this experiment.',
  ].filter((entry) => typeof entry === 'string')
  return section('What is not promised', `<ul>${entries.map((entry) => `<li>${escaped(entry)}</li>`).join('')}</ul>`)
}

function rerun({ rows }: ExperimentReport): string {
  const lines = rows.map(({ title, rerun }) => `<h3>${escaped(title)}</h3><pre class="command">${escaped(rerun)}</pre>`)
  return section(
    'Make a row once more',
    `<p class="note">Each command runs what the row needs, into another folder. Equal engine and hardware give equal checkpoints.</p>${lines.join('')}`,
  )
}

function jobs({ jobs }: ExperimentReport): string {
  const lines = jobs.map(({ id, kind, method, state, error, wallMs, checkpointSha256 }) => {
    const hash = checkpointSha256 ? `<code title="${checkpointSha256}">${checkpointSha256.slice(0, 12)}</code>` : ''
    const how = error ? `${state}: ${error.code}` : state
    return `<tr><td>${escaped(id)}</td><td>${escaped(method ?? kind)}</td><td>${escaped(how)}</td><td>${wallMs === null ? '' : duration(wallMs)}</td><td>${hash}</td></tr>`
  })
  const head = ['job', '', 'state', 'time', 'checkpoint'].map((label) => `<th>${label}</th>`).join('')
  const table = `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${lines.join('')}</tbody></table></div>`
  return `<section><details><summary>The jobs</summary>${table}<p class="note">Each has a report of its own in the folder of its name; experiment.json has every number of every seed.</p></details></section>`
}
