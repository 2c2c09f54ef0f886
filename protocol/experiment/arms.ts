import { digestOf } from '../digest.ts'
import { LetheError } from '../errors.ts'
import { type AttackJob, type Job, maxNameLength } from '../job.ts'

/* The arms of an attack: the unlearned model and its controls, each an attack of its own. */

export const controlArms = ['original', 'retrained'] as const
export type ControlArm = (typeof controlArms)[number]

/** The job by itself: its controls are jobs of their own. Others are as they were. */
export function withoutControls<One extends Job>(job: One): One {
  if (job.kind !== 'attack' || job.attack.controls === undefined) return job
  const { controls: _, ...attack } = job.attack
  return { ...job, attack }
}

/** The checkpoint of the control, as the job has it; undefined where the job has no controls. */
export function controlCheckpoint({ attack }: AttackJob, arm: ControlArm): string | undefined {
  return attack.controls?.[arm]
}

/** Equal for jobs that are equal but for their name: paths have to be absolute. */
export function contentDigest(job: Job): string {
  return digestOf({ ...job, name: '' })
}

/** The arms are jobs, and their names are that of the attack and one word more. */
const maxAttackName = maxNameLength - Math.max(...controlArms.map((arm) => arm.length + 1))

/**
 * Whether the controls are what they are called, as far as paths can tell, which have to be absolute. The model may be the retrained one:
 * so the line of that model is attacked.
 * @throws LetheError JOB_INVALID
 */
export function checkControls(id: string, { model, attack }: AttackJob): void {
  const { controls } = attack
  if (controls === undefined) return
  if (id.length > maxAttackName)
    throw new LetheError('JOB_INVALID', {
      message: `the name of an attack with controls is too long: ${id}`,
      expected: `at most ${maxAttackName} characters, because its controls are jobs of the name and a word more`,
      received: `${id.length}`,
    })
  const refuse = (expected: string) => {
    const hint = 'The original model is the one from before unlearning, the retrained one has never seen what is forgotten.'
    throw new LetheError('JOB_INVALID', {
      message: '`attack.controls.original` is not allowed',
      expected,
      received: controls.original,
      hint,
    })
  }
  if ('checkpoint' in model && controls.original === model.checkpoint)
    refuse('another checkpoint than `model.checkpoint`, which is attacked')
  if (controls.original === controls.retrained) refuse('another checkpoint than `attack.controls.retrained`')
}
