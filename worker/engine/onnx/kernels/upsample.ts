import { upsampleKernels } from '../../ops/upsample.ts'
import { lower } from '../backend.ts'

export function registerUpsampling(): void {
  lower(upsampleKernels.forward, (graph, { x }) => {
    const [n, c, h, w] = x.shape
    const doubled = [n * c, h, 2, w, 2]
    return graph.reshape(graph.node('Expand', [graph.reshape(x, [n * c, h, 1, w, 1]), graph.int64(doubled)], doubled), [n, c, 2 * h, 2 * w])
  })
  lower(upsampleKernels.gradient, (graph, { dy }) => {
    const [n, c, h, w] = dy.shape
    const shape = [n, c, h / 2, w / 2]
    const mean = graph.node('AveragePool', [dy], shape, { kernel_shape: [2, 2], strides: [2, 2] })
    return graph.node('Mul', [mean, graph.scalar(4)], shape)
  })
}
