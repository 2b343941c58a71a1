import type {Kysely, Selectable} from 'kysely'
import {PRIVILEGE_PREFIX, PRIVILEGES, type Privilege, type User} from '../objects.ts'
import type {UserStore} from '../store.ts'
import {continueAfter, explicitId} from './explicit-id.ts'
import type {Tables} from './tables.ts'
import {bury} from './tombstones.ts'
import {inTransaction} from './transaction.ts'
import {groupBy, nameKey, now, present, refuseDuplicate, refuseRetired, retiredNames, toBit} from './values.ts'

export function createUserStore(database: Kysely<Tables>): UserStore {
  const find = async (nameOrId: string | number): Promise<User | undefined> => {
    const query = database.selectFrom('user').selectAll()
    const row = await (typeof nameOrId === 'number'
      ? query.where('id', '=', nameOrId)
      : query.where('name', '=', nameOrId)
    ).executeTakeFirst()
    return row === undefined ? undefined : (await withGroups(database, [row]))[0]
  }
  return {
    addUser: ({name, email, source, passwordHash, isAdministrator = false, id}) =>
      refuseDuplicate('user', name, 'add', () =>
        inTransaction(database, async (transaction) => {
          await refuseRetired(transaction, 'user', name)
          const explicit = await explicitId(transaction, 'user', id)
          const row = await transaction
            .insertInto('user')
            .values({
              ...explicit,
              name,
              name_key: nameKey(name),
              email: email ?? null,
              source,
              password_hash: passwordHash ?? null,
              subject: null,
              is_disabled: 0,
              is_administrator: toBit(isAdministrator),
              primary_group_id: null,
              created_at: now(),
            })
            .returningAll()
            .executeTakeFirstOrThrow()
          await continueAfter(transaction, 'user', explicit)
          return toUser(row, [])
        }),
      ),
    findUser: find,
    async listUsers() {
      return await withGroups(database, await database.selectFrom('user').selectAll().orderBy('name').execute())
    },
    async updateUser(id, {email, passwordHash, isDisabled, isAdministrator, source, primaryGroupId}) {
      const change = present({
        email,
        source,
        primary_group_id: primaryGroupId,
        password_hash: passwordHash,
        is_disabled: isDisabled === undefined ? undefined : toBit(isDisabled),
        is_administrator: isAdministrator === undefined ? undefined : toBit(isAdministrator),
      })
      if (Object.keys(change).length > 0) await database.updateTable('user').set(change).where('id', '=', id).execute()
    },
    removeUser: (id) =>
      inTransaction(database, async (transaction) => {
        const memberships = await transaction.selectFrom('membership').select('group_id').where('user_id', '=', id).execute()
        const stars = await transaction.selectFrom('star').select('repository_id').where('user_id', '=', id).execute()
        const found = await transaction.deleteFrom('user').where('id', '=', id).returningAll().executeTakeFirst()
        if (found === undefined) return
        const {password_hash: _, ...row} = found
        const groups = memberships.map(({group_id}) => group_id)
        const remains = {row, groups, stars: stars.map(({repository_id}) => repository_id)}
        await bury(transaction, 'user', {name: row.name, id, remains})
        await transaction.deleteFrom('refresh_token').where('subject_kind', '=', 'user').where('subject_id', '=', id).execute()
      }),
    async bindSubject(userId, subject) {
      await database.updateTable('user').set({subject}).where('id', '=', userId).where('subject', 'is', null).execute()
      const row = await database.selectFrom('user').select('subject').where('id', '=', userId).executeTakeFirst()
      return row?.subject === subject
    },
    async findPasswordHash(id) {
      const row = await database.selectFrom('user').select('password_hash').where('id', '=', id).executeTakeFirst()
      return row?.password_hash ?? undefined
    },
    async replaceGroups(userId, groups) {
      // Most logins change nothing: they are not to wait for the writer of the database.
      if (await hasGroups(database, userId, groups)) return
      // In one order, and one login of a user at a time: otherwise two could wait for each other.
      const names = [...groups].sort((a, b) => (nameKey(a) < nameKey(b) ? -1 : 1))
      await inTransaction(database, async (transaction) => {
        await transaction
          .updateTable('user')
          .set(({ref}) => ({source: ref('source')}))
          .where('id', '=', userId)
          .execute()
        const retired = await retiredNames(transaction, 'group', names)
        const known = names.filter((name) => !retired.has(nameKey(name)))
        for (const name of known) {
          await transaction
            .insertInto('group')
            .values({name, name_key: nameKey(name), kind: 'organisational'})
            .onConflict((conflict) => conflict.doNothing())
            .execute()
        }
        const organisational = transaction.selectFrom('group').select('id').where('kind', '=', 'organisational')
        const wanted = known.length === 0 ? [] : await organisational.where('name_key', 'in', known.map(nameKey)).orderBy('id').execute()
        const ids = wanted.map(({id}) => id)
        let gone = transaction.deleteFrom('membership').where('user_id', '=', userId).where('group_id', 'in', organisational)
        if (ids.length > 0) gone = gone.where('group_id', 'not in', ids)
        await gone.execute()
        if (ids.length === 0) return
        await transaction
          .insertInto('membership')
          .values(ids.map((id) => ({user_id: userId, group_id: id})))
          .onConflict((conflict) => conflict.doNothing())
          .execute()
      })
    },
  }
}

