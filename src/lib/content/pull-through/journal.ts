/**
 * What a mirror has to remember across a restart: what tags resolved to whose images are not complete yet, and images that are being completed. One small file for each
 * repository, replaced as a whole. It is a memory aid: without it the next pull tells the same again.
 */
import {createHash, randomUUID} from 'node:crypto'
import {rm} from 'node:fs/promises'
import {join} from 'node:path'
import {makeDirectory} from '../../core/make-directory.ts'
import {readRegularFile} from '../../core/regular-file.ts'
import {type Digest, isDigest} from '../../oci/digest.ts'
import {isRepositoryName, isTag, type RepositoryName, type Tag} from '../../oci/reference.ts'
import {writeDurably} from '../disk/durable.ts'
import {namesIn} from '../disk/names-in.ts'

const MAX_FILE_BYTES = 1024 * 1024
const EXTENSION = '.json'

/** Of one repository. */
interface JournalEntry {
  /** What each tag, or digest that is to be kept, has named, the newest last. */
  readonly resolved: readonly (readonly [Tag | Digest, readonly Digest[]])[]
  /** Manifests of images whose missing parts are to be fetched. */
  readonly incomplete: readonly Digest[]
}

export interface Journal {
  load(): Promise<ReadonlyMap<RepositoryName, JournalEntry>>
  /** Replaces what is remembered of a repository. */
  save(repository: RepositoryName, entry: JournalEntry): Promise<void>
}

/** A journal in a folder, which is made by the first entry. */
export function createJournal(directory: string): Journal {
  const pathOf = (repository: RepositoryName): string =>
    join(directory, `${createHash('sha256').update(repository).digest('hex')}${EXTENSION}`)
  return {
    async load() {
      const found = new Map<RepositoryName, JournalEntry>()
      for (const name of await namesIn(directory)) {
        if (!name.endsWith(EXTENSION)) continue
        const decoded = await readEntry(join(directory, name))
        if (decoded !== undefined) found.set(...decoded)
      }
      return found
    },
    async save(repository, entry) {
      if (entry.resolved.length === 0 && entry.incomplete.length === 0) return await rm(pathOf(repository), {force: true})
      await makeDirectory(directory)
      await writeDurably(pathOf(repository), join(directory, `${randomUUID()}.new`), JSON.stringify({repository, ...entry}))
    },
  }
}

/** Undefined for a file that says nothing we know, as after a power failure. */
async function readEntry(path: string): Promise<[RepositoryName, JournalEntry] | undefined> {
  let json: {readonly repository?: unknown; readonly resolved?: unknown; readonly incomplete?: unknown} | null
  try {
    json = JSON.parse((await readRegularFile(path, {maxBytes: MAX_FILE_BYTES})).toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof json !== 'object' || json === null) return undefined
  const {repository, resolved, incomplete} = json
  if (typeof repository !== 'string' || !isRepositoryName(repository)) return undefined
  return [repository, {resolved: listOf(resolved).flatMap(decodeResolved), incomplete: digestsOf(incomplete)}]
}

function decodeResolved(value: unknown): JournalEntry['resolved'] {
  const [reference, digests] = listOf(value)
  if (typeof reference !== 'string' || (!isTag(reference) && !isDigest(reference))) return []
  const named = digestsOf(digests)
  return named.length === 0 ? [] : [[reference, named]]
}

function digestsOf(value: unknown): readonly Digest[] {
  return listOf(value).filter((one): one is Digest => typeof one === 'string' && isDigest(one))
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
