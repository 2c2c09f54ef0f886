import { stringify } from 'yaml'
import type { Picture } from '../../protocol/picture.ts'
import { encodePng } from '../../protocol/picture.ts'
import type { ForgetMeasure, RunReport } from '../../protocol/report.ts'
import type { Phase, ReportInput } from './input.ts'
import type { Measured } from './pictures.ts'
import { measuredPictures, sheet } from './pictures.ts'
import type { Row } from './rows.ts'
import { rowsOf } from './rows.ts'
import { style } from './style.ts'
import { curveSvg } from './svg.ts'
import { duration, escaped, grouped, imageName, notFinite, percent, significant } from './text.ts'

const phases = ['before', 'after'] as const
const shownReconstructions = 20
const shownSamples = 64
const shownHits = 32

/** report.html: self-contained, no script, no request to anywhere. */
export function reportHtml(report: RunReport, input: ReportInput): string {
  const body = [
    header(report),
    tiles(report),
    figures(report),
    recall(report, input),
    samples(report, input),
    curves(report),
    limits(report),
    job(report),
    provenance(report),
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
  const { kind, method, data, steps, workers, wallMs, parameterCount } = report
  const on = `${workers} worker${workers === 1 ? '' : 's'}`
  const size = `${grouped(parameterCount)} parameters`
  const model = isClassifier(report) ? 'classifier' : 'diffusion model'
  if (kind === 'evaluate') return `A ${model} of ${size} was measured on ${on}.`
  const effort = `${grouped(steps)} steps on ${on}${wallMs.train === undefined ? '' : `, ${duration(wallMs.train)} of training`}`
  if (kind === 'train') return `A ${model} of ${size} was trained on ${grouped(data.items)} images: ${effort}.`
  return `A diffusion model of ${size} was trained to forget ${grouped(data.forgetItems)} of its ${grouped(data.items)} training images, with ${method}: ${effort}.`
}

function isClassifier({ method, accuracy }: RunReport): boolean {
  return method === 'classify' || accuracy.after !== null
}

function tiles({ forget, keep, accuracy, kind, stepsPerSecond }: RunReport): string {
  const change = (before: string | undefined, after: string) => (before === undefined ? after : `${before} <i>→</i> ${after}`)
  const { before, after } = forget
  const entries: (readonly [string, string])[] = []
  if (after?.reconstructed != null)
    entries.push([
      change(before ? `${before.reconstructed}` : undefined, `${after.reconstructed} <i>of ${after.noises}</i>`),
      `reconstructions of the ${imageName(kind)}`,
    ])
  if (after?.hits != null)
    entries.push([
      change(before ? `${before.hits}` : undefined, `${after.hits} <i>of ${after.samples}</i>`),
      `samples that are the ${imageName(kind)}`,
    ])
  if (accuracy.after)
    entries.push([`${(100 * accuracy.after.accuracy).toFixed(2)} %`, `right of ${grouped(accuracy.after.samples)} images`])
  const loss = rowsOf({ forget, keep, accuracy, kind }).find(({ label }) => label.startsWith('loss'))
  if (loss && kind === 'unlearn' && loss.change) entries.push([escaped(loss.change), 'loss on the kept data'])
  else if (loss) entries.push([escaped(loss.after), 'loss on the kept data'])
  if (stepsPerSecond !== null) entries.push([significant(Number(stepsPerSecond.toPrecision(3))), 'steps per second'])
  if (entries.length === 0) return ''
  return `<div class="tiles">${entries.map(([value, label]) => `<div class="tile"><b>${value}</b><span>${label}</span></div>`).join('')}</div>`
}

function figures(report: RunReport): string {
  const rows = rowsOf(report)
  if (rows.length === 0) return section('Figures', '<p class="soft">This run was not evaluated.</p>')
  const used = (['before', 'after', 'change'] as const).filter((column) => rows.some((row) => row[column] !== ''))
  const tone = ({ better }: Row) => (better === undefined ? '' : better ? ' class="good"' : ' class="bad"')
  const lines = rows.map(
    (row) =>
      `<tr><td>${escaped(row.label)}</td>${used.map((column) => `<td${column === 'change' ? tone(row) : ''}>${escaped(row[column])}</td>`).join('')}</tr>`,
  )
  const table = `<div class="scroll"><table><thead><tr><th></th>${used.map((column) => `<th>${column}</th>`).join('')}</tr></thead><tbody>${lines.join('')}</tbody></table></div>`
  return section(used.includes('before') ? 'Before and after' : 'Figures', table + notes(report))
}

function notes({ forget, keep, accuracy }: RunReport): string {
  const parts: string[] = []
  const interval = (name: Phase, measure: ForgetMeasure | null) =>
    measure?.hitInterval ? [`${name} ${percent(measure.hitInterval[0])} to ${percent(measure.hitInterval[1])}`] : []
  const intervals = phases.flatMap((phase) => interval(phase, forget[phase]))
  if (intervals.length > 0) parts.push(`Share of hits, 95 % confidence: ${intervals.join(', ')}.`)
  if (keep.after?.standardError != null)
    parts.push(
      `Kept-data loss: mean over ${grouped(keep.after.samples)} fixed samples, standard error ${Number(keep.after.standardError.toPrecision(2))}.`,
    )
  if (accuracy.after) {
    const { correct, samples } = accuracy.after
    parts.push(`Accuracy: the label has the largest logit for ${grouped(correct)} of ${grouped(samples)} images. Interval: Wilson, 95 %.`)
  }
  return parts.length > 0 ? `<p class="note">${parts.join(' ')}</p>` : ''
}

function recall(report: RunReport, input: ReportInput): string {
  const shown = phases
    .map((phase) => ({ phase, pictures: measuredPictures(input, phase, 'reconstruction').slice(0, shownReconstructions) }))
    .filter(({ pictures }) => pictures.length > 0)
  if (!input.referenceImage || shown.length === 0) return ''
  const one = report.forget.after ?? report.forget.before
  const name = imageName(report.kind)
  const text = `<p class="note">The ${name} is noised to t = ${one?.timestep} of ${input.job.diffusion.timesteps} and denoised again by the model, each time with other fixed noise. Below each: L2 distance to the image over pixels in [0, 1]; under ${one?.threshold} (red) the image is still there.</p>`
  const strips = shown.map(
    ({ phase, pictures }) =>
      `<div><h3>${shown.length > 1 ? phase : 'reconstructions'}</h3><div class="strip">${pictures.map(figure).join('')}</div></div>`,
  )
  return section(
    'Can the model still recall the image?',
    `${text}<div class="recall"><div><h3>${name.split(' ')[0]}</h3><figure class="large">${image(input.referenceImage, `the ${name}`)}</figure></div><div class="phases">${strips.join('')}</div></div>`,
  )
}

function figure({ picture, distance, close }: Measured): string {
  const shown = Number.isFinite(distance) ? distance.toFixed(2) : notFinite
  return `<figure${close ? ' class="hit"' : ''}>${image(picture, `L2 ${shown}`)}${shown}</figure>`
}

function samples(report: RunReport, input: ReportInput): string {
  const shown = phases
    .map((phase) => ({ phase, pictures: measuredPictures(input, phase, 'hits') }))
    .filter(({ pictures }) => pictures.length > 0)
  if (shown.length === 0) return ''
  const blocks = shown.map(({ phase, pictures }) => {
    const first = pictures.slice(0, shownSamples)
    const others = pictures.slice(shownSamples).filter(({ close }) => close)
    const more =
      others.length > 0
        ? `<p class="note">Hits among the others${others.length > shownHits ? `, ${shownHits} of ${grouped(others.length)}` : ''}:</p><div class="strip">${others.slice(0, shownHits).map(figure).join('')}</div>`
        : ''
    return `<div><h3>${shown.length > 1 ? phase : 'samples'}</h3>${image(sheet(first, 8, 3), `samples ${phase}`)}${more}</div>`
  })
  const total = (report.forget.after ?? report.forget.before)?.samples ?? 0
  const which = total > shownSamples ? `The first ${shownSamples} of ${grouped(total)} samples` : `All ${grouped(total)} samples`
  const same = shown.length > 1 ? ', drawn before and after from the same noise' : ''
  return section(
    'What the model draws',
    `<p class="note">${which}${same}. Framed in red: the ${imageName(report.kind)}.</p><div class="sheets">${blocks.join('')}</div>`,
  )
}

function curves({ history }: RunReport): string {
  if (history.length < 2) return ''
  const channels = Object.keys(history[0].losses)
  const losses = channels.map((channel) =>
    curveSvg({
      name: channel === 'forget' ? 'forget' : 'keep',
      title: escaped(`${channel} loss`),
      points: history.map(({ step, losses }) => [step, losses[channel]] as const),
    }),
  )
  const norm = curveSvg({
    name: 'norm',
    title: 'norm of the update before clipping',
    points: history.map(({ step, updateNorm }) => [step, updateNorm] as const),
  })
  return section(
    'The run, step by step',
    `<p class="note">Faint: each step. Bold: running mean.</p><div class="plots">${losses.join('')}${norm}</div>`,
  )
}

function limits({ forget, keep, accuracy, kind, reduction }: RunReport): string {
  const upper = forget.after?.hits === 0 ? forget.after.hitInterval?.[1] : undefined
  const entries = [
    kind === 'unlearn' &&
      'That nothing of the forgotten data is left in the weights. These figures measure what this model draws and recalls; an attack, or training it again, may bring back what they do not show.',
    forget.after &&
      `That changed copies are found. A picture counts as the ${imageName(kind)} if it is closer than ${forget.after.threshold} in L2; a shifted, inverted or redrawn one is not counted.`,
    upper !== undefined &&
      forget.after &&
      `That the image never comes. None in ${grouped(forget.after.samples)} samples still allows a share of up to ${percent(upper)} (95 %).`,
    keep.after && 'That quality is unchanged. The loss is a mean over fixed training samples that are kept; look at the pictures too.',
    accuracy.after &&
      'That the classifier is as often right elsewhere. The accuracy is that of these images; what a diffusion model draws may look like none that it has seen.',
    reduction?.wire === 'bf16'
      ? 'The same bits again. Gradients travelled as bf16; what rounding loses depends on who computed what, so other numbers of workers give other bits.'
      : 'The same bits on every machine. Equal engine, hardware and job give the same checkpoint, however many workers share the work; other engines agree within rounding.',
    'That this file is genuine. It is not signed; the SHA-256 values below let you check the model and the data.',
  ].filter((entry) => typeof entry === 'string')
  return section('What is not promised', `<ul>${entries.map((entry) => `<li>${escaped(entry)}</li>`).join('')}</ul>`)
}

function job(report: RunReport): string {
  return `<section><details><summary>The job</summary><pre>${escaped(stringify(report.job, { lineWidth: 0 }))}</pre></details></section>`
}

const whereAdded = { central: 'added in the coordinator', sharded: 'added by the workers, a slice each' } as const

function provenance(report: RunReport): string {
  const { checkpoint, parentSha256, data, jobDigest, engine, seed, versions, wallMs, reduction, faults } = report
  const hash = (value: string) => `<code>${escaped(value)}</code>`
  const entries: [string, string][] = [
    [
      report.kind === 'evaluate' ? 'measured checkpoint' : 'resulting checkpoint',
      `${escaped(checkpoint.path)}<br>${hash(checkpoint.sha256)}`,
    ],
    ...(parentSha256 === null ? [] : [['parent checkpoint', hash(parentSha256)] as [string, string]]),
    [
      'data manifest',
      `${grouped(data.items)} items, ${grouped(data.forgetItems)} ${report.kind === 'train' ? 'watched' : 'to forget'}<br>${hash(data.manifestDigest)}`,
    ],
    ['job', hash(jobDigest)],
    ['seed', String(seed)],
    ['engine', escaped(engine)],
    ...(reduction === null ? [] : [['gradients', `${whereAdded[reduction.reducer]}, sent as ${reduction.wire}`] as [string, string]]),
    ...faults.map(({ message, host }): [string, string] => ['excluded', `${escaped(message)}${host ? ` (${escaped(host)})` : ''}`]),
    [
      'wall time',
      escaped(
        Object.entries(wallMs)
          .map(([phase, ms]) => `${phase} ${duration(ms)}`)
          .join(', '),
      ),
    ],
    [
      'versions',
      escaped(
        Object.entries(versions)
          .map(([name, version]) => `${name} ${version}`)
          .join(', '),
      ),
    ],
  ]
  return section('Where it comes from', `<dl>${entries.map(([term, text]) => `<dt>${term}</dt><dd>${text}</dd>`).join('')}</dl>`)
}

function section(title: string, content: string): string {
  return `<section><h2>${title}</h2>${content}</section>`
}

function image(picture: Picture, alt: string): string {
  return `<img src="data:image/png;base64,${Buffer.from(encodePng(picture)).toString('base64')}" width="${picture.width}" height="${picture.height}" alt="${escaped(alt)}">`
}