/** Whether the organisational groups of a user are these: names of groups that are not given again do not count. */
async function hasGroups(database: Kysely<Tables>, userId: number, groups: readonly string[]): Promise<boolean> {
  const rows = await database
    .selectFrom('membership')
    .innerJoin('group', 'group.id', 'membership.group_id')
    .select('group.name_key')
    .where('membership.user_id', '=', userId)
    .where('group.kind', '=', 'organisational')
    .execute()
  const wanted = new Set(groups.map(nameKey))
  if (rows.some(({name_key}) => !wanted.has(name_key))) return false
  for (const {name_key} of rows) wanted.delete(name_key)
  if (wanted.size === 0) return true
  // Neither a privilege nor a name that is not given again can be had by a login.
  const privileges = await database.selectFrom('group').select('name_key').where('kind', '=', 'privilege').execute()
  for (const {name_key} of privileges) wanted.delete(name_key)
  return wanted.size === (await retiredNames(database, 'group', [...wanted])).size
}

interface GroupRow {
  readonly user_id: number
  readonly group_id: number
  readonly name: string
  readonly kind: 'organisational' | 'privilege'
}

async function withGroups(database: Kysely<Tables>, rows: readonly Selectable<Tables['user']>[]): Promise<readonly User[]> {
  if (rows.length === 0) return []
  const query = database
    .selectFrom('membership')
    .innerJoin('group', 'group.id', 'membership.group_id')
    .select(['membership.user_id', 'membership.group_id', 'group.name', 'group.kind'])
    .orderBy('group.name')
  const [only] = rows
  // One user is the path of every token request; all of them is a list for people.
  const memberships = await (rows.length === 1 && only !== undefined ? query.where('membership.user_id', '=', only.id) : query).execute()
  const byUser = groupBy(memberships, ({user_id}) => user_id)
  return rows.map((row) => toUser(row, byUser.get(row.id) ?? []))
}

function toUser(row: Selectable<Tables['user']>, groups: readonly GroupRow[]): User {
  const primary = groups.find(({kind, group_id}) => kind === 'organisational' && group_id === row.primary_group_id)
  return {
    id: row.id,
    name: row.name,
    ...(row.email === null ? {} : {email: row.email}),
    source: row.source,
    ...(row.subject === null ? {} : {subject: row.subject}),
    isDisabled: row.is_disabled === 1,
    isAdministrator: row.is_administrator === 1,
    groups: groups.filter(({kind}) => kind === 'organisational').map(({name}) => name),
    ...(primary === undefined ? {} : {primaryGroup: primary.name}),
    privileges: PRIVILEGES.filter((privilege: Privilege) =>
      groups.some(({kind, name}) => kind === 'privilege' && name === `${PRIVILEGE_PREFIX}${privilege}`),
    ),
    createdAt: row.created_at,
  }
}
