/** The index of one registry in memory: a whole implementation of what sweeps and events want of it. */
import type {Attachment} from '../../src/lib/discovery/attachment-tag.ts'
import type {KnownTag, Purged, Sighting, SweepIndex} from '../../src/lib/discovery/sweep-ports.ts'
import type {IndexChange} from '../../src/lib/events/index-changes.ts'
import type {EventIndex} from '../../src/lib/events/record-events.ts'
import type {Tag} from '../../src/lib/oci/reference.ts'

interface TagRow {
  digest: string
  attachment: Attachment | undefined
  seenAt: string
  learntAt: string
}

interface RepositoryRow {
  seenAt: string
  pulls: number
  readonly tags: Map<Tag, TagRow>
}

export class MemoryIndex implements SweepIndex, EventIndex {
  readonly repositories = new Map<string, RepositoryRow>()
  readonly purges: string[] = []
  readonly changes: IndexChange[] = []
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** `repository:tag` to digest, sorted; a repository without tags is there under its own name. */
  get content(): Readonly<Record<string, string>> {
    const rows = [...this.repositories].flatMap(([name, {tags}]): [string, string][] =>
      tags.size === 0 ? [[name, '']] : [...tags].map(([tag, {digest}]) => [`${name}:${tag}`, digest]),
    )
    return Object.fromEntries(rows.sort(([one], [other]) => (one < other ? -1 : 1)))
  }

  attachment(repository: string, tag: string): Attachment | undefined {
    return this.repositories.get(repository)?.tags.get(tag as Tag)?.attachment
  }

  async knownTags(repository: string): Promise<readonly KnownTag[]> {
    return [...(this.repositories.get(repository)?.tags ?? [])].map(([tag, {learntAt}]) => ({tag, learntAt}))
  }

  async note({repository, seenAt, learnt, present}: Sighting): Promise<void> {
    const row = this.#see(repository, seenAt)
    for (const {tag, digest, attachment, askedAt} of learnt) {
      const known = row.tags.get(tag)
      if (known !== undefined && known.learntAt > askedAt) known.seenAt = seenAt
      else row.tags.set(tag, {digest, attachment, seenAt, learntAt: askedAt})
    }
    for (const tag of present) {
      const known = row.tags.get(tag)
      if (known !== undefined) known.seenAt = seenAt
    }
  }

  async purge(before: string): Promise<Purged> {
    this.purges.push(before)
    const purged = {repositories: 0, tags: 0}
    for (const [name, {seenAt, tags}] of this.repositories) {
      for (const [tag, row] of tags) if (row.seenAt < before && tags.delete(tag)) purged.tags++
      if (seenAt < before && this.repositories.delete(name)) purged.repositories++
    }
    return purged
  }

  async apply(_registry: string, changes: readonly IndexChange[]): Promise<void> {
    this.changes.push(...changes)
    const at = new Date(this.#now()).toISOString()
    for (const change of changes) {
      const known = this.repositories.get(change.repository)
      if (change.kind === 'tag-set')
        this.#see(change.repository, at).tags.set(change.tag, {
          digest: change.digest,
          attachment: undefined,
          seenAt: at,
          learntAt: at,
        })
      else if (change.kind === 'tag-deleted') known?.tags.delete(change.tag)
      else if (change.kind === 'pulled' && known !== undefined) known.pulls++
      else if (change.kind === 'manifest-deleted')
        for (const [tag, {digest}] of known?.tags ?? []) if (digest === change.digest) known?.tags.delete(tag)
    }
  }

  #see(repository: string, at: string): RepositoryRow {
    const row = this.repositories.get(repository) ?? {seenAt: at, pulls: 0, tags: new Map<Tag, TagRow>()}
    if (row.seenAt < at) row.seenAt = at
    this.repositories.set(repository, row)
    return row
  }
}
