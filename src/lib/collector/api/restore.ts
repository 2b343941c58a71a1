import {Type} from 'typebox'
import {HoldfastError} from '../../core/errors.ts'
import type {ObjectKind} from '../objects.ts'
import {OBJECT_KINDS} from '../objects.ts'
import {assertAdministrator, type Call, defineOperation, shape} from './operation.ts'
import {AppCode, GroupName, Nothing, RegistryName, ServiceName, Time, UserName} from './shapes.ts'

const Restored = shape({restored: Type.String(), id: Type.Integer({description: 'the one that it had'})})

export const restoreUser = defineOperation({
  id: 'user.restore',
  method: 'POST',
  path: '/users/{name}/restoration',
  summary: 'Restores a user who was removed, with the same name, id, groups and privileges, and without a password.',
  input: shape({name: UserName}),
  output: Restored,
  run: ({name}, call) => restore('user', name, call, (store) => store.findUser(name)),
})

export const restoreGroup = defineOperation({
  id: 'group.restore',
  method: 'POST',
  path: '/groups/{name}/restoration',
  summary: 'Restores a group that was removed, with the same name and id, its members, and what was published to it.',
  input: shape({name: GroupName}),
  output: Restored,
  run: ({name}, call) => restore('group', name, call, (store) => store.findGroup(name)),
})

export const restoreApp = defineOperation({
  id: 'app.restore',
  method: 'POST',
  path: '/apps/{code}/restoration',
  summary: 'Restores an app that was removed, with the same code, id and groups; its services are restored apart.',
  input: shape({code: AppCode}),
  output: Restored,
  run: ({code}, call) => restore('app', code, call, (store) => store.findApp(code)),
})

export const restoreService = defineOperation({
  id: 'service.restore',
  method: 'POST',
  path: '/services/{name}/restoration',
  summary: 'Restores a service that was removed, with the same name, id and app, and without its secret.',
  input: shape({name: ServiceName}),
  output: Restored,
  run: ({name}, call) => restore('service', name, call, (store) => store.findService(name)),
})

export const restoreRegistry = defineOperation({
  id: 'registry.restore',
  method: 'POST',
  path: '/registries/{name}/restoration',
  summary: 'Manages a registry again that was given up, with the same id, settings and groups, and without its events secret.',
  input: shape({name: RegistryName}),
  output: Restored,
  run: ({name}, call) => restore('registry', name, call, (store) => store.findManagedRegistry({name})),
})

export const listRemoved = defineOperation({
  id: 'removed.list',
  method: 'GET',
  path: '/removed',
  summary: 'Lists what was removed and can be restored.',
  input: Nothing,
  output: shape({
    removed: Type.Array(
      shape({
        kind: Type.Enum([...OBJECT_KINDS]),
        name: Type.String(),
        id: Type.Optional(Type.Integer({description: 'absent for what an older Holdfast removed'})),
        removedAt: Type.Optional(Time),
      }),
    ),
  }),
  async run(_input, call) {
    assertAdministrator(call, 'list what was removed')
    return {removed: (await call.store.listRemoved()).map((one) => ({...one}))}
  },
})

export const RESTORE_OPERATIONS = [restoreUser, restoreGroup, restoreApp, restoreService, restoreRegistry, listRemoved]

async function restore(
  kind: ObjectKind,
  name: string,
  call: Call,
  find: (store: Call['store']) => Promise<{readonly id: number} | undefined>,
): Promise<{restored: string; id: number}> {
  assertAdministrator(call, `restore ${kind} "${name}"`)
  const wasRemoved = await call.store.restoreRemoved(kind, name)
  const object = wasRemoved ? await find(call.store) : undefined
  if (object !== undefined) return {restored: name, id: object.id}
  throw new HoldfastError('OBJECT_NOT_FOUND', `cannot restore ${kind} "${name}": none of that name was removed`, {
    hints: ['holdfast collector removed'],
  })
}
