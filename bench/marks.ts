/** That a run had done so many steps; milliseconds of a monotonic clock. */
export interface Mark {
  at: number
  step: number
}

/** From the first mark after the warm-up to the last one. */
function steady(marks: readonly Mark[], warmUpSteps: number): readonly Mark[] {
  const found = marks.filter(({ step }) => step >= warmUpSteps)
  if (found.length < 2 || found[0].step === found[found.length - 1].step) throw new Error('a run said too little about its steps')
  return found
}

/** Steps per second after the warm-up. */
export function rateOf(marks: readonly Mark[], warmUpSteps: number): number {
  const found = steady(marks, warmUpSteps)
  const [first, last] = [found[0], found[found.length - 1]]
  return (1000 * (last.step - first.step)) / (last.at - first.at)
}

/** Steps done at a time between two marks, in proportion. */
function stepsAt(marks: readonly Mark[], at: number): number {
  const after = marks.findIndex((mark) => mark.at >= at)
  if (after === 0) return marks[0].step
  const [left, right] = [marks[after - 1], marks[after]]
  return left.step + ((right.step - left.step) * (at - left.at)) / (right.at - left.at)
}

/** Steps per second of each run while all of them were past their warm-up and none had ended. */
export function commonRates(runs: readonly (readonly Mark[])[], warmUpSteps: number): number[] {
  const all = runs.map((marks) => steady(marks, warmUpSteps))
  const from = Math.max(...all.map((marks) => marks[0].at))
  const to = Math.min(...all.map((marks) => marks[marks.length - 1].at))
  if (to <= from) throw new Error('the runs did not run at the same time')
  return all.map((marks) => (1000 * (stepsAt(marks, to) - stepsAt(marks, from))) / (to - from))
}
