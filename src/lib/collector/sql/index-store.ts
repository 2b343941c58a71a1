/** The index of repositories and tags, fed by events and by discovery. */
import {type Kysely, type Selectable, sql} from 'kysely'
import {parseAttachmentTag} from '../../discovery/attachment-tag.ts'
import type {IndexChange} from '../../events/index-changes.ts'
import {isDigest} from '../../oci/digest.ts'
import {isRepositoryName, isTag, type RepositoryName} from '../../oci/reference.ts'
import type {IndexedRepository, IndexedTag} from '../objects.ts'
import type {IndexStore} from '../store.ts'
import type {Tables} from './tables.ts'
import {inTransaction} from './transaction.ts'
import {groupBy, now, present, toBit} from './values.ts'

/** Names in one statement. */
const MAX_NAMES = 500

export function createIndexStore(database: Kysely<Tables>): IndexStore {
  const repositories = () =>
    database
      .selectFrom('repository')
      .innerJoin('registry', 'registry.id', 'repository.registry_id')
      .selectAll('repository')
      .select((expression) => [
        'registry.name as registry',
        expression
          .selectFrom('star')
          .select(({fn}) => fn.countAll<number | string>().as('count'))
          .whereRef('star.repository_id', '=', 'repository.id')
          .as('stars'),
      ])
  return {
    applyIndexChanges: (registryId, changes) =>
      inTransaction(database, async (transaction) => {
        for (const change of changes) await applyChange(transaction, registryId, change)
      }),
    async knownTags(registryId, repository) {
      const rows = await database
        .selectFrom('tag')
        .select(['name', 'learnt_at'])
        .where('repository_id', 'in', idOf(database, registryId, repository))
        .execute()
      return rows.flatMap(({name, learnt_at}) => (isTag(name) ? [{tag: name, learntAt: learnt_at}] : []))
    },
    noteSighting: (registryId, {repository, seenAt, learnt, present}) =>
      inTransaction(database, async (transaction) => {
        // Registries keep the names of repositories that were emptied: what was deleted here is not learnt again.
        const isEmpty = learnt.length === 0 && present.length === 0
        if (isEmpty && (await idOf(transaction, registryId, repository).executeTakeFirst()) === undefined) return
        const repositoryId = await see(transaction, registryId, repository, seenAt)
        await learnTags(
          transaction,
          repositoryId,
          learnt.map(({tag, digest, mediaType, attachment, askedAt}) => ({
            tag,
            digest,
            mediaType,
            attachment: attachment?.kind ?? null,
            learntAt: askedAt,
            seenAt,
          })),
        )
        for (let start = 0; start < present.length; start += MAX_NAMES) {
          await transaction
            .updateTable('tag')
            .set({seen_at: seenAt})
            .where('repository_id', '=', repositoryId)
            .where('name', 'in', present.slice(start, start + MAX_NAMES))
            .execute()
        }
      }),
    purgeUnseen: (registryId, before) =>
      inTransaction(database, async (transaction) => {
        const of = transaction.selectFrom('repository').select('id').where('registry_id', '=', registryId)
        const tags = await transaction.deleteFrom('tag').where('repository_id', 'in', of).where('seen_at', '<', before).executeTakeFirst()
        const gone = await transaction
          .deleteFrom('repository')
          .where('registry_id', '=', registryId)
          .where('seen_at', '<', before)
          .executeTakeFirst()
        return {repositories: Number(gone.numDeletedRows), tags: Number(tags.numDeletedRows)}
      }),
    async findRepository(registryId, repository) {
      const row = await repositories()
        .where('repository.registry_id', '=', registryId)
        .where('repository.name', '=', repository)
        .executeTakeFirst()
      return row === undefined ? undefined : toRepositories([row])[0]
    },
    async listRepositories(registryId, page) {
      let query = repositories().where('repository.registry_id', '=', registryId).orderBy('repository.name')
      if (page !== undefined) query = query.where('repository.name', '>', page.after).limit(page.limit)
      return toRepositories(await query.execute())
    },
    async countRepositories(registryId) {
      const {count} = await database
        .selectFrom('repository')
        .select(({fn}) => fn.countAll<number | string>().as('count'))
        .where('registry_id', '=', registryId)
        .executeTakeFirstOrThrow()
      return Number(count)
    },
    async listIndexedTags(repositoryId) {
      const rows = await database
        .selectFrom('tag')
        .selectAll()
        .where('repository_id', '=', repositoryId)
        .orderBy('pushed_at', 'desc')
        .orderBy('name')
        .execute()
      return rows.flatMap(({name, digest, media_type, attachment, pushed_at}): IndexedTag[] =>
        isTag(name) && isDigest(digest)
          ? [{tag: name, digest, mediaType: media_type, pushedAt: pushed_at, ...(attachment === null ? {} : {attachment})}]
          : [],
      )
    },
    async describeRepository(id, {description, isOfficial, isAutomated}) {
      const change = present({
        description,
        description_key: description?.toLowerCase(),
        is_official: isOfficial === undefined ? undefined : toBit(isOfficial),
        is_automated: isAutomated === undefined ? undefined : toBit(isAutomated),
      })
      if (Object.keys(change).length > 0) await database.updateTable('repository').set(change).where('id', '=', id).execute()
    },
    async listDescribedRepositories() {
      const rows = await database
        .selectFrom('repository')
        .innerJoin('registry', 'registry.id', 'repository.registry_id')
        .select(['repository.id', 'registry.name as registry', 'repository.name', 'description', 'is_official', 'is_automated'])
        .where(({or, eb, exists, selectFrom}) =>
          or([
            eb('description', '<>', ''),
            eb('is_official', '=', 1),
            eb('is_automated', '=', 1),
            exists(selectFrom('star').select('star.user_id').whereRef('star.repository_id', '=', 'repository.id')),
          ]),
        )
        .orderBy('registry.name')
        .orderBy('repository.name')
        .execute()
      const stars = await database
        .selectFrom('star')
        .innerJoin('user', 'user.id', 'star.user_id')
        .select(['star.repository_id', 'user.name'])
        .orderBy('user.name')
        .execute()
      const byRepository = groupBy(stars, ({repository_id}) => repository_id)
      return rows.map(({id, registry, name, description, is_official, is_automated}) => ({
        registry,
        name,
        description,
        isOfficial: is_official === 1,
        isAutomated: is_automated === 1,
        stars: (byRepository.get(id) ?? []).map((star) => star.name),
      }))
    },
    expectRepository: (registryId, repository) => see(database, registryId, repository, now()),
    async forgetRepository(id) {
      await database.deleteFrom('repository').where('id', '=', id).execute()
    },
    async star(repositoryId, userId) {
      const {numInsertedOrUpdatedRows = 0n} = await database
        .insertInto('star')
        .values({repository_id: repositoryId, user_id: userId})
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst()
      return numInsertedOrUpdatedRows > 0n
    },
    replaceStars: (repositoryId, userIds) =>
      inTransaction(database, async (transaction) => {
        await transaction.deleteFrom('star').where('repository_id', '=', repositoryId).execute()
        for (let start = 0; start < userIds.length; start += MAX_NAMES) {
          const some = userIds.slice(start, start + MAX_NAMES)
          await transaction
            .insertInto('star')
            .values(some.map((user_id) => ({user_id, repository_id: repositoryId})))
            .execute()
        }
      }),
    async unstar(repositoryId, userId) {
      const {numDeletedRows} = await database
        .deleteFrom('star')
        .where('repository_id', '=', repositoryId)
        .where('user_id', '=', userId)
        .executeTakeFirst()
      return numDeletedRows > 0n
    },
  }
}

