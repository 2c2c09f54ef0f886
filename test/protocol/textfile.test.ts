import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readTextFile } from '../../protocol/textfile.ts'

const folder = t.testdir({ text: 'one\n', empty: ' \n', long: 'x'.repeat(11) })
const read = (name: string) => readTextFile(join(folder, name), { what: 'token', maxBytes: 10 })

t.test('small files', async (t) => {
  t.equal(read('text'), 'one\n')
  writeFileSync(join(folder, 'limit'), 'ä'.repeat(5))
  t.equal(read('limit'), 'ä'.repeat(5))
  t.throws(() => read('empty'), { code: 'USAGE', message: /token .*empty is empty/ })
  t.throws(() => read('long'), { code: 'USAGE', message: /is too large/, expected: 'at most 10 bytes' })
  t.throws(() => read('nowhere'), { code: 'USAGE', message: /cannot be read/, received: 'ENOENT' })
  t.throws(() => read('.'), { code: 'USAGE', received: 'EISDIR' })
  t.throws(() => readTextFile('/dev/zero', { what: 'token', maxBytes: 10 }), { message: /is too large/ })
})

t.test('a pipe, which comes in pieces', async (t) => {
  writeFileSync(
    join(folder, 'read.mts'),
    `import { readTextFile } from ${JSON.stringify(new URL('../../protocol/textfile.ts', import.meta.url).href)}
    process.stdout.write(readTextFile('/dev/stdin', { what: 'key', maxBytes: 300000 }))`,
  )
  const command = `(head -c 100000 /dev/zero; sleep 0.2; head -c 100000 /dev/zero) | "$0" --import "$1" "$2" | wc -c`
  const args = ['-c', command, process.execPath, import.meta.resolve('tsx'), join(folder, 'read.mts')]
  t.equal(execFileSync('sh', args, { encoding: 'utf8' }).trim(), '200000')
})
