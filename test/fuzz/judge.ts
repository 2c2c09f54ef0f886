import type { SiegeReport } from './siege.ts'

/** What JavaScript may hold more after an attack than when it was warm: a few bytes for each of its messages would be too much. */
const heapBytes = 4 * 2 ** 20
/** Pages come and go by the tens of MiB with the collector's moods. */
const rssBytes = 128 * 2 ** 20
/** Of processor time: no message may hold the event loop for long. */
const turnMs = 400

const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`

/** What must hold after an attack, and whether it does. */
export function judge({ tallies, vitals, isRight, endings, waiting }: SiegeReport): { what: string; isMet: boolean }[] {
  return [
    { what: `every process lives ${endings.join('; ')}`, isMet: endings.length === 0 },
    { what: 'the run ends in the hash that it has undisturbed', isMet: isRight },
    { what: `${waiting} sockets of silent strangers were kept`, isMet: waiting === 0 },
    ...tallies.map(({ port, violations }) => ({
      what: `${port}: ${violations.length} violations ${violations[0] ?? ''}`,
      isMet: violations.length === 0,
    })),
    ...vitals.flatMap(({ name, before, after }) => [
      {
        what: `${name}: heap ${mebibytes(before.heapBytes)} → ${mebibytes(after.heapBytes)}, buffers ${mebibytes(before.externalBytes)} → ${mebibytes(after.externalBytes)}`,
        isMet: after.heapBytes + after.externalBytes - before.heapBytes - before.externalBytes < heapBytes,
      },
      {
        what: `${name}: memory ${mebibytes(before.rssBytes)} → ${mebibytes(after.rssBytes)}`,
        isMet: after.rssBytes - before.rssBytes < rssBytes,
      },
      { what: `${name}: ${before.descriptors} → ${after.descriptors} files and sockets`, isMet: after.descriptors <= before.descriptors },
      { what: `${name}: longest turn ${after.longestTurnMs.toFixed(0)} ms`, isMet: after.longestTurnMs < turnMs },
    ]),
  ]
}
