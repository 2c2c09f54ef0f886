#!/usr/bin/env node
import { register } from 'tsx/esm/api'

// The product is TypeScript as written: no build step, so what runs is what one reads.
register()
const { main } = await import('./main.ts')
await main(process.argv)
