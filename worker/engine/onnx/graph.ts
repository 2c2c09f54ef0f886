import { createHash } from 'node:crypto'

export type DataType = 'float32' | 'int32' | 'int64' | 'bool'
export type Attribute = number | readonly number[] | string | { float: number }

/** A value of the graph: an input, a constant or an output of a node. Shapes are always fully known. */
export interface Value {
  readonly name: string
  readonly shape: readonly number[]
  readonly dtype: DataType
  /** Present on constants only. */
  readonly constant?: ArrayLike<number>
  /** The one number that a constant repeats, where it does: a scalar in its place saves memory traffic. */
  readonly uniform?: number
}

export interface Node {
  op: string
  domain: string
  inputs: string[]
  outputs: string[]
  attributes: Record<string, Attribute>
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1)

/**
 * Collects ONNX nodes while a step function is traced. Values are numbered: the same operation on the same inputs with the same
 * attributes is emitted once, so two gradients through one forward pass share it for free.
 */
export class Graph {
  readonly nodes: Node[] = []
  readonly inputs: Value[] = []
  readonly constants = new Map<string, Value>()
  readonly #numbered = new Map<string, Value[]>()
  #count = 0

  input(name: string, shape: readonly number[], dtype: DataType): Value {
    const value = { name, shape, dtype }
    this.inputs.push(value)
    return value
  }

  constant(values: ArrayLike<number>, shape: readonly number[], dtype: DataType = 'float32'): Value {
    const first = values[0]
    let uniform: number | undefined = values.length > 0 ? first : undefined
    for (let i = 1; i < values.length && uniform !== undefined; i++) if (values[i] !== first) uniform = undefined
    const key = `${dtype}[${shape}]${uniform !== undefined ? `=${uniform}` : contentKey(values)}`
    let value = this.constants.get(key)
    if (!value) {
      value = {
        name: `c${this.constants.size}`,
        shape,
        dtype,
        constant: uniform === undefined ? Float64Array.from(values) : repeat(uniform, values.length),
        uniform,
      }
      this.constants.set(key, value)
    }
    return value
  }

  scalar(value: number, dtype: DataType = 'float32'): Value {
    return this.constant([value], [], dtype)
  }

  /** A vector of int64, as ONNX wants shapes, axes and offsets. */
  int64(values: readonly number[]): Value {
    return this.constant(values, [values.length], 'int64')
  }

  /** Emits a node with one output. */
  node(
    op: string,
    inputs: readonly (Value | null)[],
    shape: readonly number[],
    attributes: Record<string, Attribute> = {},
    options: { dtype?: DataType; domain?: string } = {},
  ): Value {
    return this.multi(op, inputs, [shape], attributes, options)[0]
  }

  /** Emits a node with several outputs. */
  multi(
    op: string,
    inputs: readonly (Value | null)[],
    shapes: readonly (readonly number[])[],
    attributes: Record<string, Attribute> = {},
    options: { dtype?: DataType; domain?: string } = {},
  ): Value[] {
    const names = inputs.map((input) => input?.name ?? '')
    const domain = options.domain ?? ''
    const key = `${domain}:${op}(${names})${JSON.stringify(attributes)}`
    const known = this.#numbered.get(key)
    if (known) return known
    const dtype = options.dtype ?? inputs.find((input) => input)?.dtype ?? 'float32'
    const outputs = shapes.map((shape) => ({ name: `v${this.#count++}`, shape, dtype }))
    this.nodes.push({ op, domain, inputs: names, outputs: outputs.map((output) => output.name), attributes })
    this.#numbered.set(key, outputs)
    return outputs
  }

  reshape(value: Value, shape: readonly number[]): Value {
    if (sameShape(value.shape, shape)) return value
    if (value.constant) return this.constant(value.constant, shape, value.dtype)
    return this.node('Reshape', [value, this.int64(shape)], shape, { allowzero: 0 })
  }

  transpose(value: Value, permutation: readonly number[]): Value {
    if (permutation.every((axis, position) => axis === position)) return value
    return this.node(
      'Transpose',
      [value],
      permutation.map((axis) => value.shape[axis]),
      { perm: permutation },
    )
  }

  /** Nodes that the outputs need, in order. */
  live(outputs: readonly Value[]): Node[] {
    const needed = new Set(outputs.map((output) => output.name))
    const kept: Node[] = []
    for (let i = this.nodes.length - 1; i >= 0; i--) {
      const node = this.nodes[i]
      if (!node.outputs.some((output) => needed.has(output))) continue
      kept.push(node)
      for (const input of node.inputs) needed.add(input)
    }
    return kept.reverse()
  }
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, axis) => n === b[axis])
}

function contentKey(values: ArrayLike<number>): string {
  const floats = Float64Array.from(values)
  return createHash('sha256').update(new Uint8Array(floats.buffer)).digest('base64')
}

function repeat(value: number, length: number): ArrayLike<number> {
  return new Float64Array(length).fill(value)
}
