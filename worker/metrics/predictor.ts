import type { Engine, HostTensorMap, Program } from '../engine/engine.ts'
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

  static async compile(engine: Engine, model: Model, rows: number): Promise<Predictor> {
    const shape = [rows, ...model.imageShape]
    const signature = Object.fromEntries(model.specs.map((spec) => [spec.name, { shape: spec.shape }]))
    const program = await engine.compile((tensors) => ({ epsilon: model.predictor(tensors)(tensors['in:x'], tensors['in:t']) }), {
      ...signature,
      'in:x': { shape },
      'in:t': { shape: [rows] },
    })
    return new Predictor(program, model, rows)
  }

  /** `x` holds up to `rows` images, `t` their times. Returns ε for as many. */
  async predict(parameters: Float32Array, x: Float32Array, t: ArrayLike<number>): Promise<Float32Array> {
    const images = new Float32Array(this.rows * this.elements)
    images.set(x)
    const times = new Float32Array(this.rows)
    times.set(Array.from(t))
    const inputs: HostTensorMap = {
      'in:x': { shape: [this.rows, ...this.#model.imageShape], data: images },
      'in:t': { shape: [this.rows], data: times },
    }
    for (const { name, shape, data } of this.#model.views(parameters)) inputs[name] = { shape, data }
    const { epsilon } = await this.#program.run(inputs)
    return (epsilon.data as Float32Array).subarray(0, x.length)
  }

  dispose(): void {
    this.#program.dispose()
  }
}
