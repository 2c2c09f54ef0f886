import type { Engine, HostTensorMap, Program, Signature } from '../engine/engine.ts'
import type { Model } from '../model.ts'

/** A classifier on a fixed number of rows. Fewer rows are filled up, so that one program and one rounding serve every unit. */
export class Classifier {
  readonly rows: number
  readonly elements: number
  readonly classCount: number
  readonly #program: Program
  readonly #model: Model

  private constructor(program: Program, model: Model, rows: number) {
    this.#program = program
    this.#model = model
    this.rows = rows
    this.classCount = model.classCount
    this.elements = model.imageShape.reduce((product, n) => product * n, 1)
  }

  static async compile(engine: Engine, model: Model, { rows }: { rows: number }): Promise<Classifier> {
    const signature: Signature = Object.fromEntries(model.specs.map((spec) => [spec.name, { shape: spec.shape }]))
    const program = await engine.compile((tensors) => ({ ...model.classifier(tensors)(tensors['in:x']) }), {
      ...signature,
      'in:x': { shape: [rows, ...model.imageShape] },
    })
    return new Classifier(program, model, rows)
  }

  /** `x` holds up to `rows` images [C,H,W] in [−1,1]. Returns the features [rows, F] and the logits [rows, K] of as many, flattened. */
  async classify(parameters: Float32Array, x: Float32Array): Promise<{ features: Float32Array; logits: Float32Array }> {
    const images = new Float32Array(this.rows * this.elements)
    images.set(x)
    const inputs: HostTensorMap = { 'in:x': { shape: [this.rows, ...this.#model.imageShape], data: images } }
    for (const { name, shape, data } of this.#model.views(parameters)) inputs[name] = { shape, data }
    const { features, logits } = await this.#program.run(inputs)
    const given = x.length / this.elements
    const first = ({ shape, data }: typeof features) => (data as Float32Array).subarray(0, given * shape[1])
    return { features: first(features), logits: first(logits) }
  }

  dispose(): void {
    this.#program.dispose()
  }
}
