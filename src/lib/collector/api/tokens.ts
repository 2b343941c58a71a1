import {Type} from 'typebox'
import type {IssuedToken} from '../store.ts'
import {assertAdministrator, type Call, defineOperation, found, shape} from './operation.ts'
import {Nothing, Time, UserName} from './shapes.ts'

const TokenShape = shape({
  id: Type.Integer(),
  account: Type.String({description: 'user name, or NAME@service'}),
  service: Type.String({description: 'the registry that it was given for'}),
  client: Type.String(),
  createdAt: Time,
  usedAt: Time,
  expiresAt: Time,
})

export const listTokens = defineOperation({
  id: 'token.list',
  method: 'GET',
  path: '/tokens',
  summary: 'Lists the identity tokens that were given out, newest first: of all, or to a user his own.',
  input: Nothing,
  output: shape({tokens: Type.Array(TokenShape)}),
  async run(_input, call) {
    const {caller, store} = call
    const own = caller.kind === 'user' && !caller.user.isAdministrator ? ({kind: 'user', id: caller.user.id} as const) : undefined
    const [tokens, users, services] = await Promise.all([store.listRefreshTokens(own), store.listUsers(), store.listServices()])
    const names = new Map([
      ...users.map(({id, name}) => [`user ${id}`, name] as const),
      ...services.map(({id, name}) => [`service ${id}`, `${name}@service`] as const),
    ])
    return {tokens: tokens.map((token) => describe(token, names))}
  },
})

export const revokeToken = defineOperation({
  id: 'token.revoke',
  method: 'DELETE',
  path: '/tokens/{id}',
  summary: 'Takes an identity token back; what it was exchanged for ends by itself, after minutes.',
  input: shape({id: Type.Integer()}),
  output: shape({revoked: Type.Integer()}),
  async run({id}, call) {
    const tokens = await call.store.listRefreshTokens()
    const token = found(
      tokens.find((one) => one.id === id && mayRevoke(call, one)),
      'token',
      String(id),
    )
    return {revoked: await call.store.revokeRefreshTokens({id: token.id})}
  },
})

export const revokeTokensOf = defineOperation({
  id: 'token.revoke-of-user',
  method: 'DELETE',
  path: '/users/{name}/tokens',
  summary: 'Takes all identity tokens of a user back.',
  input: shape({name: UserName}),
  output: shape({revoked: Type.Integer()}),
  async run({name}, call) {
    if (call.caller.kind !== 'user' || call.caller.user.name !== name) assertAdministrator(call, `revoke the tokens of "${name}"`)
    const user = found(await call.store.findUser(name), 'user', name)
    return {revoked: await call.store.revokeRefreshTokens({subject: {kind: 'user', id: user.id}})}
  },
})

export const TOKEN_OPERATIONS = [listTokens, revokeToken, revokeTokensOf]

function mayRevoke({caller}: Call, {subject}: IssuedToken): boolean {
  if (caller.kind === 'machine' || caller.user.isAdministrator) return true
  return subject.kind === 'user' && subject.id === caller.user.id
}

function describe({subject, ...token}: IssuedToken, names: ReadonlyMap<string, string>) {
  return {...token, account: names.get(`${subject.kind} ${subject.id}`) ?? '-'}
}
