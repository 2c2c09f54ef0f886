export { conv2d } from './conv.ts'
export { groupNorm } from './norm.ts'
export { silu } from './silu.ts'
export { upsample2x } from './upsample.ts'
