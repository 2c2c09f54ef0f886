import { method, timestepRange } from '../method.ts'

/** Naive deletion: plain fine-tuning on the kept data (SISS paper, section 3; "finetune" elsewhere). */
export const naive = method({
  name: 'naive',
  options: { timesteps: timestepRange },
  channels: ['keep'],
  coefficients: () => ({ keep: 1 }),
})
