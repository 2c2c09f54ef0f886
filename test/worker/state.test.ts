import t from 'tap'
import { normals } from '../../protocol/random.ts'
import { decodeSafetensors, encodeSafetensors, type FloatTensor } from '../../worker/checkpoint/safetensors.ts'
import { TrainingState } from '../../worker/state.ts'
import { tinyJob, writePictures } from '../support/tiny-job.ts'

const pictures = await writePictures(t.testdir())
const unlearning = tinyJob('unlearn', pictures)
const averaging = tinyJob('train', pictures, { training: { ema: {} } })
const draw = (sample: number) => normals({ seed: 2, purpose: 'noise', step: 0, sample }, new Float32Array(50))

for (const [name, job] of Object.entries({ unlearning, averaging })) {
  t.test(`${name}: what is exported continues with the same bits`, async (t) => {
    const one = new TrainingState(draw(0), job)
    for (const sample of [1, 2, 3]) one.apply(draw(sample))
    const exported = one.export()
    const other = new TrainingState(draw(9), job)
    other.import(exported)
    t.equal(other.step, 3)
    t.same(other.parameters, one.parameters)
    t.same(other.released, one.released)
    t.same(other.export(), exported)
    for (const state of [one, other]) state.apply(draw(4))
    t.same(other.export(), one.export(), 'and after another update')
    t.equal(one.step, 4)
  })
}

t.test('released is the average where the job keeps one', async (t) => {
  const plain = new TrainingState(draw(0), unlearning)
  plain.apply(draw(1))
  t.equal(plain.released, plain.parameters)
  const state = new TrainingState(draw(0), averaging)
  state.apply(draw(1))
  t.not(state.released, state.parameters)
  t.same(state.released, state.parameters, 'the first average is the parameters')
  state.apply(draw(2))
  t.notSame(state.released, state.parameters)
})

t.test('the learning rate follows its schedule', async (t) => {
  const job = tinyJob('unlearn', pictures, { training: { learningRateSchedule: { name: 'constant', warmupSteps: 2 } } })
  const state = new TrainingState(draw(0), job)
  state.apply(draw(1))
  t.same(state.parameters, draw(0), 'warm-up begins at 0')
  state.apply(draw(1))
  t.notSame(state.parameters, draw(0))
})

t.test('a state that does not fit changes nothing', async (t) => {
  const state = new TrainingState(draw(0), averaging)
  state.apply(draw(1))
  const before = state.export()
  const { tensors } = decodeSafetensors(before)
  const changed = (change: (vectors: typeof tensors) => unknown, metadata?: Record<string, string>) => {
    const vectors = new Map(tensors)
    change(vectors)
    return encodeSafetensors(vectors.values(), metadata)
  }
  const step = { step: '5' }
  const short: FloatTensor = { name: 'v', dtype: 'F32', shape: [49], data: new Float32Array(49) }
  t.throws(() => state.import(before.subarray(0, before.length - 4)), { code: 'CHECKPOINT_FORMAT' })
  t.throws(() => state.import(changed(() => {})), { code: 'CHECKPOINT_FORMAT' }, 'no step')
  t.throws(() => state.import(changed(() => {}, { step: '-1' })), { code: 'CHECKPOINT_FORMAT' })
  t.throws(() => state.import(changed(() => {}, { step: 'x' })), { code: 'CHECKPOINT_FORMAT' })
  t.throws(() => state.import(changed((vectors) => vectors.delete('average'), step)), { code: 'CHECKPOINT_TENSORS' })
  t.throws(() => state.import(changed((vectors) => vectors.set('v', short), step)), { code: 'CHECKPOINT_TENSORS' })
  t.same(state.export(), before)
})

t.test('without a job nothing is trained', async (t) => {
  const state = new TrainingState(draw(0), null)
  t.throws(() => state.apply(draw(1)), { code: 'INTERNAL' })
  t.same(state.released, draw(0))
})
