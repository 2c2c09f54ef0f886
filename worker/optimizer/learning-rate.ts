import type { StepJob } from '../../protocol/job.ts'

/** Learning rate of update number `step` (from 0): linear warm-up from 0, then constant or half a cosine to 0 (diffusers' schedules). */
export function learningRateAt(step: number, training: StepJob['training']): number {
  const { name, warmupSteps } = training.learningRateSchedule
  const base = training.optimizer.learningRate
  if (step < warmupSteps) return (base * step) / warmupSteps
  if (name === 'constant') return base
  const progress = (step - warmupSteps) / Math.max(1, training.steps - warmupSteps)
  return base * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)))
}
