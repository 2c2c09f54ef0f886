import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { writeExperimentReport } from '../../../coordinator/experiment/write.ts'
import { RunFolder } from '../../../coordinator/storage/folder.ts'
import type { Expansion } from '../../../protocol/experiment/expansion.ts'
import { type Job, jobSchema } from '../../../protocol/job.ts'
import { encodePng } from '../../../protocol/picture.ts'
import { keptLoss, madeUpModel, recognised } from '../../support/experiment.ts'

const picture = encodePng({ height: 2, width: 3, channels: 1, pixels: new Uint8Array(6) })

t.test('finished runs are found in their folders, with their pictures; what is damaged or another job is not', async (t) => {
  const out = t.testdir({})
  const results = ['good', 'damaged', 'other', 'none'].map((id) =>
    madeUpModel(id, { row: { method: id } }, { ...recognised(1, 80), ...keptLoss(0.1) }),
  )
  const folder = (id: string) => join(out, id)
  for (const { job, report } of results.slice(0, 3)) {
    mkdirSync(join(folder(job.id), 'images'), { recursive: true })
    const settings = job.id === 'other' ? { ...job.job, model: { checkpoint: '/lab/other' } } : job.job
    await new RunFolder(folder(job.id)).writeJob(settings as Job)
    writeFileSync(join(folder(job.id), 'report.json'), job.id === 'damaged' ? '{' : JSON.stringify(report))
    writeFileSync(join(folder(job.id), 'images/samples-before.png'), picture)
    writeFileSync(join(folder(job.id), 'images/samples-after.png'), job.id === 'good' ? 'no picture' : picture)
  }
  const expansion: Expansion = { name: 'e', title: 'E', text: '', budget: 'full', titles: {}, jobs: results.map(({ job }) => job) }
  const failed = { state: 'failed', error: { code: 'COMPUTE_NOT_FINITE', message: 'diverged' } } as const
  const options = { expansion, out, outcomes: new Map([['none', failed]]), commandOf: () => 'x', rerun: () => 'y' }
  const report = await writeExperimentReport(options)
  t.same(
    report.jobs.map(({ state }) => state),
    ['finished', 'unfinished', 'unfinished', 'failed'],
  )
  t.equal(report.rows[0].cells.keepLoss.value, 0.1)
  t.same(JSON.parse(readFileSync(join(out, 'experiment.json'), 'utf8')), report)
  const html = readFileSync(join(out, 'experiment.html'), 'utf8')
  t.equal(html.match(/data:image\/png;base64,/g)?.length, 1, 'one sheet: the other file is no picture')
  t.match(html, 'none failed (COMPUTE_NOT_FINITE: diverged)')
  t.same(readdirSync(out).sort(), ['damaged', 'experiment.html', 'experiment.json', 'good', 'other'])
})

t.test('a row that is measured once shows before it what another row measured of its checkpoint', async (t) => {
  const out = t.testdir({})
  const made = ['pretrained', 'once', 'stranger'].map((id) => madeUpModel(id, { row: { method: id } }, { ...recognised(1, 80) }))
  const results = made.map(({ job, report }, i) => {
    const { name, seed, model, data, evaluate } = job.job
    const evaluateOnly = { kind: 'evaluate', name, seed, model, data, evaluate }
    const changed = jobSchema.parse(i === 0 ? evaluateOnly : { ...job.job, evaluate: { ...evaluate, before: false } })
    const parentSha256 = (i === 2 ? 'b' : 'a').repeat(64)
    return { job: { ...job, job: changed, written: changed }, report: { ...report, kind: changed.kind, job: changed, parentSha256 } }
  })
  for (const { job, report } of results) {
    mkdirSync(join(out, job.id, 'images'), { recursive: true })
    await new RunFolder(join(out, job.id)).writeJob(job.job)
    writeFileSync(join(out, job.id, 'report.json'), JSON.stringify(report))
    writeFileSync(join(out, job.id, 'images/samples-after.png'), picture)
    writeFileSync(join(out, job.id, 'images/reconstructions-after.png'), picture)
  }
  const expansion: Expansion = { name: 'e', title: 'E', text: '', budget: 'full', titles: {}, jobs: results.map(({ job }) => job) }
  await writeExperimentReport({ expansion, out, outcomes: new Map(), commandOf: () => 'x', rerun: () => 'y' })
  const html = readFileSync(join(out, 'experiment.html'), 'utf8')
  t.equal(html.match(/<figure>/g)?.length, 8, 'one of each kind, and one more for the row that shares the checkpoint')
  const captions = [...html.matchAll(/<figcaption>([^<]*)</g)].map(([, caption]) => caption)
  const reconstructed = ': the forgotten, reconstructed'
  t.same(captions.slice(0, 2), ['as it is', `as it is${reconstructed}`], 'of what is only measured')
  t.same(captions.slice(2, 6), ['before', `before${reconstructed}`, 'after', `after${reconstructed}`])
})

