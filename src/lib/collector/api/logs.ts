import {Type} from 'typebox'
import {assertAdministrator, defineOperation, shape} from './operation.ts'
import {Limit, Time} from './shapes.ts'

const DEFAULT_LIMIT = 100

export const listAudit = defineOperation({
  id: 'audit.list',
  method: 'GET',
  path: '/audit',
  summary: 'Lists who did, or was refused, what, under which rule: the newest, oldest first.',
  input: shape({principal: Type.Optional(Type.String()), since: Type.Optional(Time), limit: Type.Optional(Limit)}),
  output: shape({
    entries: Type.Array(
      shape({
        id: Type.Integer(),
        at: Time,
        requestId: Type.String(),
        principal: Type.String({description: 'user name, NAME@service, or - for nobody who is known'}),
        address: Type.String(),
        action: Type.String(),
        object: Type.String(),
        outcome: Type.Enum(['granted', 'refused', 'failed']),
        rule: Type.String({description: 'of the access policy, or an error code'}),
        reason: Type.Optional(Type.String({description: 'more than the caller was told'})),
      }),
    ),
  }),
  async run({limit = DEFAULT_LIMIT, ...filter}, call) {
    assertAdministrator(call, 'read the audit log')
    return {entries: (await call.store.listAudit({...filter, limit})).map((entry) => ({...entry}))}
  },
})

export const listEvents = defineOperation({
  id: 'events.list',
  method: 'GET',
  path: '/events',
  summary: 'Lists what registries have notified of: the newest, oldest first.',
  input: shape({
    registry: Type.Optional(Type.String()),
    repository: Type.Optional(Type.String()),
    action: Type.Optional(Type.Enum(['push', 'pull', 'mount', 'delete'])),
    since: Type.Optional(Time),
    after: Type.Optional(Type.Integer({description: 'newer than the event of this id'})),
    limit: Type.Optional(Limit),
  }),
  output: shape({
    events: Type.Array(
      shape({
        id: Type.Integer(),
        registry: Type.String(),
        eventId: Type.String(),
        occurredAt: Time,
        receivedAt: Time,
        action: Type.String(),
        repository: Type.String(),
        tag: Type.Optional(Type.String()),
        digest: Type.Optional(Type.String()),
        mediaType: Type.Optional(Type.String()),
        actor: Type.Optional(Type.String()),
        address: Type.Optional(Type.String()),
        userAgent: Type.Optional(Type.String()),
      }),
    ),
  }),
  async run({limit = DEFAULT_LIMIT, ...filter}, call) {
    assertAdministrator(call, 'read the event log')
    return {events: (await call.store.listEvents({...filter, limit})).map((event) => ({...event}))}
  },
})

export const LOG_OPERATIONS = [listAudit, listEvents]
