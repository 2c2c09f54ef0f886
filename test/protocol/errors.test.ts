import t from 'tap'
import { errorTable, LetheError, maxWireText, wireErrorSchema } from '../../protocol/errors.ts'

t.test('an error is one line, whatever its texts hold', async (t) => {
  const error = new LetheError('DATA_FORMAT', { message: 'first\n  second', received: 'a\r\nb\u2028c', hint: 'Do\nthis.\n' })
  t.equal(error.format(), 'DATA_FORMAT: first second; got a b c. Do this.')
})

t.test('texts are cut to what a message may carry', async (t) => {
  const long = 'x'.repeat(maxWireText + 1)
  const wire = new LetheError('INTERNAL', { message: long, expected: long, received: long, hint: long }).toWire()
  t.equal(wire.message.length, maxWireText)
  t.same(wireErrorSchema.parse(wire), wire)
  t.equal(LetheError.fromWire(wire).exitCode, errorTable.INTERNAL.exitCode)
})

t.test('an error of another version is read too', async (t) => {
  const wire = wireErrorSchema.parse({ code: 'OF_THE_FUTURE', message: 'new', more: { than: 'we know' } })
  t.match(LetheError.fromWire(wire), { code: 'INTERNAL', message: 'new' })
})
