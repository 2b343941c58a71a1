import {Type} from 'typebox'
import type {EventScope} from '../store.ts'
import {assertAdministrator, type Call, defineOperation, hasPrivilege, shape} from './operation.ts'
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
  summary:
    'Lists what registries have notified of, and what was deleted through the collector: the newest, oldest first. Users see what happened to their own repositories, managers all of the registries that they are responsible for, administrators everything.',
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
    const scope = await eventScopeOf(call)
    return {events: (await call.store.listEvents({...filter, limit, scope})).map((event) => ({...event}))}
  },
})

export const LOG_OPERATIONS = [listAudit, listEvents]

/** Whose events the caller may read; undefined for everything. */
async function eventScopeOf(call: Call): Promise<EventScope | undefined> {
  const {caller, store} = call
  if (caller.kind === 'machine' || caller.user.isAdministrator) return undefined
  const {user} = caller
  const isManager = await hasPrivilege(call, 'Manager')
  const registries = isManager
    ? (await store.listManagedRegistries()).filter(({responsibles}) => intersects(user.groups, responsibles))
    : []
  const groups = (await Promise.all(user.groups.map((name) => store.findGroup(name)))).flatMap((group) => group ?? [])
  const apps = (await store.listApps()).filter(({responsibles}) => intersects(user.groups, responsibles))
  const namespaces = [
    ...[user.name, user.id].map((owner) => `users/${owner}/`),
    ...groups.flatMap(({name, id}) => [`groups/${name}/`, `groups/${id}/`]),
    ...apps.flatMap(({code, id}) => [`apps/${code}/`, `apps/${id}/`]),
  ]
  return {registries: registries.map(({id}) => id), namespaces}
}

function intersects(a: readonly string[], b: readonly string[]): boolean {
  return a.some((name) => b.includes(name))
}
