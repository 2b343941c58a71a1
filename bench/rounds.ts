/** Runs the contestants of a scenario in rounds, so that what disturbs the machine disturbs all of them. */
import {type Contestant, OURS, type Sample, type Scenario} from './scenario.ts'

export interface Result {
  readonly contestant: string
  /** One for each round, in order. */
  readonly samples: readonly Sample[]
}

/**
 * Runs every contestant once without counting it, then `runs` rounds; who begins changes from round to round.
 * `onSample` is called before each run and may throw to stop. A peer that fails is left out and named in `dropped`; Holdfast and its rival must not fail.
 */
export async function runRounds(
  scenario: Scenario,
  runs: number,
  onSample: (contestant: string, round: number) => void,
): Promise<{readonly results: readonly Result[]; readonly dropped: readonly string[]}> {
  const dropped: string[] = []
  const contestants: {readonly contestant: Contestant; readonly samples: Sample[]}[] = []
  for (const contestant of scenario.contestants) {
    onSample(contestant.name, 0)
    try {
      await contestant.sample()
      contestants.push({contestant, samples: []})
    } catch (error) {
      if (contestant.name === OURS || contestant.name === scenario.rival) throw error
      dropped.push(`${contestant.name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  for (let round = 1; round <= runs; round++) {
    const first = round % contestants.length
    for (const {contestant, samples} of [...contestants.slice(first), ...contestants.slice(0, first)]) {
      onSample(contestant.name, round)
      samples.push(await contestant.sample())
    }
  }
  return {results: contestants.map(({contestant, samples}) => ({contestant: contestant.name, samples})), dropped}
}
