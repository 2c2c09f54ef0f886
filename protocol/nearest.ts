/** Case and separators aside, so that `learning_rate` is `learningRate`. */
const plain = (word: string): string => word.toLowerCase().replace(/[_\-\s]/g, '')

/** The candidate that a mistyped word most likely stands for, or undefined if none is near: at most a third of it differs. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const typed = plain(word)
  const ranked = candidates.map((candidate) => ({ candidate, distance: editDistance(typed, plain(candidate)) }))
  ranked.sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  return best && best.distance <= Math.max(1, Math.floor(Math.max(typed.length, plain(best.candidate).length) / 3))
    ? best.candidate
    : undefined
}

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours, each one. Words only: O(length²). */
export function editDistance(a: string, b: string): number {
  const limit = 100
  if (a.length > limit || b.length > limit) return Number.POSITIVE_INFINITY
  const rows = Array.from({ length: a.length + 1 }, (_, i) => Array.from({ length: b.length + 1 }, (_, j) => i + j))
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const substitution = rows[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)
      rows[i][j] = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, substitution)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1)
    }
  }
  return rows[a.length][b.length]
}
