import t from 'tap'
import { extractorColumns } from '../../../coordinator/experiment/extractor-columns.ts'
import { experimentReportOf } from '../../../coordinator/experiment/summary.ts'
import { extractorMeasures } from '../../../coordinator/report/extractors.ts'
import { reportFiles } from '../../../coordinator/report/files.ts'
import type { Instrument, ReportInput, UnitResults } from '../../../coordinator/report/input.ts'
import { reportOf } from '../../../coordinator/report/summary.ts'
import { textTable } from '../../../coordinator/report/table.ts'
import { evaluationUnits, readingsOf } from '../../../protocol/evaluation.ts'
import { jobSchema } from '../../../protocol/job.ts'
import { type RunReport, runReport } from '../../../protocol/report.ts'
import { madeUpModel } from '../../support/experiment.ts'
import { madeUpRun } from '../../support/report-input.ts'

const noises = 4
const perClass = 6
const digest = (digit: string) => digit.repeat(64)

const job = jobSchema.parse({
  kind: 'unlearn',
  name: 'measured',
  seed: 9,
  model: { checkpoint: 'model' },
  data: { sources: [{ type: 'mnist' }], forget: { labels: [3] } },
  method: { name: 'neggrad' },
  training: { steps: 60, batchSize: 4, microBatchSize: 2 },
  evaluate: {
    reconstruction: { timestep: 250, noises },
    samples: { classes: [1, 3], count: perClass },
    references: { samples: 5 },
    extractors: [
      { score: 'fid', file: 'nets/inception.onnx', mean: [0.5], std: [0.25] },
      { score: 'sscd', file: 'sscd.onnx', name: 'sscd_disc' },
      { score: 'clip', file: 'clip.onnx', name: 'ViT', captions: 'captions.safetensors' },
    ],
    unitSize: 5,
  },
})
const opened = { output: 'y', features: 2, channels: 3, size: [4, 4] as [number, number] }
const instruments: Instrument[] = [
  { ...opened, sha256: digest('1'), captionsSha256: null },
  { ...opened, sha256: digest('2'), captionsSha256: null },
  { ...opened, sha256: digest('3'), captionsSha256: digest('4') },
]

/** Samples of class 1 are at (i, 0), references at (i + 2, 0), samples of the forgotten class far away; `alike` is the cosine of all reconstructions. */
function results(alike: number): UnitResults {
  return evaluationUnits(job).map((unit) => {
    const numbers = Array.from({ length: unit.count }, (_, i) => unit.start + i)
    const of: Record<number, (number: number) => number[]> = {
      0: (number) => [unit.metric === 'references' ? number + 2 : number < perClass - 1 ? number : 1000, 0],
      1: (number) => [alike + number / 100],
      2: (number) => [number < perClass ? 30 + number : 5],
    }
    const readings = readingsOf(job.evaluate, unit.metric).map((reading) =>
      Float32Array.from(numbers.flatMap((number) => of[reading as number](number))),
    )
    const images = unit.metric === 'references' ? new Uint8Array(0) : new Uint8Array(16 * unit.count).fill(77)
    return { unit, result: { values: numbers.map(() => (unit.metric === 'reconstruction' ? 9 : -1)), images, readings } }
  })
}

function input(): ReportInput {
  const evaluation = new Map([
    ['before', results(0.9)],
    ['after', results(0.4)],
  ] as const)
  return { ...madeUpRun(), job, extractors: instruments, evaluation, measured: new Map() }
}

t.test('each score with what it takes to compute it again', async (t) => {
  const measures = (await extractorMeasures(job, [...results(0.4)].reverse(), instruments)) ?? []
  const prepared = { features: 2, channels: 3, size: [4, 4], resize: 'bilinear' }
  t.match(measures, [
    {
      score: 'fid',
      space: { ...prepared, name: 'inception', sha256: digest('1'), mean: [0.5], std: [0.25] },
      samples: perClass,
      references: 5,
      seed: 9,
    },
    { score: 'sscd', space: { ...prepared, name: 'sscd_disc', mean: [0], std: [1] }, timestep: 250, reconstructions: { samples: noises } },
    {
      score: 'clip',
      captionsSha256: digest('4'),
      forgotten: { mean: 5, interval: [5, 5], samples: perClass },
      kept: { mean: 32.5, samples: perClass },
    },
  ])
  const [fid, sscd, clip] = measures
  // 0, 1, 2, 3, 4, 1000 against 2, 3, 4, 5, 6.
  const own = [0, 1, 2, 3, 4, 1000]
  const average = own.reduce((sum, value) => sum + value, 0) / 6
  const variance = own.reduce((sum, value) => sum + (value - average) ** 2, 0) / 5
  const expected = (average - 4) ** 2 + (Math.sqrt(variance) - Math.sqrt(2.5)) ** 2
  t.ok(fid.score === 'fid' && Math.abs((fid.value as number) / expected - 1) < 1e-9)
  if (sscd.score !== 'sscd' || clip.score !== 'clip') return t.fail('another order')
  const [low, high] = sscd.reconstructions.interval ?? [0, 0]
  t.ok(Math.abs((sscd.reconstructions.mean as number) - 0.415) < 1e-6 && low > 0.4 && low < 0.415 && high > 0.415 && high < 0.43)
  t.equal(clip.kept?.values.length, perClass)
})

