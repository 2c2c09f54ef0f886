import t from 'tap'
import { guards, makeNames } from './conformance/guards.ts'

t.setTimeout(120_000)

guards(t, 'nats+wss', makeNames(t.testdir()))
