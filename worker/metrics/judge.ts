import { classifierFolder } from '../../protocol/checkpoint.ts'
import type { FileBytes } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { Engine } from '../engine/engine.ts'
import { Model } from '../model.ts'
import { Classifier } from './classifier.ts'

/** What a classifier says of images: the most probable class of each, NaN where a logit is not finite, probabilities [n, K] and the features of its named layer [n, F]. */
export interface Verdicts {
  classes: number[]
  probabilities: Float32Array
  features: Float32Array
}

/** A trained classifier that looks at samples; it is not what the job trains. */
export class Judge {
  readonly #classifier: Classifier
  readonly #parameters: Float32Array

  private constructor(classifier: Classifier, parameters: Float32Array) {
    this.#classifier = classifier
    this.#parameters = parameters
  }

  /** Null where the job has none. Throws CHECKPOINT_*, DATA_SHAPE where it takes other images than the model draws. */
  static load(files: readonly FileBytes[], drawn: readonly number[]): { model: Model; parameters: Float32Array } | null {
    const own = files.filter(({ path }) => path.startsWith(classifierFolder))
    if (own.length === 0) return null
    const loaded = Model.load(own.map(({ path, bytes }) => ({ path: path.slice(classifierFolder.length), bytes })))
    const { kind, imageShape } = loaded.model
    if (kind !== 'classifier')
      throw new LetheError('CHECKPOINT_CONFIG', {
        message: 'evaluate.classifier is no classifier',
        expected: '"_class_name": "ImageClassifier"',
        received: 'a network that predicts noise',
      })
    if (imageShape.join() !== drawn.join())
      throw new LetheError('DATA_SHAPE', {
        message: 'the classifier takes images of another size than the model draws',
        expected: drawn.join('×'),
        received: imageShape.join('×'),
        hint: 'Train a classifier on the data of the job.',
      })
    return loaded
  }

  static async compile(engine: Engine, loaded: { model: Model; parameters: Float32Array }, rows: number): Promise<Judge> {
    return new Judge(await Classifier.compile(engine, loaded.model, { rows }), loaded.parameters)
  }

  /** `x`: up to as many images [C,H,W] as a unit has, in [−1,1]; what lies outside is clipped first, as a picture is. */
  async look(x: Float32Array): Promise<Verdicts> {
    const { features, logits } = await this.#classifier.classify(
      this.#parameters,
      x.map((value) => Math.min(Math.max(value, -1), 1)),
    )
    const { classCount } = this.#classifier
    const probabilities = new Float32Array(logits.length)
    const classes: number[] = []
    for (let start = 0; start < logits.length; start += classCount) {
      const own = logits.subarray(start, start + classCount)
      const largest = own.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY)
      const weights = Array.from(own, (logit) => Math.exp(logit - largest))
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      probabilities.set(
        weights.map((weight) => weight / total),
        start,
      )
      classes.push(own.every(Number.isFinite) ? own.indexOf(largest) : Number.NaN)
    }
    return { classes, probabilities, features: features.slice() }
  }

  dispose(): void {
    this.#classifier.dispose()
  }
}
