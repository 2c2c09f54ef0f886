import type { OpenSession } from '../../worker/runtime/holdings.ts'
import { openSession } from '../../worker/session.ts'

/** A small part of one element, as a particle or a bad memory cell would change it. */
export function flipBit(gradient: Float32Array, element = 0, bit = 20): void {
  new Uint32Array(gradient.buffer, gradient.byteOffset, gradient.length)[element] ^= 1 << bit
}

/** Real sessions, each of which flips one bit of one gradient whenever it computes this step. */
export function faultyOpener({ flipsBitAt }: { flipsBitAt: number }, open: OpenSession = openSession): OpenSession {
  return async (job, files) => {
    const session = await open(job, files)
    const partials = session.partials.bind(session)
    return Object.assign(session, {
      partials: async (...[step, ...rest]: Parameters<typeof partials>) => {
        const results = await partials(step, ...rest)
        if (step === flipsBitAt && results.length > 0) flipBit(results[0].gradient)
        return results
      },
    })
  }
}
