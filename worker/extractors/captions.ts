import { LetheError } from '../../protocol/errors.ts'
import { decodeSafetensors, type Safetensors } from '../checkpoint/safetensors.ts'

export const captionsTensor = 'embeddings'

/**
 * The embedding of each class's caption, from the tensor `embeddings` [classes, F] of a safetensors file. `label` names the extractor.
 * @throws LetheError EXTRACTOR_FORMAT, EXTRACTOR_SHAPE.
 */
export function readCaptions(
  bytes: Uint8Array,
  { label, features, classes }: { label: string; features: number; classes: number },
): Float32Array[] {
  const tensor = decoded(bytes, label).tensors.get(captionsTensor)
  if (!tensor)
    throw new LetheError('EXTRACTOR_FORMAT', {
      message: `the captions of ${label} lack a tensor`,
      expected: `\`${captionsTensor}\` [classes, ${features}]`,
      hint: 'Save the text embeddings of one caption per class, in the order of the classes, under that name.',
    })
  const { data, shape, dtype } = tensor
  const received = `${dtype} [${shape.join(', ')}]`
  const refuse = (message: string, expected: string) => {
    throw new LetheError('EXTRACTOR_SHAPE', {
      message: `the captions of ${label} ${message}`,
      expected,
      received,
      hint: 'Captions are embedded by the text network that belongs to the image network, one for each class of the model.',
    })
  }
  if (dtype !== 'F32' || shape.length !== 2) return refuse('have another form', `float [classes, ${features}]`) as never
  if (shape[1] !== features) refuse('have another width than its features', `[classes, ${features}]`)
  if (shape[0] < classes) refuse('are of too few classes', `at least ${classes}, for evaluate.samples.classes`)
  if (!data.every(Number.isFinite))
    throw new LetheError('EXTRACTOR_FORMAT', { message: `the captions of ${label} hold NaN or infinite numbers` })
  return Array.from({ length: shape[0] }, (_, row) => data.slice(row * features, (row + 1) * features))
}

function decoded(bytes: Uint8Array, label: string): Safetensors {
  try {
    return decodeSafetensors(bytes)
  } catch (cause) {
    const { message, expected, received } = LetheError.from(cause)
    throw new LetheError('EXTRACTOR_FORMAT', {
      message: `the captions of ${label} are no safetensors file: ${message}`,
      expected,
      received,
      cause,
    })
  }
}
