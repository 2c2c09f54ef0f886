import { LetheError } from '../../protocol/errors.ts'

/** One row per sample: features of an extractor, or probabilities of a classifier. Values row after row, [rows, width]. */
export interface Matrix {
  rows: number
  width: number
  values: ArrayLike<number>
}

/** @throws LetheError INTERNAL where the values are not rows · width, or nothing is in a row. */
export function checkMatrix({ rows, width, values }: Matrix): void {
  if (!Number.isInteger(rows) || rows < 0 || !Number.isInteger(width) || width < 1 || values.length !== rows * width)
    throw new LetheError('INTERNAL', {
      message: 'a matrix of features does not have the size that it says',
      expected: `${rows} rows of ${width}`,
      received: `${values.length} values`,
    })
}

/** @throws LetheError INTERNAL where the two are not of one feature space. */
export function checkSameWidth(one: Matrix, other: Matrix): void {
  if (one.width !== other.width)
    throw new LetheError('INTERNAL', {
      message: 'features of two spaces are compared',
      expected: `width ${one.width}`,
      received: `${other.width}`,
    })
}
