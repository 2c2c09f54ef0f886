import { method } from '../method.ts'

/** Training of a classifier: softmax cross-entropy with the labels, mean over the batch. A method of `train` jobs. */
export const classify = method({
  name: 'classify',
  options: {},
  channels: ['keep'],
  coefficients: () => ({ keep: 1 }),
})