t.test('too little was measured, or what came is not finite', async (t) => {
  t.equal(await extractorMeasures(job, undefined, instruments), null)
  t.equal(await extractorMeasures(job, results(0.4), []), null)
  const broken = results(0.4).map(({ unit, result }) => ({
    unit,
    result: { ...result, readings: result.readings?.map((matrix) => matrix.map(() => Number.NaN)) },
  }))
  t.match(await extractorMeasures(job, broken, instruments), [
    { value: null },
    { reconstructions: { mean: null, interval: null, values: [null, null, null, null] } },
    { kept: { mean: null } },
  ])
})

t.test('the report, its table and its page', async (t) => {
  const report = await reportOf(input())
  const json = JSON.parse(JSON.stringify(report))
  t.same(runReport.parse(json), json)
  const { extractors: _, ...older } = json
  t.same(runReport.parse(older).extractors, { before: null, after: null }, 'reports from before are read')
  t.match(
    report.samples.after,
    {
      forgotten: null,
      kept: null,
      classes: [
        { class: 1, recognised: null },
        { class: 3, recognised: null },
      ],
    },
    'no classifier',
  )

  const table = textTable(report)
  t.match(table, /FID, inception 111111111111 +\d+ +\d+ +±0/)
  t.match(
    table,
    /SSCD, sscd_disc 222222222222, reconstruction and forgotten image +0\.915 \(0\.9\d\d to 0\.9\d\d\) +0\.415 \(.+\) +−0\.500/,
  )
  t.match(table, /CLIP score, ViT 333333333333, 6 samples of forgotten classes +5\.00 \(5\.00 to 5\.00\)/)
  t.match(table, /CLIP score, ViT 333333333333, 6 samples of kept classes +32\.50/)

  const { files } = await reportFiles(input(), '/nowhere')
  const page = Buffer.from(files.find(({ path }) => path === 'report.html')?.bytes ?? []).toString()
  for (const text of [
    'Scores by other networks',
    'FID, inception 111111111111',
    '3 × 4 × 4, less 0.5, divided by 0.25',
    'No classifier has looked at them',
    digest('2'),
    `captions for ViT</dt><dd><code>${digest('4')}`,
  ])
    t.ok(page.includes(text), text)
  t.ok(page.includes('That other programs find the same scores') && !page.includes('one small classifier says'))
})

t.test('columns of an experiment: one for each score and space', async (t) => {
  const { extractors } = await reportOf(input())
  const other = structuredClone(extractors)
  if (other.after?.[0].score === 'fid') Object.assign(other.after[0], { value: 1, space: { ...other.after[0].space, mean: [0] } })
  const model = (id: string, value: number, measured: RunReport['extractors']) => {
    const after = measured.after?.map((one) => (one.score === 'fid' ? { ...one, value } : one)) ?? null
    return madeUpModel(id, { row: { method: id } }, { extractors: { before: null, after } })
  }
  const results = [model('a', 7, extractors), model('b', 5, extractors), model('c', 1, other)]
  t.equal(extractorColumns(results.flatMap(({ report }) => report ?? [])).length, 5, 'other means are another space')
  const { columns, rows, comparison } = await experimentReportOf({
    expansion: { name: 'x', title: '', text: '', budget: 'full', titles: {} } as never,
    results,
    rerun: () => '',
  })
  t.same(
    columns.map(({ label, better }) => [label, better]),
    [
      ['SSCD, sscd_disc 222222222222', 'lower'],
      ['CLIP score, ViT 333333333333, forgotten classes', 'lower'],
      ['FID, inception 111111111111', 'lower'],
      ['CLIP score, ViT 333333333333, kept classes', 'higher'],
      ['FID, inception 111111111111', 'lower'],
    ],
  )
  t.same(
    rows.map(({ cells }) => columns.filter(({ key }) => key.startsWith('fid:')).map(({ key }) => cells[key]?.value)),
    [
      [7, undefined],
      [5, undefined],
      [undefined, 1],
    ],
  )
  t.match(comparison.axes, [
    { of: 'forgetting', label: /^SSCD/, goal: 'minimise' },
    { of: 'quality', label: /^FID/, goal: 'minimise' },
  ])
  t.equal(comparison.axes.length, 2)
})
