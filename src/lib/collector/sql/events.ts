import {type Kysely, sql} from 'kysely'
import type {EventRow, EventStore} from '../store.ts'
import {applyChange} from './index-store.ts'
import type {Tables} from './tables.ts'
import {inTransaction} from './transaction.ts'
import {now} from './values.ts'

export function createEventStore(database: Kysely<Tables>): EventStore {
  return {
    async appendEvents(registryId, events, changes) {
      if (events.length === 0) return new Set()
      const receivedAt = now()
      return await inTransaction(database, async (transaction) => {
        const rows = await transaction
          .insertInto('event')
          .values(
            events.map((event) => ({
              registry_id: registryId,
              event_id: event.eventId,
              occurred_at: event.occurredAt,
              received_at: receivedAt,
              action: event.action,
              repository: event.repository,
              tag: event.tag ?? null,
              digest: event.digest ?? null,
              media_type: event.mediaType ?? null,
              actor: event.actor ?? null,
              address: event.address ?? null,
              user_agent: event.userAgent ?? null,
            })),
          )
          .onConflict((conflict) => conflict.columns(['registry_id', 'event_id']).doNothing())
          .returning('event_id')
          .execute()
        const fresh = new Set(rows.map(({event_id}) => event_id))
        for (const {eventId} of events) {
          const change = fresh.has(eventId) ? changes.get(eventId) : undefined
          if (change !== undefined) await applyChange(transaction, registryId, change)
        }
        return fresh
      })
    },
    async listEvents({registry, repository, action, since, after, limit, scope}) {
      let query = database
        .selectFrom('event')
        .innerJoin('registry', 'registry.id', 'event.registry_id')
        .selectAll('event')
        .select('registry.name as registry_name')
        .orderBy('event.id', after === undefined ? 'desc' : 'asc')
        .limit(limit)
      if (scope !== undefined) {
        query = query.where(({eb, or}) =>
          or([
            ...(scope.registries.length === 0 ? [] : [eb('event.registry_id', 'in', scope.registries)]),
            // Not LIKE: names have underscores.
            ...scope.namespaces.map((prefix) => eb(sql<string>`substr(event.repository, 1, ${sql.lit(prefix.length)})`, '=', prefix)),
          ]),
        )
      }
      if (registry !== undefined) query = query.where('registry.name', '=', registry)
      if (repository !== undefined) query = query.where('event.repository', '=', repository)
      if (action !== undefined) query = query.where('event.action', '=', action)
      if (since !== undefined) query = query.where('event.received_at', '>=', since)
      if (after !== undefined) query = query.where('event.id', '>', after)
      const rows = (await query.execute()).map(
        (row): EventRow => ({
          id: row.id,
          registry: row.registry_name,
          eventId: row.event_id,
          occurredAt: row.occurred_at,
          receivedAt: row.received_at,
          action: row.action,
          repository: row.repository,
          ...(row.tag === null ? {} : {tag: row.tag}),
          ...(row.digest === null ? {} : {digest: row.digest}),
          ...(row.media_type === null ? {} : {mediaType: row.media_type}),
          ...(row.actor === null ? {} : {actor: row.actor}),
          ...(row.address === null ? {} : {address: row.address}),
          ...(row.user_agent === null ? {} : {userAgent: row.user_agent}),
        }),
      )
      return after === undefined ? rows.toReversed() : rows
    },
  }
}
