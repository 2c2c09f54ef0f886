import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { itemsOf, mnistItems } from '../../../protocol/sources.ts'
import { chosenOf } from '../../../worker/data/chosen.ts'
import { openDataSet } from '../../../worker/data/dataset.ts'
import { openMnist } from '../../../worker/data/mnist.ts'
import type { Source } from '../../../worker/data/source.ts'

/** Item i has label i and the pixels 2i, 2i + 1. */
const numbered = (items: number): Source => ({
  items,
  height: 1,
  width: 2,
  channels: 1,
  pixels: Uint8Array.from({ length: 2 * items }, (_, i) => i),
  repeats: false,
  labels: Uint16Array.from({ length: items }, (_, i) => i),
})

t.test('both parts together are the source, each in its order, and test is every n-th item', async (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 40 }), fc.integer({ min: 2, max: 100 }), (every, items) => {
      fc.pre(items >= every)
      const [train, test] = (['train', 'test'] as const).map((part) => chosenOf(numbered(items), { holdout: { every, part } }))
      const all = Array.from({ length: items }, (_, i) => i)
      const isTest = (i: number) => i % every === every - 1
      return (
        [...test.labels].join() === all.filter(isTest).join() &&
        [...train.labels].join() === all.filter((i) => !isTest(i)).join() &&
        [train, test].every((part) => part.pixels.length === 2 * part.items && part.labels.length === part.items) &&
        [train, test].every((part) => [...part.pixels].every((value, i) => value === 2 * part.labels[i >> 1] + (i % 2)))
      )
    }),
  )
  t.equal(chosenOf(numbered(5), {}).items, 5)
  t.throws(() => chosenOf(numbered(3), { holdout: { every: 4, part: 'test' } }), { code: 'DATA_FORMAT', received: '3' })
})

t.test('digits: every tenth is held out, of each digit about as many', async (t) => {
  const whole = await openMnist()
  const [train, test] = (['train', 'test'] as const).map((part) => chosenOf(whole, { holdout: { every: 10, part } }))
  t.same([train.items, test.items, whole.items], [9000, 1000, mnistItems])
  const image = ({ pixels }: Source, item: number) => pixels.subarray(784 * item, 784 * (item + 1))
  t.same(image(test, 1), image(whole, 19))
  t.same(image(train, 9), image(whole, 10))
  t.equal(test.labels[999], whole.labels[9999])
  for (let digit = 0; digit < 10; digit++) {
    const count = (labels: Uint16Array) => labels.reduce((sum, label) => sum + (label === digit ? 1 : 0), 0)
    t.ok(Math.abs(10 * count(test.labels) - count(whole.labels)) <= 10, `${digit}`)
  }
})

t.test('a limit comes before the split', async (t) => {
  const header = (sizes: number[]) => Buffer.concat([Buffer.from([0, 0, 8, sizes.length]), ...sizes.map((n) => Buffer.from([0, 0, 0, n]))])
  const dir = t.testdir({
    images: Buffer.concat([header([9, 1, 1]), Buffer.from([0, 1, 2, 3, 4, 5, 6, 7, 8])]),
    labels: Buffer.concat([header([9]), Buffer.from([0, 1, 2, 3, 4, 5, 6, 7, 8])]),
  })
  const files = { type: 'idx' as const, images: join(dir, 'images'), labels: join(dir, 'labels'), limit: 7 }
  const split = (part: 'train' | 'test') => ({ ...files, holdout: { every: 3, part } })
  const [train, test] = await Promise.all([openDataSet({ sources: [split('train')] }), openDataSet({ sources: [split('test')] })])
  t.same(
    [[...train.labels], [...test.labels]],
    [
      [0, 1, 3, 4, 6],
      [2, 5],
    ],
  )
  t.equal(itemsOf([split('train'), split('test')]), 7, 'as many as the job says')
})

t.test('what a job says about the number of items', async (t) => {
  const idx = { type: 'idx' as const, images: 'images', labels: 'labels' }
  t.equal(itemsOf([{ type: 'mnist' }, { type: 'image', path: 'a.png', copies: 3, label: 0 }]), mnistItems + 3)
  t.equal(itemsOf([{ type: 'mnist' }, idx]), null)
  t.equal(itemsOf([{ ...idx, limit: 5 }]), 5)
})

t.test('only some classes, of one part', async (t) => {
  const chosen = chosenOf(numbered(12), { holdout: { every: 3, part: 'train' }, classes: [9, 1, 2, 30] })
  t.same([...chosen.labels], [1, 9], 'in the order of the source; 2 is of the other part')
  t.same([...chosen.pixels], [2, 3, 18, 19])
  t.throws(() => chosenOf(numbered(3), { classes: [7] }), { code: 'DATA_FORMAT', expected: 'labels 7', received: '0, 1, 2' })
  const digits = await openDataSet({ sources: [{ type: 'mnist', classes: [0, 1, 2, 4, 5, 6, 7, 8, 9] }] })
  t.equal(digits.items, mnistItems - 1032, 'all but the threes')
  t.notOk(digits.labels.includes(3))
  t.equal(itemsOf([{ type: 'mnist', classes: [3] }]), null)
})
