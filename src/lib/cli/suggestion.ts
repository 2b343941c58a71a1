/** "Did you mean": the known word that is nearest to a mistyped one. */

/** More edits than this share of the word are another word. */
const MAX_EDITS_SHARE = 0.4

/** The candidate that the word begins, else the one with the fewest edits when they are few for its length. */
export function suggest(typed: string, candidates: readonly string[]): string | undefined {
  const begun = candidates.find((candidate) => candidate.startsWith(typed.toLowerCase()))
  if (begun !== undefined) return begun
  const ranked = candidates
    .map((candidate) => ({candidate, edits: editDistance(typed.toLowerCase(), candidate)}))
    .filter(({candidate, edits}) => edits <= Math.max(1, Math.floor(candidate.length * MAX_EDITS_SHARE)))
    .sort((a, b) => a.edits - b.edits)
  return ranked[0]?.candidate
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
export function editDistance(from: string, to: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({length: to.length + 1}, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1)
      const isSwap = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      const swapped = isSwap ? (beforePrevious[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY
      current.push(Math.min((previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, replaced, swapped))
    }
    beforePrevious = previous
    previous = current
  }
  return previous[to.length] ?? 0
}
