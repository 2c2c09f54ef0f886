import { z } from 'zod'

/** Float64 inner products of the reduced channels: `scalars.keep.forget` is <g_keep, g_forget>, `scalars.keep.keep` is ||g_keep||². */
export type Scalars<Channel extends string> = Record<Channel, Record<Channel, number>>

/** Reductions before the first update, whose directions are added up on every worker. */
export type Preparation<Options> = {
  readonly channel: string
  readonly rounds: (options: Options, batchSize: number) => number
} & (
  | {
      /** |Σ g| says which weights may move: this share of all. */
      readonly of: 'saliency'
      readonly share: (options: Options) => number
    }
  | {
      /** F, the mean of g² over samples, weighs the way back to the original θ*: λ·Σ F·(θ − θ*)² joins the loss of the channel `penalised`. */
      readonly of: 'fisher'
      readonly penalised: string
      readonly lambda: (options: Options) => number
    }
)

/** Steps on one channel before each update, after which the parameters are restored; the moments of the optimizer are not. */
export interface InnerSteps<Options> {
  readonly channel: string
  readonly rounds: (options: Options) => number
  readonly learningRate: (options: Options) => number | undefined
}

/** Which models a method fits: those with classes only, those without only, or both. */
export type Conditioning = 'needed' | 'refused' | 'either'

/**
 * The half of a method that every process must agree on: its options, its channels (separately reduced gradients) and the pure
 * function from the scalars to one number per channel. The update direction is the sum of coefficient · gradient over channels.
 * The other half, its losses, is `worker/unlearning/<name>.ts`.
 */
export interface Method<Name extends string = string, Shape extends z.ZodRawShape = z.ZodRawShape, Channel extends string = string> {
  readonly name: Name
  readonly options: z.ZodObject<Shape & { name: z.ZodLiteral<Name> }, z.core.$strict>
  readonly channels: readonly Channel[]
  readonly coefficients: (scalars: Scalars<Channel>, options: z.output<z.ZodObject<Shape>>) => Record<Channel, number>
  readonly prepare?: Preparation<z.output<z.ZodObject<Shape>>>
  readonly inner?: InnerSteps<z.output<z.ZodObject<Shape>>>
  /** A function, because a method may need classes for one of its targets alone. Not given: 'either'. */
  readonly conditioning?: (options: z.output<z.ZodObject<Shape>>) => Conditioning
}

export function method<const Name extends string, Shape extends z.ZodRawShape, const Channel extends string>(definition: {
  name: Name
  options: Shape
  channels: readonly Channel[]
  coefficients: (scalars: Scalars<Channel>, options: z.output<z.ZodObject<Shape>>) => Record<Channel, number>
  conditioning?: (options: z.output<z.ZodObject<Shape>>) => Conditioning
  prepare?: Preparation<z.output<z.ZodObject<Shape>>>
  inner?: InnerSteps<z.output<z.ZodObject<Shape>>>
}): Method<Name, Shape, Channel> {
  const options = z.strictObject({ name: z.literal(definition.name), ...definition.options }) as Method<Name, Shape, Channel>['options']
  return { ...definition, options }
}

/** Inclusive range of discrete diffusion times from which t is drawn uniformly. */
export const timestepRange = z
  .tuple([z.int().min(0).max(999), z.int().min(0).max(999)])
  .refine(([low, high]) => low <= high, { message: 'the first time step must not exceed the second' })
  .default([0, 999])
