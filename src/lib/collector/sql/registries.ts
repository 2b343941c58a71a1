import type {Kysely, Selectable} from 'kysely'
import {type ManagedRegistry, TOKEN_HEADERS, type TokenHeader} from '../objects.ts'
import type {ManagedRegistryStore, RegistryFacts} from '../store.ts'
import {type GroupNames, namesOfGroups, replaceGroups} from './group-roles.ts'
import type {Tables} from './tables.ts'
import {bury} from './tombstones.ts'
import {inTransaction} from './transaction.ts'
import {now, present, refuseDuplicate, toBit} from './values.ts'

export function createManagedRegistryStore(database: Kysely<Tables>): ManagedRegistryStore {
  return {
    addManagedRegistry: (registry) =>
      refuseDuplicate('registry', registry.name, 'add', async () => {
        const row = await database
          .insertInto('registry')
          .values({...toColumns(registry), name: registry.name, events_secret_hash: null, created_at: now()})
          .returningAll()
          .executeTakeFirstOrThrow()
        return toRegistry(row, {responsibles: [], publications: []})
      }),
    async findManagedRegistry(by) {
      const query = database.selectFrom('registry').selectAll()
      const row = await ('name' in by ? query.where('name', '=', by.name) : query.where('service', '=', by.service)).executeTakeFirst()
      return row === undefined ? undefined : toRegistry(row, (await namesOfGroups(database, 'registry', row.id))(row.id))
    },
    async listManagedRegistries() {
      const [rows, names] = await Promise.all([
        database.selectFrom('registry').selectAll().orderBy('name').execute(),
        namesOfGroups(database, 'registry'),
      ])
      return rows.map((row) => toRegistry(row, names(row.id)))
    },
    updateManagedRegistry: (id, {publications, responsibles, eventsSecretHash, ...facts}) =>
      inTransaction(database, async (transaction) => {
        const change = {...present(toColumns(facts)), ...present({events_secret_hash: eventsSecretHash})}
        if (Object.keys(change).length > 0) await transaction.updateTable('registry').set(change).where('id', '=', id).execute()
        await replaceGroups(transaction, 'registry', id, 'publication', publications)
        await replaceGroups(transaction, 'registry', id, 'responsible', responsibles)
      }),
    removeManagedRegistry: (id) =>
      inTransaction(database, async (transaction) => {
        const groups = await transaction
          .selectFrom('registry_group')
          .select(['group_id as id', 'role'])
          .where('registry_id', '=', id)
          .execute()
        const found = await transaction.deleteFrom('registry').where('id', '=', id).returningAll().executeTakeFirst()
        if (found === undefined) return
        const {events_secret_hash: _, ...row} = found
        await bury(transaction, 'registry', {name: row.name, id, remains: {row, groups}})
      }),
    async findEventsSecretHash(id) {
      const row = await database.selectFrom('registry').select('events_secret_hash').where('id', '=', id).executeTakeFirst()
      return row?.events_secret_hash ?? undefined
    },
  }
}

type Bits<T> = T extends undefined ? undefined : 0 | 1

function toColumns<F extends Partial<Omit<RegistryFacts, 'name'>>>({service, url, insecure, restricted, tokenHeader, tokenLifeSeconds}: F) {
  return {
    service: service as F['service'],
    url: url as F['url'],
    insecure: (insecure === undefined ? undefined : toBit(insecure)) as Bits<F['insecure']>,
    restricted: (restricted === undefined ? undefined : toBit(restricted)) as Bits<F['restricted']>,
    token_header: tokenHeader as F['tokenHeader'],
    token_life_seconds: tokenLifeSeconds as F['tokenLifeSeconds'],
  }
}

function toRegistry(row: Selectable<Tables['registry']>, groups: GroupNames): ManagedRegistry {
  return {
    id: row.id,
    name: row.name,
    service: row.service,
    url: row.url,
    insecure: row.insecure === 1,
    restricted: row.restricted === 1,
    ...groups,
    tokenHeader: toTokenHeader(row.token_header),
    tokenLifeSeconds: row.token_life_seconds,
    createdAt: row.created_at,
  }
}

function toTokenHeader(text: string): TokenHeader {
  return TOKEN_HEADERS.find((header) => header === text) ?? 'x5c'
}
