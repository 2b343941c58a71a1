import {Type} from 'typebox'
import {decide} from '../../access/decide.ts'
import {HoldfastError} from '../../core/errors.ts'
import {isRepositoryName} from '../../oci/reference.ts'
import type {IndexedRepository, ManagedRegistry} from '../objects.ts'
import {standingOf} from '../subjects.ts'
import {assertPrivilege, type Call, defineOperation, found, shape} from './operation.ts'
import {RegistryName, RepositoryShape, Time} from './shapes.ts'

const RepositoryName = Type.String({maxLength: 255})
const Named = shape({registry: RegistryName, repository: RepositoryName})
const MAX_DESCRIPTION_CHARACTERS = 1000

export const showRepository = defineOperation({
  id: 'repository.show',
  method: 'GET',
  path: '/registries/{registry}/repository',
  summary: 'Shows a repository with its tags, newest first.',
  input: Named,
  output: shape({
    repository: RepositoryShape,
    tags: Type.Array(
      shape({
        tag: Type.String(),
        digest: Type.String(),
        mediaType: Type.String(),
        pushedAt: Time,
        attachment: Type.Optional(Type.String({description: 'what it carries when it is no version of an image'})),
      }),
    ),
  }),
  async run({registry, repository}, call) {
    const {repository: one} = await visible(call, registry, repository)
    return {repository: {...one}, tags: (await call.store.listIndexedTags(one.id)).map((tag) => ({...tag}))}
  },
})

export const describeRepository = defineOperation({
  id: 'repository.describe',
  method: 'PATCH',
  path: '/registries/{registry}/repository',
  summary: 'Describes a repository, or marks it as official or automated; for those who answer for the registry.',
  input: shape({
    registry: RegistryName,
    repository: RepositoryName,
    description: Type.Optional(Type.String({maxLength: MAX_DESCRIPTION_CHARACTERS})),
    isOfficial: Type.Optional(Type.Boolean()),
    isAutomated: Type.Optional(Type.Boolean()),
  }),
  output: RepositoryShape,
  async run({registry, repository, ...description}, call) {
    const {managed, repository: one} = await visible(call, registry, repository)
    await assertPrivilege(call, 'Manager', `describe "${repository}"`)
    assertResponsible(call, managed, `describe "${repository}"`)
    await call.store.describeRepository(one.id, description)
    return {...(await visible(call, registry, repository)).repository}
  },
})

export const starRepository = defineOperation({
  id: 'repository.star',
  method: 'POST',
  path: '/registries/{registry}/repository/star',
  summary: 'Gives a repository a star, once a user, or takes it back.',
  input: shape({registry: RegistryName, repository: RepositoryName, isStarred: Type.Boolean()}),
  output: RepositoryShape,
  async run({registry, repository, isStarred}, call) {
    const {caller, store} = call
    if (caller.kind === 'machine')
      throw new HoldfastError('USAGE', 'cannot give a star: stars are given by users', {hints: ['holdfast collector use URL']})
    const {id} = (await visible(call, registry, repository)).repository
    if (isStarred) await store.star(id, caller.user.id)
    else await store.unstar(id, caller.user.id)
    return {...(await visible(call, registry, repository)).repository}
  },
})

export const REPOSITORY_OPERATIONS = [showRepository, describeRepository, starRepository]

/** A repository that the caller may pull; any other one is not there for him. */
async function visible(
  call: Call,
  registryName: string,
  name: string,
): Promise<{readonly managed: ManagedRegistry; readonly repository: IndexedRepository}> {
  const {caller, store} = call
  const managed = found(await store.findManagedRegistry({name: registryName}), 'registry', registryName)
  const repository = isRepositoryName(name) ? await store.findRepository(managed.id, name) : undefined
  if (repository === undefined || caller.kind === 'machine' || caller.user.isAdministrator) {
    return {managed, repository: found(repository, 'repository', name)}
  }
  const standing = await standingOf({kind: 'user', user: caller.user}, managed, store)
  const {granted} = decide('pull', standing.principal, standing.registry, await standing.resolve(name), standing.options)
  return {managed, repository: found(granted ? repository : undefined, 'repository', name)}
}

function assertResponsible({caller}: Call, {name, responsibles}: ManagedRegistry, what: string): void {
  if (caller.kind === 'machine' || caller.user.isAdministrator) return
  if (caller.user.groups.some((group) => responsibles.includes(group))) return
  throw new HoldfastError('DENIED', `cannot ${what}: none of your groups answers for registry "${name}"`, {
    hints: ['holdfast registry managed'],
  })
}
