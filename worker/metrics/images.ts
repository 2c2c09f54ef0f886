import type { DataSet } from '../data/dataset.ts'
import { modelToPixels, pixelsToModel } from '../data/pixels.ts'
import type { EvaluationContext } from './context.ts'
import { pixelDistance } from './distance.ts'

/** An item as the model sees it: [C,H,W] in [−1,1]. */
export function modelImage(data: DataSet, index: number): Float32Array {
  return pixelsToModel(data.read(index), new Float32Array(data.channels * data.height * data.width), data.channels)
}

/** Images [n,C,H,W] as 8-bit pictures. */
export function pictures(x: Float32Array, { data, predictor }: Pick<EvaluationContext, 'data' | 'predictor'>): Uint8Array {
  const { elements } = predictor
  const pixels = new Uint8Array(x.length)
  for (let begin = 0; begin < x.length; begin += elements)
    modelToPixels(x.subarray(begin, begin + elements), pixels.subarray(begin, begin + elements), data.channels)
  return pixels
}

/** The forgotten items without repetitions, in order. */
export function distinctForgotten(data: DataSet): number[] {
  const byContent = new Map<string, number>()
  for (const index of data.forget) {
    const content = Buffer.from(data.read(index)).toString('latin1')
    if (!byContent.has(content)) byContent.set(content, index)
  }
  return [...byContent.values()]
}

/** Of images [n,C,H,W]: the L2 distance of each to the nearest forgotten one; NaN of an image that is not finite. */
export function nearestForgotten({ data, predictor }: Pick<EvaluationContext, 'data' | 'predictor'>, x: Float32Array): number[] {
  const references = distinctForgotten(data).map((index) => modelImage(data, index))
  return Array.from({ length: x.length / predictor.elements }, (_, row) => {
    const image = x.subarray(row * predictor.elements, (row + 1) * predictor.elements)
    return Math.min(...references.map((reference) => pixelDistance(image, reference)))
  })
}
