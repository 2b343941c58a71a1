import {Type} from 'typebox'
import {HoldfastError} from '../../core/errors.ts'
import {type Group, PRIVILEGE_PREFIX, PRIVILEGES, type Privilege} from '../objects.ts'
import {assertAdministrator, type Call, defineOperation, found, shape} from './operation.ts'
import {GroupName, GroupShape, Nothing, PrivilegeName, Removed, UserNames} from './shapes.ts'

const Named = shape({name: GroupName})
const Members = shape({name: GroupName, users: UserNames})

export const addGroup = defineOperation({
  id: 'group.add',
  method: 'POST',
  path: '/groups',
  summary: 'Adds an organisational group.',
  input: Named,
  output: GroupShape,
  async run({name}, call) {
    assertAdministrator(call, `add group "${name}"`)
    return plain(await call.store.addGroup(name))
  },
})

export const listGroups = defineOperation({
  id: 'group.list',
  method: 'GET',
  path: '/groups',
  summary: 'Lists the groups by name.',
  input: Nothing,
  output: shape({groups: Type.Array(GroupShape)}),
  async run(_input, call) {
    assertAdministrator(call, 'list groups')
    return {groups: (await call.store.listGroups()).map(plain)}
  },
})

export const showGroup = defineOperation({
  id: 'group.show',
  method: 'GET',
  path: '/groups/{name}',
  summary: 'Shows a group.',
  input: Named,
  output: GroupShape,
  async run({name}, call) {
    assertAdministrator(call, `show group "${name}"`)
    return plain(found(await call.store.findGroup(name), 'group', name))
  },
})

export const removeGroup = defineOperation({
  id: 'group.remove',
  method: 'DELETE',
  path: '/groups/{name}',
  summary: 'Removes an organisational group; what was published to it is not any more.',
  input: Named,
  output: Removed,
  async run({name}, call) {
    assertAdministrator(call, `remove group "${name}"`)
    await call.store.removeGroup((await organisational(call, name)).id)
    return {removed: name}
  },
})

export const addMembers = defineOperation({
  id: 'group.add-members',
  method: 'POST',
  path: '/groups/{name}/members',
  summary: 'Makes users members of an organisational group.',
  input: Members,
  output: GroupShape,
  async run({name, users}, call) {
    assertAdministrator(call, `add members to group "${name}"`)
    return await setMembers(call, await organisational(call, name), users, 'addMember')
  },
})

export const removeMembers = defineOperation({
  id: 'group.remove-members',
  method: 'DELETE',
  path: '/groups/{name}/members',
  summary: 'Takes users out of an organisational group.',
  input: Members,
  output: GroupShape,
  async run({name, users}, call) {
    assertAdministrator(call, `remove members of group "${name}"`)
    return await setMembers(call, await organisational(call, name), users, 'removeMember')
  },
})

const Holders = shape({privilege: PrivilegeName, holders: Type.Array(Type.String())})

export const listPrivileges = defineOperation({
  id: 'privilege.list',
  method: 'GET',
  path: '/privileges',
  summary: 'Lists who has which privilege.',
  input: Nothing,
  output: shape({privileges: Type.Array(Holders)}),
  async run(_input, call) {
    assertAdministrator(call, 'list privileges')
    return {privileges: await Promise.all(PRIVILEGES.map(async (privilege) => holders(privilege, await groupOf(call, privilege))))}
  },
})

const Grant = shape({privilege: PrivilegeName, users: UserNames})

export const grantPrivilege = defineOperation({
  id: 'privilege.grant',
  method: 'POST',
  path: '/privileges/{privilege}/holders',
  summary: 'Gives users a privilege.',
  input: Grant,
  output: Holders,
  async run({privilege, users}, call) {
    assertAdministrator(call, `grant ${privilege}`)
    return holders(privilege, await setMembers(call, await groupOf(call, privilege), users, 'addMember'))
  },
})

export const revokePrivilege = defineOperation({
  id: 'privilege.revoke',
  method: 'DELETE',
  path: '/privileges/{privilege}/holders',
  summary: 'Takes a privilege from users.',
  input: Grant,
  output: Holders,
  async run({privilege, users}, call) {
    assertAdministrator(call, `revoke ${privilege}`)
    return holders(privilege, await setMembers(call, await groupOf(call, privilege), users, 'removeMember'))
  },
})

export const GROUP_OPERATIONS = [
  addGroup,
  listGroups,
  showGroup,
  removeGroup,
  addMembers,
  removeMembers,
  listPrivileges,
  grantPrivilege,
  revokePrivilege,
]

async function organisational(call: Call, name: string): Promise<Group> {
  const group = found(await call.store.findGroup(name), 'group', name)
  if (group.kind === 'organisational') return group
  throw new HoldfastError('USAGE', `cannot change group "${name}": it is a privilege`, {
    hints: [`holdfast privilege grant ${name.slice(PRIVILEGE_PREFIX.length)} USER`],
  })
}

async function groupOf({store}: Call, privilege: Privilege): Promise<Group> {
  return found(await store.findGroup(`${PRIVILEGE_PREFIX}${privilege}`), 'group', privilege)
}

/** All of the users must be there before any is changed. */
async function setMembers(call: Call, group: Group, users: readonly string[], verb: 'addMember' | 'removeMember') {
  const ids = await Promise.all(users.map(async (name) => found(await call.store.findUser(name), 'user', name).id))
  for (const id of ids) await call.store[verb](group.id, id)
  return plain(found(await call.store.findGroup(group.id), 'group', group.name))
}

function holders(privilege: Privilege, group: {readonly members: readonly string[]}) {
  return {privilege, holders: [...group.members]}
}

function plain(group: Group) {
  return {...group, members: [...group.members]}
}
