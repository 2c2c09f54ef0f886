import { method, timestepRange } from '../method.ts'

/**
 * DiMRA (Yuan et al. 2025), the relearning attack: ordinary training of an unlearned model on images that hold nothing of what was
 * forgotten, under other conditions alone. The paper's settings are not public; options have the defaults of ours (docs/methods.md).
 */
export const dimra = method({
  name: 'dimra',
  options: { timesteps: timestepRange },
  channels: ['keep'],
  coefficients: () => ({ keep: 1 }),
})
