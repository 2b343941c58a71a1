import {Type} from 'typebox'
import {HoldfastError, hasCode} from '../../core/errors.ts'
import {Secret} from '../../core/secret.ts'
import {shellCommand} from '../../core/shell.ts'
import {INTERNAL_SOURCE, type User} from '../objects.ts'
import {assertAdministrator, type Call, defineOperation, found, shape} from './operation.ts'
import {Email, GroupName, Nothing, Removed, UserName, UserShape} from './shapes.ts'

/** Services log in under names like this. */
const SERVICE_ACCOUNT = /@service$/i
const MIN_PASSWORD_CHARACTERS = 8
const MAX_PASSWORD_CHARACTERS = 1024

const Password = Type.String({minLength: MIN_PASSWORD_CHARACTERS, maxLength: MAX_PASSWORD_CHARACTERS})
const Named = shape({name: UserName})

export const addUser = defineOperation({
  id: 'user.add',
  method: 'POST',
  path: '/users',
  summary: 'Adds a user with a password here, or one whom a directory knows.',
  input: shape({
    name: UserName,
    email: Type.Optional(Email),
    password: Type.Optional(Password),
    source: Type.Optional(Type.String({minLength: 1, maxLength: 64})),
    isAdministrator: Type.Optional(Type.Boolean()),
  }),
  output: UserShape,
  secretInputs: ['password'],
  async run({name, email, password, source = INTERNAL_SOURCE, isAdministrator}, call) {
    assertAdministrator(call, `add user "${name}"`)
    assertNoService(name)
    if (source === INTERNAL_SOURCE && password === undefined) {
      throw new HoldfastError('USAGE', `cannot add user "${name}": an account of this collector needs a password`, {
        hints: [`holdfast user add ${name} --password-stdin < FILE`],
      })
    }
    const passwordHash = password === undefined ? undefined : await call.secrets.hashPassword(new Secret(password))
    return plain(await call.store.addUser({name, email, source, passwordHash, isAdministrator}))
  },
})

export const listUsers = defineOperation({
  id: 'user.list',
  method: 'GET',
  path: '/users',
  summary: 'Lists the users by name.',
  input: Nothing,
  output: shape({users: Type.Array(UserShape)}),
  async run(_input, call) {
    assertAdministrator(call, 'list users')
    return {users: (await call.store.listUsers()).map(plain)}
  },
})

export const showUser = defineOperation({
  id: 'user.show',
  method: 'GET',
  path: '/users/{name}',
  summary: 'Shows a user; everybody may see himself.',
  input: Named,
  output: UserShape,
  async run({name}, call) {
    if (!isSelf(call, name)) assertAdministrator(call, `show user "${name}"`)
    return plain(found(await call.store.findUser(name), 'user', name))
  },
})

export const updateUser = defineOperation({
  id: 'user.update',
  method: 'PATCH',
  path: '/users/{name}',
  summary: 'Changes a user. One who is disabled has nothing any more, at once.',
  input: shape({
    name: UserName,
    email: Type.Optional(Email),
    password: Type.Optional(Password),
    isDisabled: Type.Optional(Type.Boolean()),
    isAdministrator: Type.Optional(Type.Boolean()),
    primaryGroup: Type.Optional(GroupName),
  }),
  output: UserShape,
  secretInputs: ['password'],
  async run({name, password, primaryGroup, ...change}, call) {
    assertAdministrator(call, `change user "${name}"`)
    const user = found(await call.store.findUser(name), 'user', name)
    if (password !== undefined) assertInternal(user)
    const primaryGroupId = primaryGroup === undefined ? undefined : await primaryGroupOf(user, primaryGroup, call)
    const passwordHash = password === undefined ? undefined : await call.secrets.hashPassword(new Secret(password))
    await call.store.updateUser(user.id, {...change, passwordHash, primaryGroupId})
    // What was given out under the old password, or to whom has nothing any more, ends with it.
    if (password !== undefined || change.isDisabled) await endLogins(user, call)
    return plain(found(await call.store.findUser(name), 'user', name))
  },
})

export const changePassword = defineOperation({
  id: 'user.change-password',
  method: 'POST',
  path: '/users/{name}/password',
  summary:
    'Changes the password of a user: one’s own with the current one, that of another user as an administrator. Sessions and identity tokens end.',
  input: shape({name: UserName, password: Password, currentPassword: Type.Optional(Type.String({maxLength: MAX_PASSWORD_CHARACTERS}))}),
  output: shape({changed: Type.String()}),
  secretInputs: ['password', 'currentPassword'],
  async run({name, password, currentPassword}, call) {
    if (isSelf(call, name)) await proveSelf(name, currentPassword, call)
    else assertAdministrator(call, `change the password of "${name}"`)
    const user = found(await call.store.findUser(name), 'user', name)
    assertInternal(user)
    await call.store.updateUser(user.id, {passwordHash: await call.secrets.hashPassword(new Secret(password))})
    await endLogins(user, call)
    return {changed: name}
  },
})

export const removeUser = defineOperation({
  id: 'user.remove',
  method: 'DELETE',
  path: '/users/{name}',
  summary: 'Removes a user. The name is not given to another one, and the user can be restored.',
  input: Named,
  output: Removed,
  async run({name}, call) {
    assertAdministrator(call, `remove user "${name}"`)
    await call.store.removeUser(found(await call.store.findUser(name), 'user', name).id)
    return {removed: name}
  },
})

export const USER_OPERATIONS = [addUser, listUsers, showUser, updateUser, changePassword, removeUser]

/** A session alone is not enough: a thief of one could keep the account. Guesses are slowed down as logins are. */
async function proveSelf(name: string, password: string | undefined, {provePassword}: Call): Promise<void> {
  const refused = (reason: string): HoldfastError =>
    new HoldfastError('DENIED', `cannot change the password of "${name}": ${reason}`, {hints: [`holdfast user password ${name}`]})
  if (password === undefined) throw refused('the current password is missing')
  if (provePassword === undefined) throw refused('the current password cannot be checked here')
  try {
    await provePassword(name, new Secret(password))
  } catch (error) {
    throw hasCode(error, 'UNAUTHENTICATED') ? refused('the current password is wrong') : error
  }
}

/** @throws {HoldfastError} USAGE for a password that a directory keeps. */
function assertInternal({name, source}: User): void {
  if (source !== INTERNAL_SOURCE) throw new HoldfastError('USAGE', `cannot change the password of "${name}": it is kept in ${source}`)
}

function isSelf({caller}: Call, name: string): boolean {
  return caller.kind === 'user' && caller.user.name === name
}

/** @throws {HoldfastError} USAGE unless the user is a member. */
async function primaryGroupOf({name, groups}: User, group: string, {store}: Call): Promise<number> {
  const {id} = found(await store.findGroup(group), 'group', group)
  if (groups.includes(group)) return id
  throw new HoldfastError('USAGE', `cannot make "${group}" the primary group of "${name}": the user is not a member`, {
    hints: [shellCommand`holdfast group add-member ${group} ${name}`],
  })
}

/** @throws {HoldfastError} USAGE for a name under which a service logs in. */
export function assertNoService(name: string): void {
  if (SERVICE_ACCOUNT.test(name))
    throw new HoldfastError('USAGE', `cannot add user "${name}": names that end in @service are those of services`)
}

/** What was given out for the old password ends with it. */
async function endLogins({id}: User, {store}: Call): Promise<void> {
  await store.revokeRefreshTokens({subject: {kind: 'user', id}})
  await store.removeSessionsOf(id)
}

function plain(user: User) {
  return {...user, groups: [...user.groups], privileges: [...user.privileges]}
}
