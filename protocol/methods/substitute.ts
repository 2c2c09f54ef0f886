import { z } from 'zod'

/**
 * Which kept class takes the place of a forgotten one, where a method swaps labels. Papers differ, so it is an option:
 * - `next`: the class after it, (c + 1) mod classes, forgotten ones skipped (SalUn's code);
 * - `random`: a kept class drawn for each sample;
 * - `batch`: one kept class drawn for all samples of a step (EraseDiff's code);
 * - `class`: this one.
 * The class that stands for no condition never takes the place of another.
 */
export const substitute = z.discriminatedUnion('rule', [
  z.strictObject({ rule: z.literal('next') }),
  z.strictObject({ rule: z.literal('random') }),
  z.strictObject({ rule: z.literal('batch') }),
  z.strictObject({ rule: z.literal('class'), class: z.int().min(0) }),
])

export type Substitute = z.output<typeof substitute>
