/** Logins as rows; a registry's whole has the empty path prefix. */
import type {LoginKey, LoginRecord, LoginStore} from '../store.ts'
import type {Parameters, Row} from './connection.ts'
import type {Database} from './database.ts'

/** A login that is saved again is the newest again, so it gets a new id. */
const SAVE = `
  INSERT OR REPLACE INTO login (registry, path_prefix, account, kind, logged_in_at, expires_at)
  VALUES (:registry, :path_prefix, :account, :kind, :logged_in_at, :expires_at)`

/** The logins of one database. */
export function createLoginStore(database: Database): LoginStore {
  return {
    async saveLogin(login) {
      await database.run(SAVE, {...keyOf(login), kind: login.kind, logged_in_at: login.loggedInAt, expires_at: login.expiresAt ?? null})
    },
    async listLogins(registry) {
      const rows =
        registry === undefined
          ? await database.all('SELECT * FROM login ORDER BY logged_in_at DESC, id DESC')
          : await database.all('SELECT * FROM login WHERE registry = :registry ORDER BY logged_in_at DESC, id DESC', {registry})
      return rows.map(decode)
    },
    async removeLogin(key) {
      return (
        (await database.remove(
          'DELETE FROM login WHERE registry = :registry AND path_prefix = :path_prefix AND account = :account',
          keyOf(key),
        )) > 0
      )
    },
  }
}

function keyOf({registry, pathPrefix, account}: LoginKey): Parameters {
  return {registry, path_prefix: pathPrefix ?? '', account}
}

/** The columns are written by `saveLogin` alone, so they are what the record says. */
function decode(row: Row): LoginRecord {
  return {
    registry: row.registry,
    ...(row.path_prefix === '' ? {} : {pathPrefix: row.path_prefix}),
    account: row.account,
    kind: row.kind,
    loggedInAt: row.logged_in_at,
    ...(row.expires_at === null ? {} : {expiresAt: row.expires_at}),
  } as LoginRecord
}
