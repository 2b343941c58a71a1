/** The schema as forward migrations for both databases. One that was released is never edited: a change is a new one at the end. */
import {type ColumnDefinitionBuilder, type CreateTableBuilder, type Kysely, sql} from 'kysely'
import type {Migration} from 'kysely/migration'
import {ROOT_OWNER} from '../../access/repository-path.ts'
import {EMBEDDED_REGISTRY} from '../objects.ts'
import {placeOf} from '../registry-place.ts'

export type Dialect = 'sqlite' | 'postgres'

type Column = (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder

const required: Column = (column) => column.notNull()

/** By name; they run in the order of their names. */
export function migrations(dialect: Dialect): Readonly<Record<string, Migration>> {
  // Ids stand in paths (`users/1/…`): they are never given again, hence AUTOINCREMENT.
  const id: Column = (column) =>
    dialect === 'sqlite' ? column.primaryKey().autoIncrement() : column.primaryKey().generatedByDefaultAsIdentity()
  const to =
    (table: string): Column =>
    (column) =>
      column.notNull().references(`${table}.id`).onDelete('cascade')
  return {
    '001-objects': {
      async up(database: Kysely<unknown>) {
        const create = (table: string): CreateTableBuilder<string> => database.schema.createTable(table)
        await create('user')
          .addColumn('id', 'integer', id)
          .addColumn('name', 'text', required)
          .addColumn('name_key', 'text', (column) => column.notNull().unique())
          .addColumn('email', 'text')
          .addColumn('source', 'text', required)
          .addColumn('password_hash', 'text')
          .addColumn('is_disabled', 'integer', required)
          .addColumn('is_administrator', 'integer', required)
          .addColumn('created_at', 'text', required)
          .execute()
        await create('group')
          .addColumn('id', 'integer', id)
          .addColumn('name', 'text', required)
          .addColumn('name_key', 'text', (column) => column.notNull().unique())
          .addColumn('kind', 'text', required)
          .execute()
        await create('membership')
          .addColumn('user_id', 'integer', to('user'))
          .addColumn('group_id', 'integer', to('group'))
          .addPrimaryKeyConstraint('membership_key', ['user_id', 'group_id'])
          .execute()
        await database.schema.createIndex('membership_group').on('membership').column('group_id').execute()
        await create('app')
          .addColumn('id', 'integer', id)
          .addColumn('code', 'text', (column) => column.notNull().unique())
          .execute()
        await create('app_group')
          .addColumn('app_id', 'integer', to('app'))
          .addColumn('group_id', 'integer', to('group'))
          .addColumn('role', 'text', required)
          .addPrimaryKeyConstraint('app_group_key', ['app_id', 'role', 'group_id'])
          .execute()
        await create('service')
          .addColumn('id', 'integer', id)
          .addColumn('name', 'text', (column) => column.notNull().unique())
          .addColumn('app_id', 'integer', to('app'))
          .addColumn('secret_hash', 'text', required)
          .addColumn('is_disabled', 'integer', required)
          .addColumn('created_at', 'text', required)
          .execute()
        await create('registry')
          .addColumn('id', 'integer', id)
          .addColumn('name', 'text', (column) => column.notNull().unique())
          .addColumn('service', 'text', (column) => column.notNull().unique())
          .addColumn('url', 'text', required)
          .addColumn('insecure', 'integer', required)
          .addColumn('restricted', 'integer', required)
          .addColumn('token_header', 'text', required)
          .addColumn('token_life_seconds', 'integer', required)
          .addColumn('events_secret_hash', 'text')
          .addColumn('created_at', 'text', required)
          .execute()
        await create('registry_group')
          .addColumn('registry_id', 'integer', to('registry'))
          .addColumn('group_id', 'integer', to('group'))
          .addColumn('role', 'text', required)
          .addPrimaryKeyConstraint('registry_group_key', ['registry_id', 'role', 'group_id'])
          .execute()
        await create('repository')
          .addColumn('id', 'integer', id)
          .addColumn('registry_id', 'integer', to('registry'))
          .addColumn('name', 'text', required)
          .addColumn('description', 'text', required)
          .addColumn('is_official', 'integer', required)
          .addColumn('is_automated', 'integer', required)
          .addColumn('pulls', 'integer', required)
          .addColumn('seen_at', 'text', required)
          .addUniqueConstraint('repository_name', ['registry_id', 'name'])
          .execute()
        await create('star')
          .addColumn('user_id', 'integer', to('user'))
          .addColumn('repository_id', 'integer', to('repository'))
          .addPrimaryKeyConstraint('star_key', ['repository_id', 'user_id'])
          .execute()
        await create('tag')
          .addColumn('repository_id', 'integer', to('repository'))
          .addColumn('name', 'text', required)
          .addColumn('digest', 'text', required)
          .addColumn('media_type', 'text', required)
          .addColumn('attachment', 'text')
          .addColumn('pushed_at', 'text', required)
          .addColumn('learnt_at', 'text', required)
          .addColumn('seen_at', 'text', required)
          .addPrimaryKeyConstraint('tag_key', ['repository_id', 'name'])
          .execute()
        await create('refresh_token')
          .addColumn('id', 'integer', id)
          .addColumn('token_hash', 'text', (column) => column.notNull().unique())
          .addColumn('subject_kind', 'text', required)
          .addColumn('subject_id', 'integer', required)
          .addColumn('service', 'text', required)
          .addColumn('client', 'text', required)
          .addColumn('created_at', 'text', required)
          .addColumn('used_at', 'text', required)
          .addColumn('expires_at', 'text', required)
          .execute()
        await database.schema.createIndex('refresh_token_subject').on('refresh_token').columns(['subject_kind', 'subject_id']).execute()
        await create('session')
          .addColumn('token_hash', 'text', (column) => column.primaryKey())
          .addColumn('user_id', 'integer', to('user'))
          .addColumn('created_at', 'text', required)
          .addColumn('expires_at', 'text', required)
          .execute()
        await create('retired_name')
          .addColumn('kind', 'text', required)
          .addColumn('name_key', 'text', required)
          .addPrimaryKeyConstraint('retired_name_key', ['kind', 'name_key'])
          .execute()
        await create('document')
          .addColumn('name', 'text', (column) => column.primaryKey())
          .addColumn('content', 'text', required)
          .execute()
        await create('event')
          .addColumn('id', 'integer', id)
          .addColumn('registry_id', 'integer', to('registry'))
          .addColumn('event_id', 'text', required)
          .addColumn('occurred_at', 'text', required)
          .addColumn('received_at', 'text', required)
          .addColumn('action', 'text', required)
          .addColumn('repository', 'text', required)
          .addColumn('tag', 'text')
          .addColumn('digest', 'text')
          .addColumn('media_type', 'text')
          .addColumn('actor', 'text')
          .addColumn('address', 'text')
          .addColumn('user_agent', 'text')
          .addUniqueConstraint('event_once', ['registry_id', 'event_id'])
          .execute()
        await create('audit')
          .addColumn('id', 'integer', id)
          .addColumn('at', 'text', required)
          .addColumn('request_id', 'text', required)
          .addColumn('principal', 'text', required)
          .addColumn('address', 'text', required)
          .addColumn('action', 'text', required)
          .addColumn('object', 'text', required)
          .addColumn('outcome', 'text', required)
          .addColumn('rule', 'text', required)
          .execute()
        for (const privilege of ['Manager', 'Pusher', 'Puller']) {
          const name = `DockerRegistries${privilege}`
          await sql`insert into "group" (name, name_key, kind) values (${name}, ${name.toLowerCase()}, 'privilege')`.execute(database)
        }
      },
    },
    '002-user-subject': {
      async up(database: Kysely<unknown>) {
        await database.schema.alterTable('user').addColumn('subject', 'text').execute()
      },
    },
    '003-cached-images': {
      async up(database: Kysely<unknown>) {
        await database.schema
          .createTable('cached_image')
          .addColumn('id', 'integer', id)
          .addColumn('registry', 'text', required)
          .addColumn('repository', 'text', required)
          .addColumn('source', 'text', required)
          .addColumn('source_digest', 'text', required)
          .addColumn('digest', 'text', required)
          .addColumn('platforms', 'text', required)
          .addColumn('app', 'text', required)
          .addColumn('size_bytes', 'bigint', required)
          .addColumn('created_at', 'text', required)
          .addColumn('principal', 'text', required)
          .addUniqueConstraint('cached_image_once', ['registry', 'repository', 'digest', 'source', 'source_digest', 'platforms', 'app'])
          .execute()
        await database.schema.createIndex('cached_image_created').on('cached_image').column('created_at').execute()
      },
    },
    '004-login-failures': {
      async up(database: Kysely<unknown>) {
        await database.schema
          .createTable('login_failure')
          .addColumn('key', 'text', (column) => column.primaryKey())
          .addColumn('count', 'integer', required)
          .addColumn('last_at', 'bigint', required)
          .execute()
        await database.schema.createIndex('login_failure_last').on('login_failure').column('last_at').execute()
      },
    },
    '005-login-successes': {
      async up(database: Kysely<unknown>) {
        await database.schema
          .createTable('login_success')
          .addColumn('key', 'text', (column) => column.primaryKey())
          .addColumn('last_at', 'bigint', required)
          .execute()
        await database.schema.createIndex('login_success_last').on('login_success').column('last_at').execute()
      },
    },
    '006-audit-reason': {
      async up(database: Kysely<unknown>) {
        await database.schema.alterTable('audit').addColumn('reason', 'text').execute()
      },
    },
    '007-remains-and-primary-groups': {
      async up(database: Kysely<unknown>) {
        const alter = (table: string, column: string, type: 'text' | 'integer') =>
          database.schema.alterTable(table).addColumn(column, type).execute()
        await alter('retired_name', 'name', 'text')
        await alter('retired_name', 'object_id', 'integer')
        await alter('retired_name', 'remains', 'text')
        await alter('retired_name', 'removed_at', 'text')
        await database.schema
          .alterTable('user')
          .addColumn('primary_group_id', 'integer', (column) => column.references('group.id').onDelete('set null'))
          .execute()
      },
    },
    '008-registry-place': {
      async up(database: Kysely<unknown>) {
        await database.schema.alterTable('registry').addColumn('url_key', 'text').execute()
        await database.schema.alterTable('registry').addColumn('proven_at', 'text').execute()
        const {rows} = await sql<{id: number; name: string; url: string}>`select id, name, url from registry order by id`.execute(database)
        const taken = new Set<string>()
        for (const {id: registryId, name, url} of rows) {
          const place = name === EMBEDDED_REGISTRY ? undefined : placeOf(url)
          // Of several at one place the first one keeps it; the others are as they are until they are changed.
          if (place === undefined || taken.has(place)) continue
          taken.add(place)
          await sql`update registry set url_key = ${place} where id = ${registryId}`.execute(database)
        }
        await database.schema.createIndex('registry_url_key').unique().on('registry').column('url_key').execute()
      },
    },
    '009-audit-index': {
      async up(database: Kysely<unknown>) {
        await database.schema.createIndex('audit_action').on('audit').columns(['action', 'outcome', 'id']).execute()
        await database.schema.createIndex('refresh_token_expires').on('refresh_token').column('expires_at').execute()
      },
    },
    '010-search': {
      async up(database: Kysely<unknown>) {
        await addSearchColumns(database, dialect)
        const index = (name: string) => database.schema.createIndex(name).on('repository')
        await index('repository_owner').columns(['registry_id', 'owner', 'name']).execute()
        await index('repository_leaf').columns(['leaf', 'registry_id', 'owner']).execute()
        await index('repository_official')
          .column('registry_id')
          .where('is_official' as never, '=', sql.lit(1))
          .execute()
        await (dialect === 'sqlite' ? addTrigramsToSqlite : addTrigramsToPostgres)(database)
      },
    },
  }
}

/** Descriptions that are changed at once. */
const DESCRIPTIONS = 500

/** The owner and the last component follow from the name: the database makes them, so that they cannot differ from it. */
async function addSearchColumns(database: Kysely<unknown>, dialect: Dialect): Promise<void> {
  const [position, kept] = dialect === 'sqlite' ? (['instr', 'virtual'] as const) : (['strpos', 'stored'] as const)
  // `users/ann` of `users/ann/web`: the second slash is looked for behind the first.
  const first = `${position}(name, '/')`
  const second = `${position}(substr(name, ${first} + 1), '/')`
  const folder = `substr(name, 1, ${first} - 1)`
  const owner = `case
    when name in ('users', 'groups', 'apps') then '(reserved)'
    when ${first} = 0 or ${folder} not in ('users', 'groups', 'apps') then '${ROOT_OWNER}'
    when ${second} = 0 then '(reserved)'
    else substr(name, 1, ${first} + ${second} - 1) end`
  const leaf = `substr(name, length(rtrim(name, replace(name, '/', ''))) + 1)`
  for (const [column, expression] of [
    ['owner', owner],
    ['leaf', leaf],
  ] as const) {
    await sql.raw(`alter table repository add column ${column} text generated always as (${expression}) ${kept}`).execute(database)
  }
  await sql`alter table repository add column description_key text not null default ''`.execute(database)
  for (let after = 0; ; ) {
    const {rows} = await sql<{readonly id: number; readonly description: string}>`
      select id, description from repository where description <> '' and id > ${after} order by id limit ${sql.lit(DESCRIPTIONS)}`.execute(
      database,
    )
    for (const {id, description} of rows) {
      await sql`update repository set description_key = ${description.toLowerCase()} where id = ${id}`.execute(database)
    }
    const last = rows.at(-1)
    if (last === undefined) return
    after = last.id
  }
}

/** FTS5 with trigrams over the rows of the table, without a copy of them; triggers keep it as they are. */
async function addTrigramsToSqlite(database: Kysely<unknown>): Promise<void> {
  const columns = 'name, description_key, owner'
  const values = (row: 'old' | 'new'): string => `${row}.id, ${row}.name, ${row}.description_key, ${row}.owner`
  const add = `insert into repository_search (rowid, ${columns}) values (${values('new')});`
  const remove = `insert into repository_search (repository_search, rowid, ${columns}) values ('delete', ${values('old')});`
  for (const statement of [
    `create virtual table repository_search using fts5(${columns}, content='repository', content_rowid='id', tokenize='trigram', detail=none, columnsize=0)`,
    "insert into repository_search (repository_search) values ('rebuild')",
    `create trigger repository_search_added after insert on repository begin ${add} end`,
    `create trigger repository_search_removed after delete on repository begin ${remove} end`,
    `create trigger repository_search_changed after update of name, description_key on repository begin ${remove} ${add} end`,
  ]) {
    await sql.raw(statement).execute(database)
  }
}

async function addTrigramsToPostgres(database: Kysely<unknown>): Promise<void> {
  for (const statement of [
    'create extension if not exists pg_trgm',
    'create index repository_name_search on repository using gin (name gin_trgm_ops)',
    'create index repository_description_search on repository using gin (description_key gin_trgm_ops)',
  ]) {
    await sql.raw(statement).execute(database)
  }
}
