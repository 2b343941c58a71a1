/** What a tag named before it was moved to be deleted: written down first, so that the next run can finish after a crash. */
import {createHash} from 'node:crypto'
import {readdir, rm} from 'node:fs/promises'
import {basename, join} from 'node:path'
import {writeFileAtomically} from '../core/atomic-file.ts'
import {hasErrno} from '../core/errno.ts'
import {HoldfastError} from '../core/errors.ts'
import {readRegularFile, unreadableFile} from '../core/regular-file.ts'
import {shellCommand} from '../core/shell.ts'
import {type Digest, digestAlgorithm, parseDigest} from '../oci/digest.ts'
import {createRawManifest, MAX_MANIFEST_BYTES, type RawManifest, verifyManifest} from '../oci/manifest.ts'

const PRIVATE_FILE = 0o600
/** A manifest in Base64, and the rest. */
const MAX_ENTRY_BYTES = 2 * MAX_MANIFEST_BYTES

/** A deletion that has begun. */
export interface PendingDeletion {
  /** What the tag named. */
  readonly original: RawManifest
  /** What it is moved to. */
  readonly placeholder: Digest
}

/** Deletions by `registry/repository:tag`. */
export interface DeletionJournal {
  /** @throws {HoldfastError} CONFIGURATION when it cannot be read. */
  find(name: string): Promise<PendingDeletion | undefined>
  /** Returns those of the names that may have an entry, from one look at what there is. */
  mayHave<Name extends string>(names: readonly Name[]): Promise<readonly Name[]>
  /** Is on the disk when it returns. @throws {HoldfastError} STORAGE */
  write(name: string, pending: PendingDeletion): Promise<void>
  remove(name: string): Promise<void>
}

/** A journal with a file for each deletion in `directory`, which need not exist. */
export function createDeletionJournal(directory: string): DeletionJournal {
  const fileOf = (name: string): string => join(directory, `${createHash('sha256').update(name).digest('hex')}.json`)
  return {
    async find(name) {
      const file = fileOf(name)
      try {
        return decode((await readRegularFile(file, {maxBytes: MAX_ENTRY_BYTES})).toString('utf8'), file)
      } catch (error) {
        if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
        throw unreadableFile(file, error)
      }
    },
    async mayHave(names) {
      const files = new Set(await readdir(directory).catch(noEntries))
      return files.size === 0 ? [] : names.filter((name) => files.has(basename(fileOf(name))))
    },
    async write(name, {original, placeholder}) {
      const {mediaType, digest, bytes} = original
      const entry = {name, placeholder, mediaType, digest, manifest: Buffer.from(bytes).toString('base64')}
      await writeFileAtomically(fileOf(name), JSON.stringify(entry), PRIVATE_FILE)
    },
    remove: (name) => rm(fileOf(name), {force: true}),
  }
}

function noEntries(error: unknown): readonly string[] {
  if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return []
  throw error
}

function decode(text: string, file: string): PendingDeletion {
  try {
    const {mediaType, digest, manifest, placeholder}: Record<'mediaType' | 'digest' | 'manifest' | 'placeholder', string> = JSON.parse(text)
    const expected = parseDigest(digest)
    const raw = createRawManifest(mediaType, Buffer.from(manifest, 'base64'), digestAlgorithm(expected))
    return {original: verifyManifest(raw, expected), placeholder: parseDigest(placeholder)}
  } catch (cause) {
    throw new HoldfastError('CONFIGURATION', `cannot read "${file}": it is damaged, or of a newer Holdfast`, {
      hints: [shellCommand`rm ${file}`],
      cause,
    })
  }
}
