/** Refresh tokens and sessions: hashes of what was given out. */
import type {Kysely, Selectable} from 'kysely'
import type {IssuedToken, RefreshTokenStore, SessionStore} from '../store.ts'
import type {Tables} from './tables.ts'
import {createUserStore} from './users.ts'
import {now} from './values.ts'

export function createRefreshTokenStore(database: Kysely<Tables>): RefreshTokenStore {
  return {
    async addRefreshToken({tokenHash, subject, service, client, expiresAt}) {
      const at = now()
      await database
        .insertInto('refresh_token')
        .values({
          token_hash: tokenHash,
          subject_kind: subject.kind,
          subject_id: subject.id,
          service,
          client,
          created_at: at,
          used_at: at,
          expires_at: expiresAt,
        })
        .execute()
    },
    async findRefreshToken(tokenHash) {
      const row = await database
        .selectFrom('refresh_token')
        .selectAll()
        .where('token_hash', '=', tokenHash)
        .where('expires_at', '>', now())
        .executeTakeFirst()
      return row === undefined ? undefined : toIssued(row)
    },
    async touchRefreshToken(id) {
      await database.updateTable('refresh_token').set({used_at: now()}).where('id', '=', id).execute()
    },
    async listRefreshTokens(subject) {
      const query = database.selectFrom('refresh_token').selectAll().orderBy('id', 'desc')
      const rows = await (subject === undefined
        ? query
        : query.where('subject_kind', '=', subject.kind).where('subject_id', '=', subject.id)
      ).execute()
      return rows.map(toIssued)
    },
    async revokeRefreshTokens(which) {
      const query = database.deleteFrom('refresh_token')
      const {numDeletedRows} = await ('id' in which
        ? query.where('id', '=', which.id)
        : query.where('subject_kind', '=', which.subject.kind).where('subject_id', '=', which.subject.id)
      ).executeTakeFirst()
      return Number(numDeletedRows)
    },
  }
}

export function createSessionStore(database: Kysely<Tables>): SessionStore {
  const users = createUserStore(database)
  return {
    async addSession({tokenHash, userId, expiresAt}) {
      const at = now()
      await database.deleteFrom('session').where('expires_at', '<', at).execute()
      await database.insertInto('session').values({token_hash: tokenHash, user_id: userId, created_at: at, expires_at: expiresAt}).execute()
    },
    async findSession(tokenHash) {
      const row = await database
        .selectFrom('session')
        .select('user_id')
        .where('token_hash', '=', tokenHash)
        .where('expires_at', '>', now())
        .executeTakeFirst()
      return row === undefined ? undefined : await users.findUser(row.user_id)
    },
    async removeSessionsOf(userId) {
      await database.deleteFrom('session').where('user_id', '=', userId).execute()
    },
    async removeSession(tokenHash) {
      return (await database.deleteFrom('session').where('token_hash', '=', tokenHash).executeTakeFirst()).numDeletedRows > 0n
    },
  }
}

function toIssued(row: Selectable<Tables['refresh_token']>): IssuedToken {
  return {
    id: row.id,
    subject: {kind: row.subject_kind, id: row.subject_id},
    service: row.service,
    client: row.client,
    createdAt: row.created_at,
    usedAt: row.used_at,
    expiresAt: row.expires_at,
  }
}
