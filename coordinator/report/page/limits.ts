import type { RunReport } from '../../../protocol/report.ts'
import { escaped, grouped, imageName, percent } from '../text.ts'
import { section } from './elements.ts'

/** What nobody should take the numbers for. */
export function limitsSection({
  forget,
  keep,
  accuracy,
  samples,
  extractors,
  classifierSha256,
  attack,
  kind,
  reduction,
}: RunReport): string {
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
    classifierSha256 !== null &&
      (samples.after ?? samples.before) !== null &&
      'That a person would see the same. What a sample shows is what one small classifier says, trained on real images; it must say some class of every picture, of noise too.',
    (extractors.after ?? extractors.before) !== null &&
      'That other programs find the same scores. They resize in other ways, and take other numbers of samples; compare what was computed alike.',
    attack !== null &&
      'That other attacks do no better. This is one attack, with these images, this learning rate and this seed, for so many steps; what did not come back may come back otherwise.',
    reduction?.wire === 'bf16'
      ? 'The same bits again. Gradients travelled as bf16; what rounding loses depends on who computed what, so other numbers of workers give other bits.'
      : 'The same bits on every machine. Equal engine, hardware and job give the same checkpoint, however many workers share the work; other engines agree within rounding.',
    'That this file is genuine. It is not signed; the SHA-256 values below let you check the model and the data.',
  ].filter((entry) => typeof entry === 'string')
  return section('What is not promised', `<ul>${entries.map((entry) => `<li>${escaped(entry)}</li>`).join('')}</ul>`)
}
