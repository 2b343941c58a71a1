/** Makes a collector what a document says, one object after the other: whoever dies in between leaves objects that are whole, and the next run does the rest. */
import {addApp, removeApp, updateApp} from '../api/apps.ts'
import {addGroup, removeGroup} from '../api/groups.ts'
import {type Call, found, groupIds} from '../api/operation.ts'
import {manageRegistry, unmanageRegistry, updateManagedRegistry} from '../api/registries.ts'
import {addService, removeService, updateService} from '../api/services.ts'
import {updateSettings} from '../api/settings.ts'
import {removeUser, updateUser} from '../api/users.ts'
import {INTERNAL_SOURCE, PRIVILEGE_PREFIX, PRIVILEGES} from '../objects.ts'
import type {CollectorDocument, UserEntry} from './document.ts'
import type {PlannedChange} from './plan.ts'

export async function applyChange(change: PlannedChange, document: CollectorDocument, call: Call): Promise<void> {
  const {action, kind, name} = change
  if (action === 'remove') return await remove(change, call)
  switch (kind) {
    case 'policy':
      if (document.policy !== undefined) await updateSettings.run({policy: document.policy}, call)
      return
    case 'group':
      await addGroup.run({name}, call)
      return
    case 'user': {
      const entry = found(
        document.users?.find((user) => user.name === name),
        kind,
        name,
      )
      return await applyUser(entry, action, call)
    }
    case 'app': {
      const entry = found(
        document.apps?.find(({code}) => code === name),
        kind,
        name,
      )
      await (action === 'add' ? addApp : updateApp).run(entry, call)
      return
    }
    case 'service': {
      const {app, disabled} = found(
        document.services?.find((service) => service.name === name),
        kind,
        name,
      )
      // Its secret is nobody's until it is renewed: a document that is applied by a machine prints none.
      if (action === 'add') await addService.run({name, app}, call)
      if (disabled !== undefined) await updateService.run({name, isDisabled: disabled}, call)
      return
    }
    case 'registry': {
      const entry = found(
        document.registries?.find((registry) => registry.name === name),
        kind,
        name,
      )
      await (action === 'add' ? manageRegistry : updateManagedRegistry).run(entry, call)
      return
    }
  }
}

/** A user who is added has no password yet, and so cannot log in before one is set. */
async function applyUser(
  {name, email, groups, privileges, administrator, disabled}: UserEntry,
  action: 'add' | 'change',
  call: Call,
): Promise<void> {
  const {store} = call
  const wanted = await groupIds(call, groups)
  if (action === 'add') await store.addUser({name, email, source: INTERNAL_SOURCE})
  const change = {
    ...(email === undefined ? {} : {email}),
    ...(administrator === undefined ? {} : {isAdministrator: administrator}),
    ...(disabled === undefined ? {} : {isDisabled: disabled}),
  }
  await updateUser.run({name, ...change}, call)
  const user = found(await store.findUser(name), 'user', name)
  if (wanted !== undefined) {
    const own = await store.groupsOfUser(user.id)
    for (const id of wanted) if (!own.has(id)) await store.addMember(id, user.id)
    for (const id of own) if (!wanted.includes(id)) await store.removeMember(id, user.id)
  }
  if (privileges === undefined) return
  for (const privilege of PRIVILEGES) {
    const {id} = found(await store.findGroup(`${PRIVILEGE_PREFIX}${privilege}`), 'group', privilege)
    if (privileges.includes(privilege)) await store.addMember(id, user.id)
    else await store.removeMember(id, user.id)
  }
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
  }
}
