import * as tf from '@tensorflow/tfjs'
import type { Losses } from './losses.ts'

/** Training of a classifier: softmax cross-entropy of the logits with the label, in nats. */
export const classify: Losses<unknown, 'keep', 'classifier'> = {
  network: 'classifier',
  needs: ['x', 'xClass'],
  losses: (network, { x, xClass }) => {
    const { logits } = network(x)
    const classes = Int32Array.from({ length: logits.shape[1] as number }, (_, k) => k)
    const isLabel = tf.equal(tf.reshape(xClass as tf.Tensor, [-1, 1]), tf.tensor2d(classes, [1, classes.length], 'int32'))
    return { keep: tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), tf.cast(isLabel, 'float32')), 1)) }
  },
}
