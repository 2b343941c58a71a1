/** The index of repositories and tags, fed by events and by discovery. */
import {type Kysely, type Selectable, sql} from 'kysely'
import {isDigest} from '../../oci/digest.ts'
import {isRepositoryName, isTag, type RepositoryName} from '../../oci/reference.ts'
import type {IndexedRepository, IndexedTag} from '../objects.ts'
import type {IndexStore, SeenTag} from '../store.ts'
import type {Tables} from './tables.ts'
import {groupBy, now, present, toBit} from './values.ts'

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
    async seeRepository(registryId, repository) {
      await see(database, registryId, repository, now())
    },
    async seeTags(registryId, tags) {
      const at = now()
      await database.transaction().execute(async (transaction) => {
        for (const [repository, seen] of groupBy(tags, (tag) => tag.repository))
          await seeTags(transaction, registryId, repository, seen, at)
      })
    },
    async forgetTag(registryId, repository, tag) {
      await database
        .deleteFrom('tag')
        .where('name', '=', tag)
        .where('repository_id', 'in', idOf(database, registryId, repository))
        .execute()
    },
    async forgetManifest(registryId, repository, digest) {
      await database
        .deleteFrom('tag')
        .where('digest', '=', digest)
        .where('repository_id', 'in', idOf(database, registryId, repository))
        .execute()
    },
    async countPulls(registryId, repository, pulls) {
      await database
        .updateTable('repository')
        .set((expression) => ({pulls: expression('pulls', '+', pulls)}))
        .where('registry_id', '=', registryId)
        .where('name', '=', repository)
        .execute()
    },
    purgeUnseen: (registryId, since) =>
      database.transaction().execute(async (transaction) => {
        const of = transaction.selectFrom('repository').select('id').where('registry_id', '=', registryId)
        const tags = await transaction.deleteFrom('tag').where('repository_id', 'in', of).where('seen_at', '<', since).executeTakeFirst()
        const gone = await transaction
          .deleteFrom('repository')
          .where('registry_id', '=', registryId)
          .where('seen_at', '<', since)
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
    async listRepositories(registryId) {
      return toRepositories(await repositories().where('repository.registry_id', '=', registryId).orderBy('repository.name').execute())
    },
    async listIndexedTags(repositoryId) {
      const rows = await database
        .selectFrom('tag')
        .selectAll()
        .where('repository_id', '=', repositoryId)
        .orderBy('pushed_at', 'desc')
        .orderBy('name')
        .execute()
      return rows.flatMap(({name, digest, media_type, pushed_at}): IndexedTag[] =>
        isTag(name) && isDigest(digest) ? [{tag: name, digest, mediaType: media_type, pushedAt: pushed_at}] : [],
      )
    },
    async describeRepository(id, {description, isOfficial, isAutomated}) {
      const change = present({
        description,
        is_official: isOfficial === undefined ? undefined : toBit(isOfficial),
        is_automated: isAutomated === undefined ? undefined : toBit(isAutomated),
      })
      if (Object.keys(change).length > 0) await database.updateTable('repository').set(change).where('id', '=', id).execute()
    },
    async star(repositoryId, userId) {
      const {numInsertedOrUpdatedRows = 0n} = await database
        .insertInto('star')
        .values({repository_id: repositoryId, user_id: userId})
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst()
      return numInsertedOrUpdatedRows > 0n
    },
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

async function seeTags(
  database: Kysely<Tables>,
  registryId: number,
  repository: string,
  tags: readonly SeenTag[],
  at: string,
): Promise<void> {
  const repositoryId = await see(database, registryId, repository, at)
  const values = new Map(
    tags.map(({tag, digest, mediaType}) => [
      tag,
      {repository_id: repositoryId, name: tag, digest, media_type: mediaType, pushed_at: at, seen_at: at},
    ]),
  )
  await database
    .insertInto('tag')
    .values([...values.values()])
    .onConflict((conflict) =>
      conflict.columns(['repository_id', 'name']).doUpdateSet({
        digest: (expression) => expression.ref('excluded.digest'),
        media_type: (expression) => expression.ref('excluded.media_type'),
        // The same digest again is no new push.
        pushed_at: sql<string>`case when tag.digest = excluded.digest then tag.pushed_at else excluded.pushed_at end`,
        seen_at: at,
      }),
    )
    .execute()
}

type RepositoryRow = Selectable<Tables['repository']> & {readonly registry: string; readonly stars: number | string | null}

function toRepositories(rows: readonly RepositoryRow[]): readonly IndexedRepository[] {
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
