import ort from 'onnxruntime-node'
import { type ErrorCode, type ErrorDetails, LetheError } from '../../protocol/errors.ts'
import { type ExtractorOptions, maxChannels, maxFeatures, maxOutputName, maxSide, type OpenedExtractor } from '../../protocol/extractors.ts'
import { sessionOptions } from '../engine/onnx/session.ts'
import { onnxFault } from './onnx-file.ts'
import { type PictureShape, type Preparation, prepared } from './preparation.ts'

export interface ExtractorSetup {
  /** How messages name it. */
  label: string
  options: ExtractorOptions
  /** The ONNX file. */
  model: Uint8Array
  /** Of the pictures that it will see. */
  picture: PictureShape
  threads: number
}

type Metadata = ort.InferenceSession.ValueMetadata
type Refuse = (code: ErrorCode, details: ErrorDetails) => never

/** Names in a message. */
const shownNames = 8
const maxMessage = 300
/** ONNX Runtime would write what is told as an error anyway. */
const quiet = 4

/** A network from features to numbers, from an ONNX file. One image at a time: what a graph makes of batches never matters. */
export class Extractor {
  readonly opened: OpenedExtractor
  readonly #session: ort.InferenceSession
  readonly #picture: PictureShape
  readonly #preparation: Preparation

  private constructor(session: ort.InferenceSession, opened: OpenedExtractor, picture: PictureShape, preparation: Preparation) {
    this.#session = session
    this.opened = opened
    this.#picture = picture
    this.#preparation = preparation
  }

  /**
   * Opens the file and sends one grey picture through it.
   * @throws LetheError EXTRACTOR_FORMAT, EXTRACTOR_SHAPE.
   */
  static async open({ label, options, model, picture, threads }: ExtractorSetup): Promise<Extractor> {
    const refuse: Refuse = (code, { message, ...details }) => {
      throw new LetheError(code, { message: `${label} ${message}`, ...details })
    }
    const session = await openSession(model, threads, refuse)
    try {
      const { channels, size } = inputOf(session.inputMetadata, options, picture, refuse)
      const output = outputOf(session.outputMetadata, options, refuse)
      const preparation = { channels, size, mean: options.mean, std: options.std }
      checkPreparation(preparation, refuse)
      const grey = new Uint8Array(picture.height * picture.width * picture.channels).fill(128)
      const trial = await run(session, prepared(grey, picture, preparation), { channels, size, output }).catch((cause: Error) =>
        refuse('EXTRACTOR_SHAPE', {
          message: `fails on an image: ${cause.message.slice(0, maxMessage)}`,
          expected: `images [1,${channels},${size.join()}]`,
          cause,
        }),
      )
      const features = widthOf(trial, output, refuse)
      return new Extractor(session, { output, features, channels, size }, picture, preparation)
    } catch (error) {
      await session.release()
      throw error
    }
  }

