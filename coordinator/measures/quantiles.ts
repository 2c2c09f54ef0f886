/* Quantiles of 95 % intervals. */

/** 0.975 of the standard normal distribution. */
export const normalQuantile = 1.959963984540054

/** 0.975 of Student's t with 1 to 10 degrees of freedom, to six digits (tables, as Fisher & Yates 1963 have them). */
const few = [12.7062, 4.30265, 3.18245, 2.77645, 2.57058, 2.44691, 2.36462, 2.306, 2.26216, 2.22814]

/** 0.975 of Student's t. Beyond the table by the expansion about the normal quantile (Abramowitz & Stegun 26.7.5), good to 2e-5. */
export function studentQuantile(degrees: number): number {
  if (degrees < 1) return Number.POSITIVE_INFINITY
  if (degrees <= few.length) return few[Math.floor(degrees) - 1]
  const z = normalQuantile
  return [
    z,
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
    (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z) / 92_160,
  ].reduce((sum, term, power) => sum + term / degrees ** power, 0)
}