t.test('the folder of a job that failed in this call holds another one; of a job that ended now the run itself has compared', async (t) => {
  const out = t.testdir({})
  const results = ['failed', 'skipped', 'moved', 'unknown'].map((id) => madeUpModel(id, { row: { method: id } }, keptLoss(0.1)))
  for (const { job, report } of results) {
    mkdirSync(join(out, job.id))
    if (job.id !== 'moved' && job.id !== 'unknown') await new RunFolder(join(out, job.id)).writeJob(job.job)
    writeFileSync(join(out, job.id, 'report.json'), JSON.stringify(report))
  }
  const expansion: Expansion = { name: 'e', title: 'E', text: '', budget: 'full', titles: {}, jobs: results.map(({ job }) => job) }
  const error = { code: 'RUN_EXISTS', message: 'another job' }
  const outcomes = new Map([
    ['failed', { state: 'failed', error } as const],
    ['skipped', { state: 'skipped', error: null } as const],
    ['moved', { state: 'finished', error: null } as const],
  ])
  const { jobs, rows } = await writeExperimentReport({ expansion, out, outcomes, commandOf: () => 'x', rerun: () => 'y' })
  t.same(
    jobs.map(({ state, error }) => [state, error?.code ?? null]),
    [
      ['failed', 'RUN_EXISTS'],
      ['skipped', null],
      ['finished', null],
      ['unfinished', null],
    ],
  )
  t.same(
    rows.map(({ cells }) => cells.keepLoss?.value ?? null),
    [null, null, 0.1, null],
    'no number under the name of another row',
  )
})

t.test('a run from an earlier checkpoint of its parent is not shown beside the new one', async (t) => {
  const out = t.testdir({})
  const path = join(out, 'model', 'checkpoint')
  const made = ['model', 'attacked'].map((id) => madeUpModel(id, { row: { method: id } }, { ...recognised(1, 80) }))
  const results = made.map(({ job, report }, i) => {
    const own = jobSchema.parse({ ...job.job, ...(i === 1 && { model: { checkpoint: path } }) })
    return { job: { ...job, job: own, written: own }, report: { ...report, job: own, parentSha256: 'b'.repeat(64) } }
  })
  const expansion: Expansion = { name: 'e', title: 'E', text: '', budget: 'full', titles: {}, jobs: results.map(({ job }) => job) }
  const states = async (parent: string) => {
    for (const [i, { job, report }] of results.entries()) {
      const checkpoint = { path, sha256: parent }
      mkdirSync(join(out, job.id), { recursive: true })
      writeFileSync(join(out, job.id, 'job.yaml'), JSON.stringify(job.job))
      writeFileSync(join(out, job.id, 'report.json'), JSON.stringify({ ...report, ...(i === 0 && { checkpoint }) }))
    }
    const { jobs } = await writeExperimentReport({ expansion, out, outcomes: new Map(), commandOf: () => 'x', rerun: () => 'y' })
    return jobs.map(({ state }) => state)
  }
  t.same(await states('b'.repeat(64)), ['finished', 'finished'])
  t.same(await states('c'.repeat(64)), ['finished', 'unfinished'])
})
