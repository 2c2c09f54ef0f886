import type { RunReport } from '../../../protocol/report.ts'
import type { ReportInput } from '../input.ts'
import { type Measured, measuredPictures, sheet } from '../pictures.ts'
import { grouped, imageName, notFinite } from '../text.ts'
import { image, section } from './elements.ts'

const phases = ['before', 'after'] as const
const shownReconstructions = 20
const shownSamples = 64
const shownHits = 32

/** Reconstructions of the forgotten image. */
export function recallSection(report: RunReport, input: ReportInput): string {
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

/** Samples, and whether they are the forgotten image. */
export function hitsSection(report: RunReport, input: ReportInput): string {
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
