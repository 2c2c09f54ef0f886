import { LetheError } from '../../protocol/errors.ts'
import type { StepJob } from '../../protocol/job.ts'
import type { Substitute } from '../../protocol/methods/substitute.ts'
import { Words } from '../../protocol/random.ts'
import type { Pools } from '../data/pools.ts'

/** Names the draw that all samples of a step share. */
const wholeBatch = 2 ** 32 - 1

/** Says which kept class takes the place of a forgotten one. */
export class Substitution {
  readonly #seed: number
  readonly #rule: Substitute
  readonly #kept: readonly number[]

  /** @throws LetheError DATA_ALTERNATIVE where no class is kept, or the chosen one is not. */
  constructor(job: StepJob, rule: Substitute, { keep, forget }: Pools) {
    const forgotten = new Set(forget ? Array.from(forget.items, (index) => forget.data.labels[index]) : [])
    this.#kept = [...new Set(Array.from(keep.items, (index) => keep.data.labels[index]))]
      .filter((label) => !forgotten.has(label))
      .sort((a, b) => a - b)
    this.#seed = job.seed
    this.#rule = rule
    if (this.#kept.length > 0 && (rule.rule !== 'class' || this.#kept.includes(rule.class))) return
    throw new LetheError('DATA_ALTERNATIVE', {
      message: 'no kept class can take the place of the forgotten one',
      expected:
        this.#kept.length > 0 ? `method.substitute.class: one of ${this.#kept.join(', ')}` : 'a kept image whose class is not forgotten',
      received: rule.rule === 'class' ? `${rule.class}` : 'none',
    })
  }

  /** For the forgotten class of the sample at this place of a step. */
  draw(forgotten: number, step: number, place: number): number {
    const kept = this.#kept
    switch (this.#rule.rule) {
      case 'class':
        return this.#rule.class
      case 'next':
        return kept.find((label) => label > forgotten) ?? kept[0]
      case 'random':
        return kept[new Words({ seed: this.#seed, purpose: 'substitute', step, sample: place }).below(kept.length)]
      case 'batch':
        return kept[new Words({ seed: this.#seed, purpose: 'substitute', step, sample: wholeBatch }).below(kept.length)]
    }
  }
}
