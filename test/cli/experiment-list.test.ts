import { join } from 'node:path'
import t from 'tap'
import { examplesPath, lethe } from './command.ts'

t.test('the ready experiments are sound, and a list of jobs for a script', async (t) => {
  for (const [name, jobs] of Object.entries({ 'mnist-tshirt-table': 10, 'mnist-digit-relearn': 77 })) {
    const { status, stdout, stderr } = await lethe(['experiment', join(examplesPath, `${name}.yaml`), '--list'], { cwd: t.testdir({}) })
    t.equal(status, 0, stderr)
    const lines = stdout.trimEnd().split('\n')
    t.equal(lines.length, jobs, name)
    t.ok(lines.every((line) => line.startsWith('npx lethe run ')))
  }
})
