import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseExperiment } from '../../protocol/experiment/file.ts'
import { jobYaml, parseJob } from '../../protocol/jobfile.ts'
import { examplesPath, lethe } from './command.ts'

t.test('prints a whole job file that explains to itself', async (t) => {
  const { status, stdout, stderr } = await lethe(['explain', join(examplesPath, 'quickstart.yaml')])
  t.equal(status, 0)
  t.equal(stderr, '')
  t.match(stdout, /^kind: unlearn\nname: quickstart\n/)
  t.match(stdout, 'timesteps: [0, 999]', 'defaults')
  t.match(stdout, `checkpoint: ${join(examplesPath, 'checkpoints/mnist-tshirt')}`, 'absolute paths')
  t.equal(jobYaml(parseJob(stdout)), stdout)
})

t.test('changes of the command line and JSON', async (t) => {
  const args = ['explain', 'quickstart.yaml', '--steps', '3', '--set', 'seed=7', '--set=method.lambda=0.25', '--json']
  const { status, stdout } = await lethe(args, { cwd: examplesPath })
  t.equal(status, 0)
  t.match(JSON.parse(stdout), { seed: 7, method: { lambda: 0.25 }, training: { steps: 3 } })
})

t.test('every example is a job, or an experiment', async (t) => {
  const read = (folder: string) => readdirSync(join(examplesPath, folder)).filter((name) => name.endsWith('.yaml'))
  const examples = [...read('.'), ...read('jobs').map((name) => `jobs/${name}`)]
  t.ok(examples.includes('quickstart.yaml'))
  for (const name of examples) {
    const text = readFileSync(join(examplesPath, name), 'utf8')
    t.ok(/^kind: experiment$/m.test(text) ? parseExperiment(text, name) : parseJob(text, { file: name }), name)
  }
})

t.test('the two quickstarts differ in the method alone', async (t) => {
  const read = (name: string) => parseJob(readFileSync(join(examplesPath, name), 'utf8'))
  const [siss, naive] = [read('quickstart.yaml'), read('quickstart-naive.yaml')]
  t.same({ ...naive, name: siss.name, method: undefined }, { ...siss, method: undefined })
})
