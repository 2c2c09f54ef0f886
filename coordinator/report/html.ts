import type { RunReport } from '../../protocol/report.ts'
import type { ReportInput } from './input.ts'
import { classesSection } from './page/classes.ts'
import { curvesSection } from './page/curves.ts'
import { likelihoodSection, membershipSection } from './page/density.ts'
import { extractorsSection } from './page/extractors.ts'
import { figuresSection } from './page/figures.ts'
import { hitsSection, recallSection } from './page/images.ts'
import { limitsSection } from './page/limits.ts'
import { jobSection, provenanceSection } from './page/provenance.ts'
import { relearningSection } from './page/relearning.ts'
import { rowsOf } from './rows.ts'
import { style } from './style.ts'
import { duration, escaped, grouped, imageName, significant } from './text.ts'

/** report.html: self-contained, no script, no request to anywhere. */
export function reportHtml(report: RunReport, input: ReportInput): string {
  const body = [
    header(report),
    tiles(report),
    figuresSection(report),
    relearningSection(report, input),
    recallSection(report, input),
    hitsSection(report, input),
    classesSection(report, input),
    extractorsSection(report),
    likelihoodSection(report),
    membershipSection(report),
    curvesSection(report, input),
    limitsSection(report),
    jobSection(report),
    provenanceSection(report),
  ]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(report.name)} · Lethe report</title>
<style>${style}</style>
</head>
<body>
<main>
${body.filter(Boolean).join('\n')}
</main>
</body>
</html>
`
}

function header(report: RunReport): string {
  return `<header><div class="brand">Lethe</div><h1>${escaped(report.name)}</h1><p class="lead soft">${escaped(whatWasDone(report))}</p></header>`
}

function whatWasDone(report: RunReport): string {
  const { kind, method, data, steps, rounds, workers, wallMs, parameterCount, attack } = report
  const on = `${workers} worker${workers === 1 ? '' : 's'}`
  const size = `${grouped(parameterCount)} parameters`
  const model = isClassifier(report) ? 'classifier' : 'diffusion model'
  if (kind === 'evaluate') return `A ${model} of ${size} was measured on ${on}.`
  const count =
    rounds === null || rounds === steps ? `${grouped(steps)} steps` : `${grouped(steps)} steps of ${grouped(rounds)} reductions in all`
  const effort = `${count} on ${on}${wallMs.train === undefined ? '' : `, ${duration(wallMs.train)} of training`}`
  if (kind === 'train') return `A ${model} of ${size} was trained on ${grouped(data.items)} images: ${effort}.`
  const images = attack?.images === 'sources' ? 'other images' : 'the kept images of its data'
  const shuffled = attack?.labels === 'shuffled' ? ' with their labels shuffled' : ''
  if (kind === 'attack')
    return `A diffusion model of ${size} that had been made to forget was trained again on ${images}${shuffled}, with ${method}: ${effort}.`
  return `A diffusion model of ${size} was trained to forget ${grouped(data.forgetItems)} of its ${grouped(data.items)} training images, with ${method}: ${effort}.`
}

function isClassifier({ method, accuracy }: RunReport): boolean {
  return method === 'classify' || accuracy.after !== null
}

function tiles(report: RunReport): string {
  const { forget, accuracy, samples, attack, kind, stepsPerSecond } = report
  const change = (before: string | undefined, after: string) => (before === undefined ? after : `${before} <i>→</i> ${after}`)
  const { before, after } = forget
  const entries: (readonly [string, string])[] = []
  if (after?.reconstructed != null)
    entries.push([
      change(before?.reconstructed == null ? undefined : `${before.reconstructed}`, `${after.reconstructed} <i>of ${after.noises}</i>`),
      `reconstructions of the ${imageName(kind)}`,
    ])
  if (after?.hits != null)
    entries.push([
      change(before?.hits == null ? undefined : `${before.hits}`, `${after.hits} <i>of ${after.samples}</i>`),
      `samples that are the ${imageName(kind)}`,
    ])
  for (const [side, label] of [
    ['forgotten', 'samples of forgotten classes recognised'],
    ['kept', 'samples of kept classes recognised'],
  ] as const) {
    const [old, now] = [samples.before?.[side], samples.after?.[side]]
    if (now?.recognised != null)
      entries.push([change(old?.recognised == null ? undefined : `${old.recognised}`, `${now.recognised} <i>of ${now.samples}</i>`), label])
  }
  if (attack?.halfRecovery) {
    const { share, step, censoredAt } = attack.halfRecovery
    const when = step === null ? `not in ${grouped(censoredAt ?? 0)}` : Number(step.toFixed(1))
    entries.push([`${when} <i>steps</i>`, `until ${Number((100 * share).toFixed(1))} % are recognised again`])
  }
  if (accuracy.after)
    entries.push([`${(100 * accuracy.after.accuracy).toFixed(2)} %`, `right of ${grouped(accuracy.after.samples)} images`])
  const loss = rowsOf(report).find(({ label }) => label.startsWith('loss'))
  if (loss && kind === 'unlearn' && loss.change) entries.push([escaped(loss.change), 'loss on the kept data'])
  else if (loss) entries.push([escaped(loss.after), 'loss on the kept data'])
  if (stepsPerSecond !== null) entries.push([significant(Number(stepsPerSecond.toPrecision(3))), 'steps per second'])
  if (entries.length === 0) return ''
  return `<div class="tiles">${entries.map(([value, label]) => `<div class="tile"><b>${value}</b><span>${label}</span></div>`).join('')}</div>`
}
