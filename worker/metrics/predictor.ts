import * as tf from '@tensorflow/tfjs'
import type { Engine, HostTensorMap, Program, Signature, TensorMap } from '../engine/engine.ts'
import type { Model } from '../model.ts'

/** ε_θ on a fixed number of rows. Fewer rows are filled up, so that one program and one rounding serve every unit. */
export class Predictor {
  readonly rows: number
  readonly elements: number
  readonly #program: Program
  readonly #model: Model

  private constructor(program: Program, model: Model, rows: number) {
    this.#program = program
    this.#model = model
    this.rows = rows
    this.elements = model.imageShape.reduce((product, n) => product * n, 1)
  }

  /**
   * `guidance` w is that of classifier-free guidance, (1+w)·ε(x,t,c) − w·ε(x,t,∅) (Ho & Salimans 2022, equation 6): twice the work where
   * it is not 0. It needs a conditional network, whose null class was trained.
   */
  static async compile(engine: Engine, model: Model, { rows, guidance }: { rows: number; guidance: number }): Promise<Predictor> {
    const shape = [rows, ...model.imageShape]
    const signature: Signature = Object.fromEntries(model.specs.map((spec) => [spec.name, { shape: spec.shape }]))
    if (model.isConditional) signature['in:c'] = { shape: [rows], dtype: 'int32' }
    const step = (tensors: TensorMap) => {
      const { 'in:x': x, 'in:t': t, 'in:c': c } = tensors
      const predict = model.predictor(tensors)
      const epsilon = predict(x, t, c)
      if (guidance === 0) return { epsilon }
      const free = predict(x, t, tf.fill([rows], model.nullClass, 'int32'))
      return { epsilon: tf.sub(tf.mul(epsilon, 1 + guidance), tf.mul(free, guidance)) }
    }
    const program = await engine.compile(step, { ...signature, 'in:x': { shape }, 'in:t': { shape: [rows] } })
    return new Predictor(program, model, rows)
  }

  /** `x` holds up to `rows` images, `t` their times, `classes` their conditions. Returns ε for as many. */
  async predict(
    parameters: Float32Array,
    x: Float32Array,
    t: ArrayLike<number>,
    classes: ArrayLike<number> | undefined,
  ): Promise<Float32Array> {
    const images = new Float32Array(this.rows * this.elements)
    images.set(x)
    const times = new Float32Array(this.rows)
    times.set(Array.from(t))
    const inputs: HostTensorMap = {
      'in:x': { shape: [this.rows, ...this.#model.imageShape], data: images },
      'in:t': { shape: [this.rows], data: times },
    }
    if (classes) {
      const padded = new Int32Array(this.rows)
      padded.set(classes)
      inputs['in:c'] = { shape: [this.rows], data: padded }
    }
    for (const { name, shape, data } of this.#model.views(parameters)) inputs[name] = { shape, data }
    const { epsilon } = await this.#program.run(inputs)
    return (epsilon.data as Float32Array).subarray(0, x.length)
  }

  dispose(): void {
    this.#program.dispose()
  }
}
