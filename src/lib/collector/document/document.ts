/** All objects of a collector as one document, for people to keep under version control. Holds no secret: passwords and secrets are set apart. */
import {type Static, Type} from 'typebox'
import {shape} from '../api/operation.ts'
import {
  AppCode,
  Email,
  GroupName,
  GroupNames,
  PrivilegeName,
  RegistryName,
  RegistryService,
  RegistryUrl,
  RepositoryDescription,
  RepositoryName,
  ServiceName,
  TokenHeaderForm,
  UserName,
  UserSource,
} from '../api/shapes.ts'

const MAX_OBJECTS = 100_000

const UserEntry = shape({
  name: UserName,
  email: Type.Optional(Email),
  source: Type.Optional(UserSource),
  subject: Type.Optional(Type.String({minLength: 1, maxLength: 1024, description: 'the id of the user at the directory or provider'})),
  groups: Type.Optional(GroupNames),
  primaryGroup: Type.Optional(GroupName),
  privileges: Type.Optional(Type.Array(PrivilegeName, {uniqueItems: true})),
  administrator: Type.Optional(Type.Boolean()),
  disabled: Type.Optional(Type.Boolean()),
})

const AppEntry = shape({code: AppCode, responsibles: Type.Optional(GroupNames), publications: Type.Optional(GroupNames)})

const ServiceEntry = shape({name: ServiceName, app: AppCode, disabled: Type.Optional(Type.Boolean())})

const RegistryEntry = shape({
  name: RegistryName,
  url: RegistryUrl,
  service: Type.Optional(RegistryService),
  insecure: Type.Optional(Type.Boolean()),
  restricted: Type.Optional(Type.Boolean()),
  publications: Type.Optional(GroupNames),
  responsibles: Type.Optional(GroupNames),
  tokenHeader: Type.Optional(TokenHeaderForm),
  tokenLifeSeconds: Type.Optional(Type.Integer({minimum: 60, maximum: 86_400})),
})

/** What users say of a repository; its images are not part of a document. */
const RepositoryEntry = shape({
  registry: RegistryName,
  name: RepositoryName,
  description: Type.Optional(RepositoryDescription),
  official: Type.Optional(Type.Boolean()),
  automated: Type.Optional(Type.Boolean()),
  stars: Type.Optional(Type.Array(UserName, {uniqueItems: true, maxItems: MAX_OBJECTS, description: 'users who gave one'})),
})

const Ids = Type.Record(Type.String(), Type.Integer({minimum: 1}))

export const DocumentShape = shape({
  policy: Type.Optional(Type.Enum(['public', 'private'])),
  responsibleSees: Type.Optional(Type.Boolean()),
  ids: Type.Optional(
    Type.Object(
      {groups: Type.Optional(Ids), users: Type.Optional(Ids), apps: Type.Optional(Ids)},
      {additionalProperties: false, description: 'which stand in paths: kept by what is added, where they are free'},
    ),
  ),
  groups: Type.Optional(Type.Array(GroupName, {uniqueItems: true, maxItems: MAX_OBJECTS})),
  users: Type.Optional(Type.Array(UserEntry, {maxItems: MAX_OBJECTS})),
  apps: Type.Optional(Type.Array(AppEntry, {maxItems: MAX_OBJECTS})),
  services: Type.Optional(Type.Array(ServiceEntry, {maxItems: MAX_OBJECTS})),
  registries: Type.Optional(Type.Array(RegistryEntry, {maxItems: MAX_OBJECTS})),
  repositories: Type.Optional(Type.Array(RepositoryEntry, {maxItems: MAX_OBJECTS})),
})

export type CollectorDocument = Static<typeof DocumentShape>
export type UserEntry = Static<typeof UserEntry>
export type RepositoryEntry = Static<typeof RepositoryEntry>
