/** The shapes of the collector's objects on the wire, and of their names. */
import {Type} from 'typebox'
import {PRIVILEGES, TOKEN_HEADERS} from '../objects.ts'
import {shape} from './operation.ts'

const MAX_LIST = 1000

const USER_NAME = '^(?![0-9]+$)[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$'
const GROUP_NAME = '^(?![0-9]+$)[^\\u0000-\\u001f\\u007f/]{1,128}$'

/** Whether a name from elsewhere can be a user's here. */
export function isUserName(text: string): boolean {
  return new RegExp(USER_NAME).test(text) && !text.toLowerCase().endsWith('@service')
}

/** Whether a name from elsewhere can be a group's here. */
export function isGroupName(text: string): boolean {
  return new RegExp(GROUP_NAME).test(text)
}

/** Letters, digits and `. _ @ + -`; not digits alone, since those are ids. */
export const UserName = Type.String({
  pattern: USER_NAME,
  description: 'letters, digits and . _ @ + -; not digits alone',
})
/** Anything printable; not digits alone. */
export const GroupName = Type.String({
  pattern: GROUP_NAME,
  description: 'printable; not digits alone',
})
/** A component of a repository's name; not digits alone. */
export const AppCode = Type.String({
  pattern: '^(?![0-9]+$)[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$',
  maxLength: 128,
  description: 'a component of a repository name; not digits alone',
})
export const ServiceName = Type.String({pattern: '^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$', description: 'letters, digits and . _ / -'})
export const RegistryName = Type.String({pattern: '^[a-z0-9]+(?:[._-]+[a-z0-9]+)*$', maxLength: 128})
export const RegistryUrl = Type.String({pattern: '^https?://[^/?#@\\s]+$', maxLength: 300, description: 'https://host[:port]'})
/** As people paste it: with a slash behind it, which says nothing. */
export const TypedRegistryUrl = Type.String({pattern: '^https?://[^/?#@\\s]+/?$', maxLength: 300, description: 'https://host[:port]'})
export const RegistryService = Type.String({pattern: '^[\\x21-\\x7e]{1,255}$', description: 'the audience of its tokens'})
export const RepositoryName = Type.String({maxLength: 255})
export const RepositoryDescription = Type.String({maxLength: 1000})
export const UserSource = Type.String({minLength: 1, maxLength: 64, description: 'internal, or the directory that knows the password'})
export const Email = Type.String({pattern: '^[^\\s@]+@[^\\s@]+$', maxLength: 254})
export const GroupNames = Type.Array(GroupName, {uniqueItems: true, maxItems: MAX_LIST})
export const UserNames = Type.Array(UserName, {minItems: 1, uniqueItems: true, maxItems: MAX_LIST})
export const PrivilegeName = Type.Enum([...PRIVILEGES])
export const TokenHeaderForm = Type.Enum([...TOKEN_HEADERS])
export const Time = Type.String({description: 'ISO 8601'})
export const Limit = Type.Integer({minimum: 1, maximum: MAX_LIST})
const Id = Type.Integer({description: 'stands for it in paths, and is never given again'})

export const UserShape = shape({
  id: Id,
  name: Type.String(),
  email: Type.Optional(Type.String()),
  source: Type.String({description: 'internal, or the directory that knows the password'}),
  subject: Type.Optional(Type.String({description: 'the id of the user at the directory or provider'})),
  isDisabled: Type.Boolean(),
  isAdministrator: Type.Boolean(),
  groups: Type.Array(Type.String()),
  primaryGroup: Type.Optional(Type.String({description: 'the one that a new registry of the user is for'})),
  privileges: Type.Array(PrivilegeName),
  createdAt: Time,
})

export const GroupShape = shape({
  id: Id,
  name: Type.String(),
  kind: Type.Enum(['organisational', 'privilege']),
  members: Type.Array(Type.String(), {description: 'user names'}),
})

export const AppShape = shape({
  id: Id,
  code: Type.String(),
  responsibles: Type.Array(Type.String(), {description: 'groups that may push below apps/<app>/'}),
  publications: Type.Array(Type.String(), {description: 'groups that may pull from there'}),
})

export const ServiceShape = shape({
  id: Id,
  name: Type.String(),
  app: Type.String({description: 'code of its app'}),
  isDisabled: Type.Boolean(),
  createdAt: Time,
})

export const ManagedRegistryShape = shape({
  id: Id,
  name: Type.String(),
  service: Type.String({description: 'the audience of its tokens'}),
  url: Type.String(),
  insecure: Type.Boolean({description: 'its certificate is not checked'}),
  restricted: Type.Boolean({description: 'pushing takes responsibility'}),
  publications: Type.Array(Type.String(), {description: 'groups that see it'}),
  responsibles: Type.Array(Type.String(), {description: 'groups that answer for it'}),
  tokenHeader: TokenHeaderForm,
  tokenLifeSeconds: Type.Integer(),
  createdAt: Time,
  provenAt: Type.Optional(
    Type.String({description: 'when what is at its URL last proved that it trusts the collector; until then nothing of it is indexed'}),
  ),
})

export const RepositoryShape = shape({
  id: Id,
  registry: Type.String(),
  name: Type.String(),
  description: Type.String(),
  stars: Type.Integer(),
  isOfficial: Type.Boolean(),
  isAutomated: Type.Boolean(),
  pulls: Type.Integer(),
})

export const Nothing = shape({})
export const Removed = shape({removed: Type.String()})