function idOf(database: Kysely<Tables>, registryId: number, repository: RepositoryName) {
  return database.selectFrom('repository').select('id').where('registry_id', '=', registryId).where('name', '=', repository)
}

/** Makes the repository known, and answers its id. */
async function see(database: Kysely<Tables>, registryId: number, repository: string, at: string): Promise<number> {
  const {id} = await database
    .insertInto('repository')
    .values({registry_id: registryId, name: repository, description: '', is_official: 0, is_automated: 0, pulls: 0, seen_at: at})
    .onConflict((conflict) => conflict.columns(['registry_id', 'name']).doUpdateSet({seen_at: at}))
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

export async function applyChange(database: Kysely<Tables>, registryId: number, change: IndexChange): Promise<void> {
  const {repository} = change
  const tags = () => database.deleteFrom('tag').where('repository_id', 'in', idOf(database, registryId, repository))
  switch (change.kind) {
    case 'tag-set': {
      const at = now()
      const {tag, digest, mediaType} = change
      const attachment = parseAttachmentTag(tag)?.kind ?? null
      const repositoryId = await see(database, registryId, repository, at)
      await learnTags(database, repositoryId, [{tag, digest, mediaType, attachment, learntAt: at, seenAt: at}])
      return
    }
    case 'tag-deleted':
      await tags().where('name', '=', change.tag).execute()
      return
    case 'manifest-deleted':
      await tags().where('digest', '=', change.digest).execute()
      return
    case 'pulled':
      await database
        .updateTable('repository')
        .set((expression) => ({pulls: expression('pulls', '+', 1)}))
        .where('registry_id', '=', registryId)
        .where('name', '=', repository)
        .execute()
      return
    case 'mounted':
  }
}

interface LearntRow {
  readonly tag: string
  readonly digest: string
  readonly mediaType: string
  readonly attachment: string | null
  readonly learntAt: string
  readonly seenAt: string
}

/** Writes what tags name, unless something later is known of them. */
async function learnTags(database: Kysely<Tables>, repositoryId: number, tags: readonly LearntRow[]): Promise<void> {
  const values = new Map(
    tags.map(({tag, digest, mediaType, attachment, learntAt, seenAt}) => [
      tag,
      {
        repository_id: repositoryId,
        name: tag,
        digest,
        media_type: mediaType,
        attachment,
        pushed_at: learntAt,
        learnt_at: learntAt,
        seen_at: seenAt,
      },
    ]),
  )
  if (values.size === 0) return
  const newer = (column: 'digest' | 'media_type' | 'learnt_at') =>
    sql<string>`case when tag.learnt_at > excluded.learnt_at then ${sql.ref(`tag.${column}`)} else ${sql.ref(`excluded.${column}`)} end`
  await database
    .insertInto('tag')
    .values([...values.values()])
    .onConflict((conflict) =>
      conflict.columns(['repository_id', 'name']).doUpdateSet({
        digest: newer('digest'),
        media_type: newer('media_type'),
        learnt_at: newer('learnt_at'),
        // The same digest again is no new push.
        pushed_at: sql<string>`case when tag.digest = excluded.digest or tag.learnt_at > excluded.learnt_at then tag.pushed_at else excluded.pushed_at end`,
        seen_at: (expression) => expression.ref('excluded.seen_at'),
      }),
    )
    .execute()
}

type RepositoryRow = Omit<Selectable<Tables['repository']>, 'description_key' | 'owner' | 'leaf'> & {
  readonly registry: string
  readonly stars: number | string | null
}

export function toRepositories(rows: readonly RepositoryRow[]): readonly IndexedRepository[] {
  return rows.flatMap((row) =>
    isRepositoryName(row.name)
      ? [
          {
            id: row.id,
            registry: row.registry,
            name: row.name,
            description: row.description,
            stars: Number(row.stars ?? 0),
            isOfficial: row.is_official === 1,
            isAutomated: row.is_automated === 1,
            pulls: row.pulls,
          },
        ]
      : [],
  )
}