  /** Of one picture [H,W,C], 8 bit. */
  async features(pixels: Uint8Array): Promise<Float32Array> {
    const { data } = await run(this.#session, prepared(pixels, this.#picture, this.#preparation), this.opened)
    return Float32Array.from(data as Float32Array)
  }

  dispose(): void {
    void this.#session.release()
  }
}

async function openSession(model: Uint8Array, threads: number, refuse: Refuse): Promise<ort.InferenceSession> {
  const fault = onnxFault(model)
  if (fault === 'no ONNX model') refuse('EXTRACTOR_FORMAT', { message: 'is not an ONNX file' })
  if (fault === 'weights in other files')
    refuse('EXTRACTOR_FORMAT', {
      message: 'keeps weights in other files',
      expected: 'one file with all its weights',
      hint: 'Save it anew with onnx.save(model, path, save_as_external_data=False).',
    })
  try {
    // From bytes, never from a path: nothing beside them can be read.
    return await ort.InferenceSession.create(model, { ...sessionOptions(threads), logSeverityLevel: quiet })
  } catch (cause) {
    const { message } = cause as Error
    return refuse('EXTRACTOR_FORMAT', { message: `is refused by ONNX Runtime: ${message.slice(0, maxMessage)}`, cause })
  }
}

/** A size that the graph has fixed; null for one that it leaves open. */
const fixed = (size: number | string): number | null => (typeof size === 'number' && size > 0 ? size : null)

function inputOf(
  inputs: readonly Metadata[],
  { size: asked }: ExtractorOptions,
  picture: PictureShape,
  refuse: Refuse,
): { channels: number; size: [number, number] } {
  const expected = 'one float32 input [N,C,H,W]'
  const [input] = inputs
  if (inputs.length !== 1) return refuse('EXTRACTOR_SHAPE', { message: 'does not take one input', expected, received: namesOf(inputs) })
  if (!input.isTensor || input.type !== 'float32' || input.shape.length !== 4)
    return refuse('EXTRACTOR_SHAPE', { message: 'does not take images', expected, received: described(input) })
  const [batch, channels, height, width] = input.shape.map(fixed)
  if (batch !== null && batch !== 1)
    return refuse('EXTRACTOR_SHAPE', {
      message: 'takes a fixed number of images',
      expected: 'N = 1, or left open',
      received: described(input),
      hint: 'Export it with a dynamic batch axis, or with one image.',
    })
  if (channels !== null && picture.channels !== 1 && channels !== picture.channels)
    return refuse('EXTRACTOR_SHAPE', {
      message: 'takes images of other channels than the data have',
      expected: `${picture.channels} channels`,
      received: described(input),
      hint: 'Grey images are repeated for each channel; colours are not thrown away.',
    })
  const size = [height, width].map((own, axis) => own ?? asked?.[axis] ?? null)
  if (size.includes(null))
    return refuse('EXTRACTOR_SHAPE', {
      message: 'leaves the size of images open',
      expected: '`size: [height, width]` in the job',
      received: described(input),
      hint: 'Give the size that the network was trained with.',
    })
  if (asked && size.some((side, axis) => side !== asked[axis]))
    return refuse('EXTRACTOR_SHAPE', {
      message: 'takes images of another size than the job says',
      expected: `size [${asked.join(', ')}]`,
      received: described(input),
      hint: 'Leave out `size`: the network says it itself.',
    })
  return { channels: channels ?? picture.channels, size: size as [number, number] }
}

function outputOf(outputs: readonly Metadata[], { output: asked }: ExtractorOptions, refuse: Refuse): string {
  if (asked !== undefined) {
    if (outputs.some(({ name }) => name === asked)) return asked
    return refuse('EXTRACTOR_SHAPE', { message: 'has no such output', expected: namesOf(outputs), received: asked })
  }
  const [{ name }] = outputs
  if (outputs.length === 1 && name.length <= maxOutputName) return name
  return refuse('EXTRACTOR_SHAPE', {
    message: 'has several outputs',
    expected: '`output` in the job, one of these',
    received: namesOf(outputs),
    hint: 'Name the one that holds the features.',
  })
}

/** Sizes that the wire and the report take, and one number of mean and std for each channel or for all. */
function checkPreparation({ channels, size, mean, std }: Preparation, refuse: Refuse): void {
  for (const [key, values] of Object.entries({ mean, std }))
    if (values.length !== 1 && values.length !== channels)
      refuse('EXTRACTOR_SHAPE', {
        message: `has another number of channels than \`${key}\``,
        expected: `1 or ${channels} numbers`,
        received: `${values.length}`,
      })
  if (channels > maxChannels || size.some((side) => side > maxSide))
    refuse('EXTRACTOR_SHAPE', {
      message: 'takes images that are too large',
      expected: `at most ${maxChannels} channels of ${maxSide}×${maxSide}`,
      received: [channels, ...size].join('×'),
    })
}

function widthOf({ dims, type }: ort.Tensor, output: string, refuse: Refuse): number {
  const [rows, features = 0, ...rest] = dims
  if (type !== 'float32' || dims.length < 2 || rows !== 1 || features < 1 || rest.some((size) => size !== 1))
    return refuse('EXTRACTOR_SHAPE', {
      message: 'gives no features',
      expected: `float32 [1,F] or [1,F,1,1] at output ${output}`,
      received: `${type} [${dims.join()}]`,
      hint: 'Export the network without its last layers, or name another `output`.',
    })
  if (features > maxFeatures)
    return refuse('EXTRACTOR_SHAPE', { message: 'gives too many features', expected: `at most ${maxFeatures}`, received: `${features}` })
  return features
}

async function run(
  session: ort.InferenceSession,
  image: Float32Array,
  { channels, size, output }: Pick<OpenedExtractor, 'channels' | 'size' | 'output'>,
): Promise<ort.Tensor> {
  const results = await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', image, [1, channels, ...size]) }, [output])
  return results[output]
}

const shown = (names: readonly string[]) => (names.length > shownNames ? [...names.slice(0, shownNames), '…'] : names).join(', ')

function namesOf(values: readonly Metadata[]): string {
  return values.length === 0 ? 'none' : shown(values.map(({ name }) => name.slice(0, maxOutputName)))
}

function described(value: Metadata): string {
  return value.isTensor
    ? `${value.type} [${value.shape.map((size) => (size === -1 || size === '' ? '?' : size)).join()}]`
    : 'something that is no tensor'
}
