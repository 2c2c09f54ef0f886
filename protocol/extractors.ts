import { basename } from 'node:path'
import { z } from 'zod'

/*
 * Networks that a user gives as ONNX files, to measure what a model draws. Only what is computed through one is called FID, SSCD or CLIP
 * score, and only together with its name and hash.
 */

export const maxExtractors = 8
/** The Fréchet distance needs the spectrum of a covariance of so many features. */
export const maxFeatures = 4096
export const maxChannels = 4
export const maxSide = 4096
export const maxOutputName = 200

const path = z.string().min(1)
const side = z.int().min(1).max(maxSide)
const perChannel = <Number extends z.ZodType<number>>(number: Number) => z.array(number).min(1).max(maxChannels)

/**
 * `fid`: Fréchet distance between samples of kept classes and kept images. `sscd`: cosine between a reconstruction and the image that it
 * began with. `clip`: 100·max(0, cosine) between a sample and the embedding of its class's caption.
 */
export const scores = ['fid', 'sscd', 'clip'] as const
export type Score = (typeof scores)[number]

export const extractorOptions = z.strictObject({
  score: z.enum(scores),
  /** An ONNX network in one file: images [N,C,H,W] in, features [N,F] or [N,F,1,1] out. */
  file: path,
  /** What its feature space is called; the name of the file where none is given. */
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9 ._+/-]{0,62}$/, 'letters, digits, spaces and ._+/-')
    .optional(),
  /** Which of the outputs, where there are several. */
  output: z.string().min(1).max(maxOutputName).optional(),
  /** Height and width of its images, where the network leaves them open. */
  size: z.tuple([side, side]).optional(),
  /** Pixels in [0,1] less `mean`, divided by `std`: one number for all channels or one for each. */
  mean: perChannel(z.number()).default([0]),
  std: perChannel(z.number().positive()).default([1]),
  /** `clip` alone: a safetensors file with the tensor `embeddings` [classes, F], in the order of the classes. */
  captions: path.optional(),
})
export type ExtractorOptions = z.output<typeof extractorOptions>

/** What the file turned out to be, once a worker has opened it. */
export const openedExtractor = z.strictObject({
  output: z.string().min(1).max(maxOutputName),
  features: z.int().min(1).max(maxFeatures),
  channels: z.int().min(1).max(maxChannels),
  /** Height and width that images are resized to. */
  size: z.tuple([side, side]),
})
export type OpenedExtractor = z.output<typeof openedExtractor>

/** Where its files stand among those of a run. */
export const extractorsFolder = 'extractors/'
export const extractorFile = (number: number): string => `${extractorsFolder}${number}/model.onnx`
export const captionsFile = (number: number): string => `${extractorsFolder}${number}/captions.safetensors`

export function extractorName({ name, file }: Pick<ExtractorOptions, 'name' | 'file'>): string {
  return name ?? basename(file).replace(/\.onnx$/i, '')
}
