import { digestOf } from '../digest.ts'
import type { AttackJob, Job } from '../job.ts'

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
