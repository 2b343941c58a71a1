/**
 * What was changed in files of docker and podman, so that it can be taken back to the byte: the pieces of text around `credHelpers` that were put in and taken out,
 * and a digest of the file as it was left. Holds nothing else of a file, and no secret.
 */
import {createHash} from 'node:crypto'
import {writeFileAtomically} from '../../core/atomic-file.ts'
import {HoldfastError} from '../../core/errors.ts'
import {readRegularFile} from '../../core/regular-file.ts'
import {shellCommand} from '../../core/shell.ts'
import type {TextPatch} from './json-members.ts'

const PRIVATE_FILE = 0o600
/** Of the format of the journal. */
const VERSION = 1
/** Real ones have a few kilobytes. */
const MAX_JOURNAL_BYTES = 16 * 1024 * 1024

/** One run of `configure-docker`. */
export interface RecordedChange {
  /** Behind all symbolic links. */
  readonly path: string
  /** SHA-256 of the file afterwards, in hex. */
  readonly sha256: string
  /** The file was not there. */
  readonly wasAbsent: boolean
  /** There was no `credHelpers`. */
  readonly addedMember: boolean
  /** By registry, as the file calls it: the helper it had before; null for none. */
  readonly previous: Readonly<Record<string, string | null>>
  readonly patches: readonly TextPatch[]
}

export interface Journal {
  /** Oldest first. */
  read(): Promise<readonly RecordedChange[]>
  write(changes: readonly RecordedChange[]): Promise<void>
}

/** A journal in a file of the data directory. */
export function createFileJournal(file: string): Journal {
  return {
    /** @throws {HoldfastError} CONFIGURATION when the file is damaged. */
    async read() {
      let text: string
      try {
        text = (await readRegularFile(file, {maxBytes: MAX_JOURNAL_BYTES})).toString('utf8')
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
        throw damaged(file, error)
      }
      return decode(text, file)
    },
    write: (changes) => writeFileAtomically(file, `${JSON.stringify({version: VERSION, changes}, undefined, 2)}\n`, PRIVATE_FILE),
  }
}

/** What `RecordedChange.sha256` is of. */
export function digestText(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function decode(text: string, file: string): readonly RecordedChange[] {
  try {
    const journal: {readonly version: number; readonly changes: readonly RecordedChange[]} = JSON.parse(text)
    if (journal.version === VERSION && Array.isArray(journal.changes)) return journal.changes
  } catch (error) {
    throw damaged(file, error)
  }
  throw damaged(file, undefined)
}

function damaged(file: string, cause: unknown): HoldfastError {
  return new HoldfastError('CONFIGURATION', `cannot read "${file}": it is damaged, or of a newer Holdfast`, {
    hints: [shellCommand`rm ${file}`],
    cause,
  })
}
