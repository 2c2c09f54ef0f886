/** Ways to build it wrong, each of which the simulation has to notice. `none` is the product. */
export const flaws = {
  addsAsItComes: 'partial sums are added in the order in which they arrive, not up the tree',
  countsTwice: 'a partial whose micro-batches are there already is added once more',
  takesOldEpochs: 'partials of an older plan of the step are taken',
  acceptsOldMemberships: 'a worker takes packets that were meant for an earlier membership of it',
  deliversTwice: 'the channel hands over a message again that came twice',
  commitsUnwritten: 'a commit counts before the journal has it',
  appendsBlindly: 'the journal does not compare before it appends',
  leadsBlindly: 'the record of who leads is written without comparing revisions',
  trustsItsRole: 'a leader goes on though its lease may have run out, and ignores that it is deposed',
  measuresTwice: 'a measurement by a worker that was given up is written down too',
  trustsNewcomers: 'nobody compares the digests that a newcomer tells',
  ignoresAudits: 'a step is released though two workers have different sums',
  blamesTheFirst: 'in a dispute the first of the two is taken to be wrong',
  forgetsToRewind: 'steps that may differ are repeated without saying so in the journal',
  keepsDeadOwners: 'a part of a worker that has died is not given to others',
  misleadsLoaders: 'a direction reaches a worker that waits for a state and still holds the version before it',
} as const

export type Flaw = keyof typeof flaws | 'none'
