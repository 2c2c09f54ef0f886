import t from 'tap'
import { classifierFolder } from '../../../protocol/checkpoint.ts'
import { isSeenClass } from '../../../protocol/evaluation.ts'
import { openEngine } from '../../../worker/engine/open.ts'
import { Judge } from '../../../worker/metrics/judge.ts'
import { checkpointFiles, tinyClassifier } from '../../support/tiny-job.ts'

t.test('what is no picture has no class, and takes none from its neighbours', async (t) => {
  const files = checkpointFiles(tinyClassifier).map(({ path, bytes }) => ({ path: `${classifierFolder}${path}`, bytes }))
  const loaded = Judge.load(files, [1, 8, 8])
  if (!loaded) return t.fail('no classifier')
  const judge = await Judge.compile(await openEngine({ name: 'onnx', threads: 1 }), loaded, 3)
  t.teardown(() => judge.dispose())
  const x = new Float32Array(3 * 64).fill(0.5)
  x.fill(Number.NaN, 64, 128)
  const { classes, features } = await judge.look(x)
  t.same(classes.map(isSeenClass), [true, false, true])
  t.ok(Number.isNaN(classes[1]))
  t.equal(classes[0], classes[2])
  t.ok(features.subarray(8, 16).every(Number.isNaN))
})
