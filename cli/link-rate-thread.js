import { register } from 'tsx/esm/api'

// A thread starts without the loader of the process that made it.
register()
await import('./link-rate-thread.ts')
