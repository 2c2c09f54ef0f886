import { createHash } from 'node:crypto'
import { checkAlternative } from '../../protocol/alternative.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { AttackJob, StepJob } from '../../protocol/job.ts'
import { permutation } from '../../protocol/order.ts'
import { type DataSet, openDataSet } from './dataset.ts'
import { hashBytes } from './manifest.ts'

/** Items that a role in a job draws from: some of one data set. */
export interface Pool {
  data: DataSet
  items: Uint32Array
  /** The label of each of the items, where it is not that of the data. */
  labels?: Uint16Array
}

/** What x, a and the alternative of a job are drawn from. */
export interface Pools {
  keep: Pool
  /** Null where the job names nothing to forget. */
  forget: Pool | null
  /** Null where the job has none. */
  alternative: Pool | null
}

/**
 * Throws DATA_*: DATA_ATTACK where an attack's images hold what was to be forgotten, DATA_ALTERNATIVE where an alternative is missing, is
 * of other size, is of a forgotten class, or is a forgotten image.
 */
export async function openPools(job: StepJob, data: DataSet, isConditional: boolean): Promise<Pools> {
  const forget = data.forget.length > 0 ? { data, items: data.forget } : null
  const keep = async (): Promise<Pool> => {
    if (job.kind === 'attack') {
      const own = job.attack.sources ? await openDataSet({ sources: job.attack.sources }) : data
      const pool = { data: own, items: own === data ? data.keep : all(own) }
      checkAttack(job, data, pool, isConditional)
      return job.attack.shuffleLabels ? { ...pool, labels: shuffledLabels(pool, job.seed) } : pool
    }
    return { data, items: job.kind === 'train' && job.training.include === 'all' ? all(data) : data.keep }
  }
  return { keep: await keep(), forget, alternative: await openAlternative(job, data) }
}

function checkAttack(job: AttackJob, data: DataSet, own: Pool, isConditional: boolean): void {
  checkSize(own.data, data, 'the images of the attack')
  const received = forgottenIn(own, data, isConditional ? job.data.forget.labels : [])
  if (received === null) return
  throw new LetheError('DATA_ATTACK', {
    message: 'the images of the attack hold what was to be forgotten',
    expected: 'neither a forgotten image nor an image of a forgotten class',
    received,
  })
}

/** The first image of `own` that is a forgotten one or has one of these labels; null where there is none. Its hash names it without showing it. */
function forgottenIn({ data: own, items }: Pool, data: DataSet, labels: readonly number[] = []): string | null {
  const forgotten = new Set(Array.from(data.forget, (index) => contentOf(data, index)))
  for (const index of items) {
    if (!labels.includes(own.labels[index]) && !forgotten.has(contentOf(own, index))) continue
    const hash = own.manifest.hashes.subarray(index * hashBytes, (index + 1) * hashBytes)
    return `item ${index}, SHA-256 ${Buffer.from(hash).toString('hex')}`
  }
  return null
}

/** Of the pixels alone: the same picture under another label is the same picture. */
const contentOf = (data: DataSet, index: number) => createHash('sha256').update(data.read(index)).digest('base64')

async function openAlternative(job: StepJob, data: DataSet): Promise<Pool | null> {
  const { alternative } = job.data
  checkAlternative(job)
  if (!alternative) return null
  if (alternative.sources) {
    const own = await openDataSet({ sources: alternative.sources })
    checkSize(own, data, 'the alternative images')
    const pool = { data: own, items: firstOf(all(own), alternative.items) }
    const received = forgottenIn(pool, data)
    if (received !== null)
      throw new LetheError('DATA_ALTERNATIVE', {
        message: 'the alternative images hold what is to be forgotten',
        expected: 'no forgotten image',
        received,
      })
    return pool
  }
  const items = data.keep.filter((index) => alternative.labels?.includes(data.labels[index]))
  if (items.length === 0)
    throw new LetheError('DATA_ALTERNATIVE', { message: 'no kept image has a label of the alternative', received: `${alternative.labels}` })
  return { data, items: firstOf(items, alternative.items) }
}

/** Each item gets the label of another, once and for all: every label is there as often as before. */
function shuffledLabels({ data, items }: Pool, seed: number): Uint16Array {
  const order = permutation(seed, 'label_shuffle', 0, items.length)
  return Uint16Array.from(order, (place) => data.labels[items[place]])
}

const all = (set: DataSet) => Uint32Array.from({ length: set.items }, (_, index) => index)
const firstOf = (items: Uint32Array, count = items.length) => items.subarray(0, count)

function checkSize(own: DataSet, data: DataSet, what: string): void {
  if (own.height === data.height && own.width === data.width && own.channels === data.channels) return
  throw new LetheError('DATA_SHAPE', {
    message: `${what} have another size than the data`,
    expected: `${data.width}×${data.height}`,
    received: `${own.width}×${own.height}`,
    hint: 'All images of a job need one size.',
  })
}
