import type {Kysely, Selectable} from 'kysely'
import {EMBEDDED_REGISTRY, type ManagedRegistry, TOKEN_HEADERS, type TokenHeader} from '../objects.ts'
import {placeOf} from '../registry-place.ts'
import type {ManagedRegistryStore, RegistryFacts} from '../store.ts'
import {type GroupNames, namesOfGroups, replaceGroups} from './group-roles.ts'
import type {Tables} from './tables.ts'
import {bury} from './tombstones.ts'
import {inTransaction} from './transaction.ts'
import {now, present, refuseDuplicate, toBit} from './values.ts'

export function createManagedRegistryStore(database: Kysely<Tables>): ManagedRegistryStore {
  return {
    addManagedRegistry: (registry) =>
      refuseDuplicate(
        'registry',
        registry.name,
        'add',
        async () => {
          const {name, url} = registry
          const row = await database
            .insertInto('registry')
            .values({
              ...toColumns(registry),
              name,
              events_secret_hash: null,
              created_at: now(),
              url_key: urlKey(name, url),
              proven_at: null,
            })
            .returningAll()
            .executeTakeFirstOrThrow()
          return toRegistry(row, {responsibles: [], publications: []})
        },
        conflicts(registry),
      ),
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
        const row = await transaction.selectFrom('registry').select(['name', 'url', 'service']).where('id', '=', id).executeTakeFirst()
        if (row === undefined) return
        const {url = row.url, service = row.service} = facts
        const change = {
          ...present(toColumns(facts)),
          ...present({events_secret_hash: eventsSecretHash}),
          ...(facts.url === undefined ? {} : {url_key: urlKey(row.name, url)}),
          ...(url === row.url && service === row.service ? {} : {proven_at: null}),
        }
        if (Object.keys(change).length > 0) {
          const update = () => transaction.updateTable('registry').set(change).where('id', '=', id).execute()
          await refuseDuplicate('registry', row.name, 'change', update, conflicts({url, service}))
        }
        await replaceGroups(transaction, 'registry', id, 'publication', publications)
        await replaceGroups(transaction, 'registry', id, 'responsible', responsibles)
      }),
    async markProven({id, url, service}, provenAt) {
      await database
        .updateTable('registry')
        .set({proven_at: provenAt ?? null})
        .where('id', '=', id)
        .where('url', '=', url)
        .where('service', '=', service)
        .execute()
    },
    removeManagedRegistry: (id) =>
      inTransaction(database, async (transaction) => {
        const groups = await transaction
          .selectFrom('registry_group')
          .select(['group_id as id', 'role'])
          .where('registry_id', '=', id)
          .execute()
        const found = await transaction.deleteFrom('registry').where('id', '=', id).returningAll().executeTakeFirst()
        if (found === undefined) return
        // Neither a secret nor a proof comes back with what is restored.
        const {events_secret_hash: _, proven_at: __, ...row} = found
        await bury(transaction, 'registry', {name: row.name, id, remains: {row, groups}})
      }),
    async findEventsSecretHash(id) {
      const row = await database.selectFrom('registry').select('events_secret_hash').where('id', '=', id).executeTakeFirst()
      return row?.events_secret_hash ?? undefined
    },
  }
}

/** The registry of `serve` may be behind the name of another one, and takes it from none. */
function urlKey(name: string, url: string): string | null {
  return name === EMBEDDED_REGISTRY ? null : (placeOf(url) ?? null)
}

/** What of a registry another one may have. */
function conflicts({url, service}: Pick<RegistryFacts, 'url' | 'service'>): Readonly<Record<string, string>> {
  return {url_key: `another registry is at "${url}"`, service: `another registry has the service "${service}"`}
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
    ...(row.proven_at === null ? {} : {provenAt: row.proven_at}),
  }
}

function toTokenHeader(text: string): TokenHeader {
  return TOKEN_HEADERS.find((header) => header === text) ?? 'x5c'
}
