/** Opens a collector's database: a file of this machine, or PostgreSQL for several replicas. */
import {Socket} from 'node:net'
import type {DatabaseSync, SQLInputValue} from 'node:sqlite'
import {type Dialect, Kysely, PostgresDialect, type SqliteDatabase, SqliteDialect} from 'kysely'
import {Migrator} from 'kysely/migration'
import {HoldfastError} from '../../core/errors.ts'
import {excerpt} from '../../core/redaction.ts'
import {settlesWithin} from '../../core/settle-within.ts'
import {shellCommand} from '../../core/shell.ts'
import {createBusyRetry} from '../../records/sqlite/busy-retry.ts'
import {openConnection} from '../../records/sqlite/connection.ts'
import {databaseFailure, isUnavailable} from '../../records/sqlite/failure.ts'
import type {CollectorStore} from '../store.ts'
import {migrations} from './migrations.ts'
import {namingOutages} from './outage.ts'
import {SEARCH_LIMITS, type SearchLimits} from './search.ts'
import {createSqlStore} from './store.ts'
import type {Tables} from './tables.ts'

/** Where the database is. */
export type DatabaseLocation = {readonly file: string} | {readonly postgresUrl: string}

const MAX_CONNECTIONS = 10
const CONNECT_TIMEOUT_MS = 5_000
/** How long queries under way may take when the store is closed, and again when their connections were cut. */
const CLOSE_TIMEOUT_MS = 3_000

/**
 * Opens the store with the newest schema; the signal gives that up.
 * @throws {HoldfastError} CONFIGURATION when the database is damaged or of a newer Holdfast; STORAGE when it cannot be reached or written.
 */
export async function openCollectorStore(
  location: DatabaseLocation,
  signal?: AbortSignal,
  limits: SearchLimits = SEARCH_LIMITS,
): Promise<CollectorStore> {
  const dialect = 'file' in location ? 'sqlite' : 'postgres'
  const name = 'file' in location ? location.file : 'PostgreSQL'
  signal?.throwIfAborted()
  const {kyselyDialect, alone, cut} = 'file' in location ? await openSqlite(location.file) : await openPostgres(location.postgresUrl)
  const database = new Kysely<Tables>({dialect: kyselyDialect})
  const migrator = new Migrator({db: database, provider: {getMigrations: async () => ({...migrations(dialect)})}})
  // A connection that is in use is waited for, and its server may never answer.
  const close = async (): Promise<void> => {
    const closed = database.destroy()
    if (!(await settlesWithin(closed, CLOSE_TIMEOUT_MS))) cut()
    await settlesWithin(closed, CLOSE_TIMEOUT_MS)
  }
  signal?.addEventListener('abort', cut, {once: true})
  try {
    await alone(async () => {
      const {error} = await migrator.migrateToLatest()
      if (error !== undefined) throw error
    })
    signal?.throwIfAborted()
  } catch (error) {
    await close()
    throw signal?.aborted ? signal.reason : unusable(location, error)
  } finally {
    signal?.removeEventListener('abort', cut)
  }
  return {...namingOutages(createSqlStore(database, dialect, limits), name), close}
}

interface OpenDatabase {
  readonly kyselyDialect: Dialect
  /** Does the work while no other process changes the schema. */
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>
  /** Ends every connection, whatever it is waiting for. */
  readonly cut: () => void
}

function nameOf(location: DatabaseLocation): string {
  return 'file' in location ? location.file : 'PostgreSQL'
}

/** As `psql` takes it. */
function databaseName(location: DatabaseLocation): string {
  return 'file' in location ? '' : decodeURIComponent(new URL(location.postgresUrl).pathname.slice(1))
}

/** SQLSTATE of a right that is missing, of a file of an extension that is not there, and of a feature that is not. */
const NO_EXTENSION = ['42501', '58P01', '0A000']

function unusable(location: DatabaseLocation, cause: unknown): HoldfastError {
  const name = nameOf(location)
  if (cause instanceof HoldfastError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  if (/corrupted migrations|previously executed migration/.test(reason)) {
    return new HoldfastError('CONFIGURATION', `cannot open "${name}": a newer Holdfast has written it`, {
      hints: ['install the newer Holdfast that wrote it'],
      cause,
    })
  }
  if (cause instanceof Error && /pg_trgm/.test(reason) && 'code' in cause && NO_EXTENSION.includes(String(cause.code))) {
    return new HoldfastError(
      'CONFIGURATION',
      `cannot open "${name}": search takes the extension pg_trgm, which this account cannot create: ${excerpt(reason)}`,
      {
        hints: [
          `${shellCommand`sudo -u postgres psql --dbname ${databaseName(location)} --command ${'CREATE EXTENSION pg_trgm'}`}   # once, by an administrator of PostgreSQL`,
        ],
        cause,
      },
    )
  }
  return new HoldfastError('STORAGE', `cannot open "${name}": ${reason}`, {cause})
}

async function openSqlite(file: string): Promise<OpenDatabase> {
  const connection = await openConnection(file)
  connection.exec('PRAGMA foreign_keys = ON')
  const retry = createBusyRetry(connection)
  const guard = <T>(work: () => T): T => {
    try {
      return retry(work)
    } catch (error) {
      throw isUnavailable(error) ? databaseFailure('write', file, error) : error
    }
  }
  return {
    cut: () => {},
    kyselyDialect: new SqliteDialect({database: adapt(connection, guard)}),
    // kysely's own lock is none in SQLite, where changes of the schema are part of a transaction as everything else.
    async alone(work) {
      guard(() => connection.exec('BEGIN IMMEDIATE'))
      try {
        const result = await work()
        connection.exec('COMMIT')
        return result
      } catch (error) {
        if (connection.isTransaction) connection.exec('ROLLBACK')
        throw error
      }
    },
  }
}

const NOTHING_DONE = {changes: 0, lastInsertRowid: 0}

/** What kysely wants of a driver, over Node's. */
function adapt(connection: DatabaseSync, guard: <T>(work: () => T) => T): SqliteDatabase {
  const values = (parameters: readonly unknown[]): SQLInputValue[] => parameters.map(toInput)
  return {
    close: () => connection.close(),
    prepare(statement) {
      // The write lock is taken at the start, so that it cannot be lost half-way.
      const prepared = connection.prepare(statement === 'begin' ? 'begin immediate' : statement)
      return {
        reader: prepared.columns().length > 0,
        all: (parameters) => guard(() => prepared.all(...values(parameters))),
        // A full disk ends the transaction by itself; what it says must not be lost behind a second failure.
        run: (parameters) =>
          statement === 'rollback' && !connection.isTransaction ? NOTHING_DONE : guard(() => prepared.run(...values(parameters))),
        iterate: (parameters) => prepared.iterate(...values(parameters)),
      }
    },
  }
}

function toInput(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return value
  throw new TypeError(`cannot store a value of type ${typeof value}`)
}

async function openPostgres(url: string): Promise<OpenDatabase> {
  const {default: pg} = await import('pg')
  const sockets = new Set<Socket>()
  const openSocket = (): Socket => {
    const socket = new Socket()
    sockets.add(socket)
    return socket.once('close', () => sockets.delete(socket))
  }
  const pool = new pg.Pool({
    connectionString: url,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    stream: openSocket,
  })
  // A connection that breaks while idle is replaced at the next query; one that breaks between two queries of a transaction fails the second.
  pool.on('error', () => {})
  pool.on('connect', (client) => void client.on('error', () => {}))
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {kyselyDialect: new PostgresDialect({pool}), alone: (work) => work(), cut}
}
