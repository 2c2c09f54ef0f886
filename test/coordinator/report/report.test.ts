import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { reportFiles } from '../../../coordinator/report/files.ts'
import { writeReport } from '../../../coordinator/report/index.ts'
import { decodePng } from '../../../protocol/picture.ts'
import { runReport } from '../../../protocol/report.ts'
import { madeUpRun } from '../../support/report-input.ts'

const htmlOf = async (input: ReturnType<typeof madeUpRun>) => {
  const file = (await reportFiles(input, '/')).files.find(({ path }) => path === 'report.html')
  return Buffer.from(file?.bytes ?? []).toString()
}

t.test('the run folder gets JSON, a page and pictures', async (t) => {
  const out = t.testdir()
  const report = await writeReport(out, madeUpRun())
  t.same(runReport.parse(JSON.parse(await readFile(join(out, 'report.json'), 'utf8'))), report)
  t.same((await readdir(out)).sort(), ['images', 'report.html', 'report.json'])
  const pictures = ['forgotten', 'reconstructions-after', 'reconstructions-before', 'samples-after', 'samples-before'].map(
    (name) => `${name}.png`,
  )
  t.same((await readdir(join(out, 'images'))).sort(), pictures)
  const samples = decodePng(await readFile(join(out, 'images', 'samples-before.png')))
  t.match(samples, { channels: 3, width: 16 * (8 + 4) + 4, height: 3 * (8 + 4) + 4 })
})

t.test('the page is self-contained', async (t) => {
  const html = await htmlOf(madeUpRun())
  t.notMatch(html, /<script|<link|(src|href)="(?!data:)|url\(|@import/)
  t.match(html, /prefers-color-scheme: dark/)
  t.equal(html.match(/<figure class="hit">/g)?.length, 10, 'the ten reconstructions before')
  t.equal(html.match(/<svg /g)?.length, 3, 'two channels and the norm')
  for (const hash of ['a', 'b', 'c', 'd']) t.ok(html.includes(hash.repeat(64)))
  t.match(html, 'What is not promised')
})

t.test('text from a job cannot become markup', async (t) => {
  const input = madeUpRun()
  const html = await htmlOf({ ...input, engine: '<img src=x onerror=alert(1)>', checkpoint: { ...input.checkpoint, path: '"><script>' } })
  t.notMatch(html, /<img src=x|<script/)
  t.match(html, '&#60;img src=x onerror=alert(1)&#62;')
})

t.test('more samples than the page shows: every hit is still there', async (t) => {
  const many = madeUpRun({ samples: 100, hits: [3, 70, 99] })
  const html = await htmlOf(many)
  t.match(html, 'The first 64 of 100 samples')
  t.match(html, 'Hits among the others:')
  t.equal(html.match(/<figure class="hit">/g)?.length, 10 + 2)
})

t.test('runs that measured less', async (t) => {
  const input = madeUpRun()
  const untested = await htmlOf({ ...input, evaluation: new Map() })
  t.match(untested, 'This run was not evaluated')
  t.notMatch(untested, '<figure')
  const { report, files } = await reportFiles({ ...input, referenceImage: null }, '/')
  t.match(report.forget.after, { hits: 0, samples: 40 }, 'figures need no picture')
  t.notOk(files.some(({ path }) => path.startsWith('images/')))
  const { training: _training, method: _method, ...common } = input.job as Extract<typeof input.job, { kind: 'unlearn' }>
  const evaluation = new Map([['after', input.evaluation.get('after') ?? []] as const])
  const measured = { ...input, job: { ...common, kind: 'evaluate' as const }, evaluation, history: [], steps: 0, stepsPerSecond: null }
  t.match((await reportFiles(measured, '/')).report, { kind: 'evaluate', method: null, stepsPerSecond: null, forget: { before: null } })
  t.match(await htmlOf(measured), 'was measured on 2 workers')
  const short = { ...input, job: { ...input.job, diffusion: { ...input.job.diffusion, timesteps: 900 } } }
  t.match(await htmlOf(short), 't = 700 of 900')
  const { checkpoint: _checkpoint, ...model } = { ...input.job.model, config: 'config.json' } as Record<string, string>
  const trained = await htmlOf({ ...input, job: { ...input.job, kind: 'train', model } as unknown as typeof input.job, evaluation })
  t.match(trained, 'The watched image is noised')
  t.notMatch(trained, /forgotten|to forget/)
})

t.test('paths below the working directory are written relative to it', async (t) => {
  const input = madeUpRun()
  const job = { ...input.job, model: { checkpoint: '/home/someone/work/model' } } as typeof input.job
  const { report, files } = await reportFiles(
    { ...input, job, checkpoint: { ...input.checkpoint, path: '/home/someone/work/runs/a' } },
    '/home/someone/work',
  )
  t.match(report.job, { model: { checkpoint: 'model' } })
  t.equal(report.checkpoint.path, 'runs/a')
  for (const { path, bytes } of files) t.notOk(Buffer.from(bytes).includes('someone'), path)
})
