/** The embedded database as a whole: opened when something is first asked of it, and made when something is first written. */
import {statSync} from 'node:fs'
import {hasErrno} from '../../core/errno.ts'
import type {HoldfastError} from '../../core/errors.ts'
import {type Connection, openMigrated, type Parameters, type Row} from './connection.ts'
import {databaseFailure} from './failure.ts'

export interface DatabaseOptions {
  readonly file: string
  /** Told once of a folder that this user may not look into. That, and a file in place of a folder, is then a place without a database; absent: an error. */
  readonly onDenied?: ((error: HoldfastError) => void) | undefined
}

/**
 * Where no file is, there are no rows. Every method throws {HoldfastError} CONFIGURATION for a damaged file or one of a newer schema, and STORAGE for a disk or
 * lock that is in the way.
 */
export class Database {
  readonly #options: DatabaseOptions
  #connection: Connection | undefined
  #opening: Promise<Connection> | undefined
  #isClosed = false
  #isDenialTold = false

  constructor(options: DatabaseOptions) {
    this.#options = options
  }

  /** Opens the file where there is one. */
  async openExisting(): Promise<Connection | undefined> {
    return this.#connection ?? (this.#exists() ? await this.#open() : undefined)
  }

  /** The first row. */
  async get(sql: string, parameters?: Parameters): Promise<Row | undefined> {
    return (await this.openExisting())?.get(sql, parameters)
  }

  /** Every row. */
  async all(sql: string, parameters?: Parameters): Promise<readonly Row[]> {
    return (await this.openExisting())?.all(sql, parameters) ?? []
  }

  /** Writes; returns how many rows changed. */
  async run(sql: string, parameters?: Parameters): Promise<number> {
    return (await this.#open()).run(sql, parameters)
  }

  /** Removes; returns how many rows there were. */
  async remove(sql: string, parameters?: Parameters): Promise<number> {
    return (await this.openExisting())?.run(sql, parameters) ?? 0
  }

  /** Does all of `work` or nothing. */
  async transaction(work: (connection: Connection) => void): Promise<void> {
    const connection = await this.#open()
    connection.transaction(() => work(connection))
  }

  close(): void {
    this.#isClosed = true
    this.#connection?.close()
  }

  async #open(): Promise<Connection> {
    if (this.#connection !== undefined) return this.#connection
    this.#opening ??= openMigrated(this.#options.file).finally(() => {
      this.#opening = undefined
    })
    this.#connection = await this.#opening
    if (this.#isClosed) this.#connection.close()
    return this.#connection
  }

  #exists(): boolean {
    const {file, onDenied} = this.#options
    try {
      statSync(file)
      return true
    } catch (cause) {
      if (hasErrno(cause, 'ENOENT')) return false
      const error = databaseFailure('open', file, cause)
      if (onDenied === undefined || !hasErrno(cause, 'EACCES', 'ENOTDIR')) throw error
      if (hasErrno(cause, 'EACCES') && !this.#isDenialTold) {
        onDenied(error)
        this.#isDenialTold = true
      }
      return false
    }
  }
}
