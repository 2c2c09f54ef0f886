import type { LikelihoodMeasure, MembershipMeasure, RunReport } from '../../../protocol/report.ts'
import { grouped, imageName, notFinite, significant } from '../text.ts'
import { note, section, table } from './elements.ts'

const shownImages = 20

const phases = ['before', 'after'] as const

/** How likely the model finds the forgotten images. */
export function likelihoodSection({ likelihood, kind }: RunReport): string {
  const measured = phases.filter((phase) => likelihood[phase] !== null)
  if (measured.length === 0) return ''
  const [one] = measured.map((phase) => likelihood[phase] as LikelihoodMeasure)
  const value = (bits: number | null) => (bits === null ? notFinite : bits.toFixed(3))
  const rows = one.values
    .slice(0, shownImages)
    .map((_, i) => [`image ${i + 1}`, ...measured.map((phase) => value((likelihood[phase] as LikelihoodMeasure).values[i]))])
  const means = measured.map((phase) => {
    const { bitsPerDimension, standardError } = likelihood[phase] as LikelihoodMeasure
    return `${value(bitsPerDimension)}${standardError === null ? '' : ` ± ${standardError.toFixed(3)}`}`
  })
  const isOne = one.errorOver === 'probes'
  const runs = one.runs ?? one.images
  const all =
    runs > 1 ? [[isOne ? `mean and standard error over ${grouped(runs)} probes` : 'mean and standard error over images', ...means]] : []
  const text = `Bits per dimension of the ${imageName(kind)}${one.images === 1 ? '' : 's'} by the probability-flow ODE in ${grouped(runs)} ${runs === 1 ? 'run' : 'runs'}, with ${one.runs === null ? `${grouped(one.probes)} Hutchinson probes each` : 'one Hutchinson probe each'}: the higher, the less likely. ${isOne ? 'There is one image: a standard error is over the probes, and says nothing of other images.' : 'The noise of the probes is part of the standard error over images.'} Comparable between models of one schedule, and with no other kind of model.`
  return section('How likely is the forgotten image?', table(['', ...measured], [...rows, ...all]) + note(text))
}

/** ε-losses of forgotten and of kept images, time by time. */
export function membershipSection({ membership, kind }: RunReport): string {
  const measured = phases.filter((phase) => membership[phase] !== null)
  if (measured.length === 0) return ''
  const list = (phase: 'before' | 'after') => membership[phase] as MembershipMeasure[]
  const sets = kind === 'train' ? ['watched', 'kept'] : ['forgotten', 'kept']
  const loss = ({ loss, standardError }: MembershipMeasure['keep']) =>
    loss === null ? notFinite : `${significant(loss)}${error(standardError)}`
  const gap = ({ gap, gapStandardError }: MembershipMeasure) => (gap === null ? notFinite : `${significant(gap)}${error(gapStandardError)}`)
  const rows = list(measured[0]).map(({ timestep }, i) => [
    String(timestep),
    ...measured.flatMap((phase) => [loss(list(phase)[i].forget), loss(list(phase)[i].keep), gap(list(phase)[i])]),
  ])
  const head = measured.flatMap((phase) => [...sets, 'gap'].map((name) => (measured.length > 1 ? `${name}, ${phase}` : name)))
  const text = `Squared error of the predicted noise, mean over elements, then over ${grouped(list(measured[0])[0].samples)} images of each set, with standard errors; the same noise at all times. The gap is ${sets[0]} less kept. Only a model that never saw the ${sets[0]} images tells which gap is the wanted one: a large one may betray them as well as none.`
  return section('Loss by time: forgotten and kept images', table(['t', ...head], rows) + note(text))
}

function error(standardError: number | null): string {
  return standardError === null ? '' : ` ± ${Number(standardError.toPrecision(2))}`
}
