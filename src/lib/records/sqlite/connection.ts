/** One connection to the embedded database: opened for several processes, statements kept, errors made ours. */
import {existsSync} from 'node:fs'
import {dirname} from 'node:path'
import type {DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync} from 'node:sqlite'
import {setTimeout as sleep} from 'node:timers/promises'
import {pathToFileURL} from 'node:url'
import {hasErrno} from '../../core/errno.ts'
import {type BusyRetry, createBusyRetry} from './busy-retry.ts'
import {databaseFailure, isBusy, isUnwritable} from './failure.ts'
import {BUSY_TIMEOUT_MS, LOCK_RETRY_MS, LOCK_TIMEOUT_MS} from './limits.ts'
import {migrate} from './schema.ts'

const PRIVATE_FILE = 0o600
const PRIVATE_DIRECTORY = 0o700

export type Row = Record<string, SQLOutputValue>
export type Parameters = Record<string, SQLInputValue>

/** A connection; every method throws {HoldfastError} CONFIGURATION for a damaged file and STORAGE for a disk or lock that is in the way. */
export class Connection {
  readonly #connection: DatabaseSync
  readonly #file: string
  readonly #retry: BusyRetry
  readonly #statements = new Map<string, StatementSync>()

  constructor(connection: DatabaseSync, file: string, retry: BusyRetry) {
    this.#connection = connection
    this.#file = file
    this.#retry = retry
  }

  /** The first row. */
  get(sql: string, parameters: Parameters = {}): Row | undefined {
    return this.#guard('read', () => this.#prepare(sql).get(parameters))
  }

  /** Every row. */
  all(sql: string, parameters: Parameters = {}): Row[] {
    return this.#guard('read', () => this.#prepare(sql).all(parameters))
  }

  /** Writes; answers how many rows changed. */
  run(sql: string, parameters: Parameters = {}): number {
    return this.#guard('write', () => this.#retry(() => Number(this.#prepare(sql).run(parameters).changes)))
  }

  /** Does all of `work` or nothing; the write lock is taken first, so that it cannot be lost half-way. */
  transaction(work: () => void): void {
    this.#guard('write', () => {
      this.#retry(() => this.#connection.exec('BEGIN IMMEDIATE'))
      try {
        work()
        this.#connection.exec('COMMIT')
      } catch (error) {
        if (this.#connection.isTransaction) this.#connection.exec('ROLLBACK')
        throw error
      }
    })
  }

  close(): void {
    if (this.#connection.isOpen) this.#connection.close()
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#connection.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  #guard<T>(verb: 'read' | 'write', work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw databaseFailure(verb, this.#file, error)
    }
  }
}

/**
 * Opens or makes the database file, readable by its owner only, with the newest schema. Committed rows survive a crash of the machine (`synchronous=FULL`).
 * A file that this user may not write is opened for reading: only writes to it fail.
 * @throws {HoldfastError} CONFIGURATION when the file is no database or of a newer schema; STORAGE when it cannot be made or read.
 */
export async function openMigrated(file: string): Promise<Connection> {
  const connection = await openConnection(file).catch((error: unknown) => openForReading(file, error))
  try {
    const retry = createBusyRetry(connection)
    retry(() => migrate(connection, file))
    return new Connection(connection, file, retry)
  } catch (error) {
    connection.close()
    throw databaseFailure('open', file, error)
  }
}

/** Beside an open write-ahead log a file is read as usual; without one SQLite would have to make it, so the file is taken as it is. */
async function openForReading(file: string, failure: unknown): Promise<DatabaseSync> {
  if (!isUnwritable(failure) || !existsSync(file)) throw failure
  const {DatabaseSync} = await import('node:sqlite')
  const asItIs = pathToFileURL(file)
  asItIs.searchParams.set('immutable', '1')
  let connection: DatabaseSync | undefined
  try {
    connection = new DatabaseSync(existsSync(`${file}-wal`) ? file : asItIs, {readOnly: true, timeout: BUSY_TIMEOUT_MS})
    connection.prepare('SELECT 1 FROM sqlite_schema').get()
    return connection
  } catch {
    connection?.close()
    throw failure
  }
}

/**
 * Opens or makes a database file for several processes; its schema is the caller's.
 * @throws {HoldfastError} CONFIGURATION when the file is no database; STORAGE when it cannot be made or written.
 */
export async function openConnection(file: string): Promise<DatabaseSync> {
  let connection: DatabaseSync | undefined
  try {
    await makePrivateFile(file)
    const {DatabaseSync} = await import('node:sqlite')
    connection = new DatabaseSync(file, {timeout: BUSY_TIMEOUT_MS})
    await useWriteAheadLog(connection)
    connection.exec('PRAGMA synchronous = FULL')
    return connection
  } catch (error) {
    connection?.close()
    throw databaseFailure('open', file, error)
  }
}

/** SQLite gives its `-wal` and `-shm` files the mode of the database. An existing file is not opened here: closing it again would drop SQLite's locks on it. */
async function makePrivateFile(file: string): Promise<void> {
  // The usual case; the first asynchronous call costs a short-lived program more than everything else here.
  if (existsSync(file)) return
  const [{open}, {makeDirectory}] = await Promise.all([import('node:fs/promises'), import('../../core/make-directory.ts')])
  await makeDirectory(dirname(file), {mode: PRIVATE_DIRECTORY})
  try {
    const handle = await open(file, 'wx', PRIVATE_FILE)
    await handle.close()
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error
  }
}

/** The change to a write-ahead log needs the file to itself and does not wait for its turn, so processes that start together take turns here. */
async function useWriteAheadLog(connection: DatabaseSync): Promise<void> {
  const deadline = performance.now() + LOCK_TIMEOUT_MS
  for (;;) {
    try {
      connection.exec('PRAGMA journal_mode = WAL')
      return
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error
      await sleep(LOCK_RETRY_MS)
    }
  }
}
