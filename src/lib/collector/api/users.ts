import {Type} from 'typebox'
import {HoldfastError} from '../../core/errors.ts'
import {Secret} from '../../core/secret.ts'
import {INTERNAL_SOURCE, type User} from '../objects.ts'
import {assertAdministrator, type Call, defineOperation, found, shape} from './operation.ts'
import {Email, Nothing, Removed, UserName, UserShape} from './shapes.ts'

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
    if (SERVICE_ACCOUNT.test(name))
      throw new HoldfastError('USAGE', `cannot add user "${name}": names that end in @service are those of services`)
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
  }),
  output: UserShape,
  secretInputs: ['password'],
  async run({name, password, ...change}, call) {
    assertAdministrator(call, `change user "${name}"`)
    const user = found(await call.store.findUser(name), 'user', name)
    if (password !== undefined && user.source !== INTERNAL_SOURCE) {
      throw new HoldfastError('USAGE', `cannot change the password of "${name}": it is kept in ${user.source}`)
    }
    const passwordHash = password === undefined ? undefined : await call.secrets.hashPassword(new Secret(password))
    await call.store.updateUser(user.id, {...change, passwordHash})
    // What was given out under the old password, or to whom has nothing any more, ends with it.
    if (password !== undefined || change.isDisabled) await call.store.revokeRefreshTokens({subject: {kind: 'user', id: user.id}})
    return plain(found(await call.store.findUser(name), 'user', name))
  },
})

export const removeUser = defineOperation({
  id: 'user.remove',
  method: 'DELETE',
  path: '/users/{name}',
  summary: 'Removes a user for good; the name is not given again.',
  input: Named,
  output: Removed,
  async run({name}, call) {
    assertAdministrator(call, `remove user "${name}"`)
    await call.store.removeUser(found(await call.store.findUser(name), 'user', name).id)
    return {removed: name}
  },
})

export const USER_OPERATIONS = [addUser, listUsers, showUser, updateUser, removeUser]

function isSelf({caller}: Call, name: string): boolean {
  return caller.kind === 'user' && caller.user.name === name
}

function plain(user: User) {
  return {...user, groups: [...user.groups], privileges: [...user.privileges]}
}
