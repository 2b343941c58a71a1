/** Warns of tags that an interrupted deletion of this machine left on the empty image. */
import {HoldfastError} from '../core/errors.ts'
import {text} from '../core/terminal-text.ts'
import {formatReference, type Reference} from '../oci/reference.ts'
import type {Context} from './context.ts'
import {tagDeletions} from './data-directory.ts'
import type {Output} from './output.ts'

/** A tag that was met, and what it names now. */
export interface MetTag {
  readonly reference: Reference
  readonly digest: string
}

/** Warns of each that is on the empty image of a deletion that has begun, with the commands that finish it and take it back. */
export async function warnOfHalfDeleted(met: readonly MetTag[], {dataDirectory}: Context, output: Output): Promise<void> {
  const {createDeletionJournal} = await import('../tags/deletion-journal.ts')
  const journal = createDeletionJournal(tagDeletions(dataDirectory))
  const tagged = met.flatMap(({reference: {registry, repository, tag}, digest}) =>
    tag === undefined ? [] : [[formatReference({registry, repository, tag}), digest] as const],
  )
  const digests = new Map(tagged)
  for (const name of await journal.mayHave([...digests.keys()])) {
    try {
      const pending = await journal.find(name)
      if (pending === undefined || pending.placeholder !== digests.get(name)) continue
      const repository = name.slice(0, name.lastIndexOf(':'))
      output.warn(
        text`${name} names an empty image, since its deletion was cut off: "holdfast tag delete ${name}" finishes it, "holdfast copy ${repository}@${pending.original.digest} ${name}" takes it back`,
      )
    } catch (error) {
      // What the command was asked for does not need the journal.
      if (!(error instanceof HoldfastError)) throw error
      output.warn(text`whether the deletion of ${name} was cut off cannot be told: ${error.message}`)
    }
  }
}
