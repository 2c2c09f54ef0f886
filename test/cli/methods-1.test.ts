import t from 'tap'
import { sameBits } from './methods.ts'

t.setTimeout(280_000)
t.test('methods end in the same bits, whoever computes and dies', (t) => sameBits(t, 0, 2))
