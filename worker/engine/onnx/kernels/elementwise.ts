import { lower } from '../backend.ts'
import { type Graph, sameShape, type Value } from '../graph.ts'

function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1
    const right = b[axis - rank + b.length] ?? 1
    return left === 1 ? right : left
  })
}

/** A constant that repeats one number is passed as a scalar, as long as the other operand alone gives the shape. */
function shrink(graph: Graph, value: Value, other: Value, shape: readonly number[]): Value {
  return value.uniform !== undefined && value.shape.length > 0 && sameShape(other.shape, shape)
    ? graph.scalar(value.uniform, value.dtype)
    : value
}

/** tfjs gradients multiply by ones and add zeros: such an operand is dropped. `neutral` says on which side which number changes nothing. */
function binary(
  kernelName: string,
  op: string,
  fold: (a: number, b: number) => number,
  neutral: { left?: number; right?: number } = {},
  dtype?: 'bool',
): void {
  lower(kernelName, (graph, { a, b }) => {
    const shape = broadcastShape(a.shape, b.shape)
    if (a.uniform !== undefined && b.uniform !== undefined && !dtype) {
      const value = Math.fround(fold(a.uniform, b.uniform))
      return graph.constant(new Float64Array(shape.reduce((n, m) => n * m, 1)).fill(value), shape, a.dtype)
    }
    if (b.uniform !== undefined && b.uniform === neutral.right && sameShape(a.shape, shape)) return a
    if (a.uniform !== undefined && a.uniform === neutral.left && sameShape(b.shape, shape)) return b
    return graph.node(op, [shrink(graph, a, b, shape), shrink(graph, b, a, shape)], shape, {}, { dtype })
  })
}

function unary(kernelName: string, op: string): void {
  lower(kernelName, (graph, { x }) => graph.node(op, [x], x.shape))
}

export function registerElementwise(): void {
  binary('Add', 'Add', (a, b) => a + b, { left: 0, right: 0 })
  binary('Sub', 'Sub', (a, b) => a - b, { right: 0 })
  binary('Multiply', 'Mul', (a, b) => a * b, { left: 1, right: 1 })
  binary('RealDiv', 'Div', (a, b) => a / b, { right: 1 })
  binary('Maximum', 'Max', Math.max)
  binary('Minimum', 'Min', Math.min)
  binary('Pow', 'Pow', (a, b) => a ** b, { right: 1 })
  binary('Greater', 'Greater', () => 0, {}, 'bool')
  binary('GreaterEqual', 'GreaterOrEqual', () => 0, {}, 'bool')
  binary('Less', 'Less', () => 0, {}, 'bool')
  binary('LessEqual', 'LessOrEqual', () => 0, {}, 'bool')
  binary('Equal', 'Equal', () => 0, {}, 'bool')

  unary('Neg', 'Neg')
  unary('Abs', 'Abs')
  unary('Exp', 'Exp')
  unary('Log', 'Log')
  unary('Sqrt', 'Sqrt')
  unary('Sigmoid', 'Sigmoid')
  unary('Softplus', 'Softplus')
  unary('Tanh', 'Tanh')
  unary('Sin', 'Sin')
  unary('Cos', 'Cos')
  unary('Relu', 'Relu')
  unary('LogicalNot', 'Not')
  lower('Square', (graph, { x }) => graph.node('Mul', [x, x], x.shape))
  lower('Rsqrt', (graph, { x }) => graph.node('Reciprocal', [graph.node('Sqrt', [x], x.shape)], x.shape))
  lower('Reciprocal', (graph, { x }) => graph.node('Reciprocal', [x], x.shape))
  lower('SquaredDifference', (graph, { a, b }) => {
    const shape = broadcastShape(a.shape, b.shape)
    const difference = graph.node('Sub', [a, b], shape)
    return graph.node('Mul', [difference, difference], shape)
  })
  lower('Step', (graph, { x }, { alpha }) => {
    const above = graph.node('Greater', [x, graph.scalar(0)], x.shape, {}, { dtype: 'bool' })
    if (!alpha) return graph.node('Cast', [above], x.shape, { to: 1 }, { dtype: 'float32' })
    return graph.node('Where', [above, graph.scalar(1), graph.scalar(alpha as number)], x.shape, {}, { dtype: 'float32' })
  })
  lower('Select', (graph, { condition, t, e }) => {
    // tfjs lets a rank-1 condition choose whole rows of operands of higher rank.
    const wide =
      condition.shape.length === 1 && t.shape.length > 1
        ? graph.reshape(condition, [condition.shape[0], ...t.shape.slice(1).map(() => 1)])
        : condition
    return graph.node('Where', [wide, t, e], t.shape, {}, { dtype: t.dtype })
  })
  lower('AddN', (graph, inputs) => {
    const terms = Object.values(inputs)
    return terms.slice(1).reduce((sum, term) => graph.node('Add', [sum, term], term.shape), terms[0])
  })
  lower('Identity', (_graph, { x }) => x)
  lower('Cast', (graph, { x }, { dtype }) => {
    const to = { float32: 1, int32: 6, bool: 9 }[dtype as string]
    if (to === undefined || x.dtype === dtype) return x
    if (x.constant) return graph.constant(x.constant, x.shape, dtype as 'float32')
    return graph.node('Cast', [x], x.shape, { to }, { dtype: dtype as 'float32' })
  })
}
