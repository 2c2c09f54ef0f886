import { LetheError } from './errors.ts'
import type { StepJob } from './job.ts'
import { methodOf } from './methods/index.ts'

/**
 * What a job says of the images that are memorised in place of the forgotten ones, as far as the job alone tells.
 * @throws LetheError DATA_ALTERNATIVE where the method needs some and there are none, where it has no use for them, and where they are of a
 * forgotten class.
 */
export function checkAlternative({ data: { alternative, forget }, method }: StepJob): void {
  const isUsed = methodOf(method.name).channels.includes('alternative')
  if (alternative === undefined) {
    if (!isUsed) return
    throw new LetheError('DATA_ALTERNATIVE', {
      message: `method ${method.name} memorises other images, and the job names none`,
      expected: 'data.alternative',
    })
  }
  if (!isUsed)
    throw new LetheError('DATA_ALTERNATIVE', {
      message: `method ${method.name} has no use for data.alternative`,
      hint: 'Leave it out, or set `method.name`: dimum memorises it.',
    })
  const both = alternative.labels?.find((label) => forget?.labels?.includes(label))
  if (both !== undefined)
    throw new LetheError('DATA_ALTERNATIVE', {
      message: 'a class is to be forgotten and to be the alternative',
      expected: 'other labels in data.alternative than in data.forget',
      received: `${both} in both`,
    })
}
