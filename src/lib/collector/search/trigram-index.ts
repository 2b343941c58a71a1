/**
 * Finds texts that contain a term. The trigrams of the term lead to few candidates, which are then looked at; terms of one or two characters look at all.
 * Memory: about 4 bytes for each distinct trigram of each text.
 */

const TRIGRAM_LENGTH = 3

export class TrigramIndex {
  /** By position. */
  readonly #texts: string[] = []
  readonly #postings = new Map<string, number[]>()

  /** Adds a text, in lower case, and answers its position. */
  add(text: string): number {
    const position = this.#texts.length
    const lower = text.toLowerCase()
    this.#texts.push(lower)
    for (const trigram of trigramsOf(lower)) {
      const posting = this.#postings.get(trigram)
      if (posting === undefined) this.#postings.set(trigram, [position])
      else posting.push(position)
    }
    return position
  }

  /** Positions of the texts that contain the term, whatever the case, in their order. */
  find(term: string): readonly number[] {
    const lower = term.toLowerCase()
    const found: number[] = []
    const look = (position: number): void => {
      if (this.#texts[position]?.includes(lower)) found.push(position)
    }
    if (lower.length < TRIGRAM_LENGTH) for (let position = 0; position < this.#texts.length; position++) look(position)
    else for (const position of this.#rarest(lower)) look(position)
    return found
  }

  /** The shortest list of candidates that a trigram of the term has. */
  #rarest(lower: string): readonly number[] {
    let rarest: readonly number[] | undefined
    for (const trigram of trigramsOf(lower)) {
      const posting = this.#postings.get(trigram) ?? []
      if (rarest === undefined || posting.length < rarest.length) rarest = posting
      if (rarest.length === 0) break
    }
    return rarest ?? []
  }
}

function trigramsOf(text: string): ReadonlySet<string> {
  const trigrams = new Set<string>()
  for (let start = 0; start + TRIGRAM_LENGTH <= text.length; start++) trigrams.add(text.slice(start, start + TRIGRAM_LENGTH))
  return trigrams
}
