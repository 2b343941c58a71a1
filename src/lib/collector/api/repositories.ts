import {type Static, Type} from 'typebox'
import {type Decision, decide} from '../../access/decide.ts'
import {HoldfastError} from '../../core/errors.ts'
import {isRepositoryName, type RepositoryName as Repository} from '../../oci/reference.ts'
import type {ManagedRepository} from '../managed-repository.ts'
import type {IndexedRepository, ManagedRegistry} from '../objects.ts'
import {type Standing, standingOf} from '../subjects.ts'
import {assertPrivilege, type Call, defineOperation, found, shape} from './operation.ts'
import {Limit, RegistryName, RepositoryDescription, RepositoryName, RepositoryShape, Time} from './shapes.ts'

const DEFAULT_PAGE_ENTRIES = 100
/** Names that are read at once while those that the caller may see are looked for. */
const PAGE_ENTRIES = 1000

export const listRepositories = defineOperation({
  id: 'repository.list',
  method: 'GET',
  path: '/registries/{registry}/repositories',
  summary: 'Lists repositories by name: those that the caller may pull or delete.',
  input: shape({
    registry: RegistryName,
    after: Type.Optional(Type.String({maxLength: 255, description: 'only names behind this one'})),
    limit: Type.Optional(Limit),
  }),
  output: shape({repositories: Type.Array(RepositoryShape), hasMore: Type.Boolean()}),
  async run({registry, after = '', limit = DEFAULT_PAGE_ENTRIES}, call) {
    const rights = await rightsAt(call, registry)
    const repositories: Static<typeof RepositoryShape>[] = []
    for (let last = after; ; ) {
      const page = await call.store.listRepositories(rights.managed.id, {after: last, limit: PAGE_ENTRIES})
      for (const one of page) {
        if (!(await rights.sees(one.name))) continue
        if (repositories.length === limit) return {repositories, hasMore: true}
        repositories.push({...one})
      }
      if (page.length < PAGE_ENTRIES) return {repositories, hasMore: false}
      last = page.at(-1)?.name ?? last
    }
  },
})

export const showRepository = defineOperation({
  id: 'repository.show',
  method: 'GET',
  path: '/registries/{registry}/repository',
  summary: 'Shows a repository with its tags, newest first, to callers who may pull or delete it.',
  input: shape({
    registry: RegistryName,
    repository: RepositoryName,
    sizes: Type.Optional(Type.Boolean({description: 'asks the registry how large the images are'})),
  }),
  output: shape({
    repository: RepositoryShape,
    tags: Type.Array(
      shape({
        tag: Type.String(),
        digest: Type.String(),
        mediaType: Type.String(),
        pushedAt: Time,
        attachment: Type.Optional(Type.String({description: 'what it carries when it is no version of an image'})),
        sizeBytes: Type.Optional(Type.Integer({description: 'every blob once, over all platforms'})),
      }),
    ),
  }),
  async run({registry, repository, sizes: withSizes = false}, call) {
    const {managed, repository: one} = await visible(call, registry, repository)
    const tags = await call.store.listIndexedTags(one.id)
    const sizes = withSizes ? await (await openRepository(call, managed, one.name)).sizesOf(tags.map(({digest}) => digest)) : undefined
    return {
      repository: {...one},
      tags: tags.map((tag) => {
        const sizeBytes = sizes?.get(tag.digest)
        return {...tag, ...(sizeBytes === undefined ? {} : {sizeBytes})}
      }),
    }
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
    description: Type.Optional(RepositoryDescription),
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

export const REPOSITORY_OPERATIONS = [listRepositories, showRepository, describeRepository, starRepository]

/** What the caller may do in a registry. */
export interface Rights {
  readonly managed: ManagedRegistry
  /** Whether the caller may know of a repository: it may pull or delete there. */
  sees(repository: string): Promise<boolean>
  /** The decision of the access policy; undefined for the owner of the machine, who may delete everything. */
  mayDelete(repository: string): Promise<Decision | undefined>
}

/** @throws {HoldfastError} OBJECT_NOT_FOUND when there is no such registry. */
export async function rightsAt(call: Call, registry: string): Promise<Rights> {
  const {caller, store} = call
  const managed = found(await store.findManagedRegistry({name: registry}), 'registry', registry)
  if (caller.kind === 'machine') return {managed, sees: async () => true, mayDelete: async () => undefined}
  const standing = await standingOf({kind: 'user', user: caller.user}, managed, store)
  const decideOn = (action: 'pull' | 'delete', path: Awaited<ReturnType<Standing['resolve']>>): Decision =>
    decide(action, standing.principal, standing.registry, path, standing.options)
  return {
    managed,
    async sees(repository) {
      const path = await standing.resolve(repository)
      return caller.user.isAdministrator || decideOn('pull', path).granted || decideOn('delete', path).granted
    },
    mayDelete: async (repository) => decideOn('delete', await standing.resolve(repository)),
  }
}

/** @throws {HoldfastError} UNSUPPORTED when this collector opens none. */
export async function openRepository(
  {openRepository: open}: Call,
  managed: ManagedRegistry,
  repository: Repository,
): Promise<ManagedRepository> {
  if (open !== undefined) return await open(managed, repository)
  throw new HoldfastError('UNSUPPORTED', `cannot ask registry "${managed.name}" for "${repository}": this collector asks none`)
}

/** A repository that the caller may pull or delete; any other one is not there for him. */
async function visible(
  call: Call,
  registryName: string,
  name: string,
): Promise<{readonly managed: ManagedRegistry; readonly repository: IndexedRepository}> {
  const rights = await rightsAt(call, registryName)
  const repository = isRepositoryName(name) ? await call.store.findRepository(rights.managed.id, name) : undefined
  const isSeen = repository !== undefined && (await rights.sees(name))
  return {managed: rights.managed, repository: found(isSeen ? repository : undefined, 'repository', name)}
}

function assertResponsible({caller}: Call, {name, responsibles}: ManagedRegistry, what: string): void {
  if (caller.kind === 'machine' || caller.user.isAdministrator) return
  if (caller.user.groups.some((group) => responsibles.includes(group))) return
  throw new HoldfastError('DENIED', `cannot ${what}: none of your groups answers for registry "${name}"`, {
    hints: ['holdfast registry managed'],
  })
}
