import { register } from 'tsx/esm/api'

register()
await import('./reduce-end.ts')
