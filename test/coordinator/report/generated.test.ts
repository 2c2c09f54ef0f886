import t from 'tap'
import { generatedFiles } from '../../../coordinator/report/generated.ts'
import { jobSchema } from '../../../protocol/job.ts'
import { decodeIdx } from '../../../worker/data/idx.ts'

const job = (kind: object) =>
  jobSchema.parse({
    name: 'generate',
    model: { checkpoint: 'original' },
    data: { sources: [{ type: 'mnist' }] },
    evaluate: { classifier: 'judge', samples: { classes: [4, 7], count: 2 }, unitSize: 3 },
    ...kind,
  })
const image = (value: number) => new Uint8Array(6).fill(value)
const images = (...values: number[]) => Buffer.concat(values.map(image))
const results = [
  { unit: { metric: 'samples' as const, start: 3, count: 1 }, result: { values: [7], images: images(4) } },
  { unit: { metric: 'samples' as const, start: 0, count: 3 }, result: { values: [4, 1, 7], images: images(1, 2, 3) } },
]

t.test('samples become a data set that another job reads', async (t) => {
  const files = generatedFiles({ job: job({ kind: 'evaluate' }), evaluation: new Map([['after', results]]), imageShape: [2, 3, 1] })
  const read = (name: string, dimensions: number) => {
    const file = files.find(({ path }) => path === `generated/${name}`)
    return decodeIdx(file?.bytes as Uint8Array, dimensions, name)
  }
  const pictures = read('images-idx3-ubyte', 3)
  t.same(pictures.sizes, [4, 2, 3])
  t.same([...pictures.values], [...images(1, 2, 3, 4)], 'in the order of their numbers')
  t.same([...read('labels-idx1-ubyte', 1).values], [4, 4, 7, 7], 'labels are the classes that were asked for')
})

t.test('nothing else is written', async (t) => {
  const shape = [2, 3, 1] as const
  t.same(generatedFiles({ job: job({ kind: 'evaluate' }), evaluation: new Map(), imageShape: shape }), [])
  t.same(generatedFiles({ job: job({ kind: 'evaluate' }), evaluation: new Map([['after', results]]), imageShape: [2, 1, 3] }), [], 'colour')
})
