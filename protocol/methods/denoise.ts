import { method, timestepRange } from '../method.ts'

/** Ordinary training: the ε-loss of DDPM (Ho et al. 2020, equation 14), mean over all elements. The method of `train` jobs. */
export const denoise = method({
  name: 'denoise',
  options: { timesteps: timestepRange },
  channels: ['keep'],
  coefficients: () => ({ keep: 1 }),
})
