/** Makes the changes of a plan, in the transaction of the caller. */

import {HoldfastError} from '../../core/errors.ts'
import {isRepositoryName} from '../../oci/reference.ts'
import {removeApp, updateApp} from '../api/apps.ts'
import {removeGroup} from '../api/groups.ts'
import {type Call, found, groupIds} from '../api/operation.ts'
import {manageRegistry, unmanageRegistry, updateManagedRegistry} from '../api/registries.ts'
import {addService, removeService, updateService} from '../api/services.ts'
import {updateSettings} from '../api/settings.ts'
import {assertNoService, removeUser, updateUser} from '../api/users.ts'
import {INTERNAL_SOURCE, type ManagedRegistry, PRIVILEGE_PREFIX, PRIVILEGES} from '../objects.ts'
import type {CollectorDocument, RepositoryEntry, UserEntry} from './document.ts'
import type {PlannedChange} from './plan.ts'

export async function applyChange(change: PlannedChange, document: CollectorDocument, call: Call): Promise<void> {
  const {action, kind, name} = change
  if (action === 'remove') return await remove(change, call)
  if (action === 'restore' && kind !== 'policy' && kind !== 'repository') await call.store.restoreRemoved(kind, name)
  switch (kind) {
    case 'policy': {
      const {policy, responsibleSees} = document
      await updateSettings.run(
        {...(policy === undefined ? {} : {policy}), ...(responsibleSees === undefined ? {} : {responsibleSees})},
        call,
      )
      return
    }
    case 'group':
      if (action === 'add') await call.store.addGroup(name, document.ids?.groups?.[name])
      return
    case 'user':
      return await applyUser(named(document.users, name, kind), action, call, document.ids?.users?.[name])
    case 'app': {
      const entry = found(
        document.apps?.find(({code}) => code === name),
        kind,
        name,
      )
      // What is restored has no right that the document does not name.
      const groups = action === 'restore' ? {responsibles: [], publications: []} : {}
      if (action === 'add') await call.store.addApp(name, document.ids?.apps?.[name])
      await updateApp.run({...groups, ...entry}, call)
      return
    }
    case 'service': {
      const {app, disabled} = named(document.services, name, kind)
      // Its secret is not printed: a document is applied by machines. It is given by a renewal.
      if (action === 'add') await addService.run({name, app}, call)
      else await assertSameApp(name, app, call)
      if (disabled !== undefined) await updateService.run({name, isDisabled: disabled}, call)
      return
    }
    case 'registry': {
      const entry = named(document.registries, name, kind)
      const groups = action === 'restore' ? {responsibles: [], publications: []} : {}
      await (action === 'add' ? manageRegistry : updateManagedRegistry).run({...groups, ...entry}, call)
      return
    }
    case 'repository': {
      const entry = document.repositories?.find(({registry, name: repository}) => `${registry}/${repository}` === name)
      await applyRepository(found(entry, kind, name), call)
    }
  }
}

function named<Entry extends {readonly name: string}>(entries: readonly Entry[] | undefined, name: string, kind: string): Entry {
  return found(
    entries?.find((entry) => entry.name === name),
    kind,
    name,
  )
}

/** A user who is added or restored has no password, and cannot log in before one is set; one who is restored has no right that the document does not name. */
async function applyUser(entry: UserEntry, action: 'add' | 'restore' | 'change', call: Call, id: number | undefined): Promise<void> {
  const {store} = call
  const full: UserEntry = action === 'restore' ? {groups: [], privileges: [], administrator: false, disabled: false, ...entry} : entry
  const {name, email, source, subject, groups, primaryGroup, privileges, administrator, disabled} = full
  const wanted = await groupIds(call, groups)
  assertNoService(name)
  if (action === 'add') await store.addUser({name, email, source: source ?? INTERNAL_SOURCE, id})
  const change = {
    ...(email === undefined ? {} : {email}),
    ...(administrator === undefined ? {} : {isAdministrator: administrator}),
    ...(disabled === undefined ? {} : {isDisabled: disabled}),
  }
  await updateUser.run({name, ...change}, call)
  const user = found(await store.findUser(name), 'user', name)
  if (source !== undefined && source !== user.source) await store.updateUser(user.id, {source})
  if (subject !== undefined && !(await store.bindSubject(user.id, subject))) {
    throw new HoldfastError('CONFLICT', `cannot change user "${name}": the account is held to another person of ${user.source}`)
  }
  if (wanted !== undefined) {
    const own = await store.groupsOfUser(user.id)
    for (const id of wanted) if (!own.has(id)) await store.addMember(id, user.id)
    for (const id of own) if (!wanted.includes(id)) await store.removeMember(id, user.id)
  }
  if (primaryGroup !== undefined) await updateUser.run({name, primaryGroup}, call)
  if (privileges === undefined) return
  for (const privilege of PRIVILEGES) {
    const {id} = found(await store.findGroup(`${PRIVILEGE_PREFIX}${privilege}`), 'group', privilege)
    if (privileges.includes(privilege)) await store.addMember(id, user.id)
    else await store.removeMember(id, user.id)
  }
}

/** A service stays with its app: what it may pull depends on it. */
async function assertSameApp(name: string, app: string, {store}: Call): Promise<void> {
  const service = found(await store.findService(name), 'service', name)
  if (service.app === app) return
  throw new HoldfastError('CONFLICT', `cannot change service "${name}": it belongs to app "${service.app}", not to "${app}"`, {
    hints: [`holdfast service remove ${name} --yes`],
  })
}

async function applyRepository(entry: RepositoryEntry, {store}: Call): Promise<void> {
  const {registry, name, description, official, automated, stars} = entry
  const {id: registryId} = await registryNamed(registry, store)
  if (!isRepositoryName(name)) throw new HoldfastError('USAGE', `cannot apply the document: no repository can be called "${name}"`)
  const id = await store.expectRepository(registryId, name)
  await store.describeRepository(id, {description, isOfficial: official, isAutomated: automated})
  if (stars === undefined) return
  const wanted = new Set<number>()
  for (const user of stars) wanted.add(found(await store.findUser(user), 'user', user).id)
  await store.replaceStars(id, [...wanted])
}

async function registryNamed(name: string, store: Call['store']): Promise<ManagedRegistry> {
  return found(await store.findManagedRegistry({name}), 'registry', name)
}

async function remove({kind, name}: PlannedChange, call: Call): Promise<void> {
  switch (kind) {
    case 'policy':
      return
    case 'group':
      await removeGroup.run({name}, call)
      return
    case 'user':
      await removeUser.run({name}, call)
      return
    case 'app':
      await removeApp.run({code: name}, call)
      return
    case 'service':
      await removeService.run({name}, call)
      return
    case 'registry':
      await unmanageRegistry.run({name}, call)
      return
    case 'repository': {
      const slash = name.indexOf('/')
      const [registry, repository] = [name.slice(0, slash), name.slice(slash + 1)]
      await applyRepository({registry, name: repository, description: '', official: false, automated: false, stars: []}, call)
    }
  }
}
