/** Deletes tags and repositories at managed registries, with the collector's own rights there, for callers that the access policy lets delete. */
import {randomUUID} from 'node:crypto'
import {type Static, Type} from 'typebox'
import {HoldfastError, hasCode} from '../../core/errors.ts'
import type {IndexChange} from '../../events/index-changes.ts'
import type {Digest} from '../../oci/digest.ts'
import {isRepositoryName, isTag, type RepositoryName as Repository, type Tag} from '../../oci/reference.ts'
import type {ManagedRepository, RegistryTag} from '../managed-repository.ts'
import type {ManagedRegistry} from '../objects.ts'
import type {LoggedEvent} from '../store.ts'
import {describeItemFailure, ItemFailure} from './item-failure.ts'
import {type Call, defineOperation, found, shape} from './operation.ts'
import {openRepository, type Rights, rightsAt} from './repositories.ts'
import {callerName} from './run-operation.ts'
import {RegistryName, RepositoryName} from './shapes.ts'

/** Events that are written at once: a statement of a database takes so many values. */
const MAX_EVENTS = 500
/** Objects of one request. */
const MAX_OBJECTS = 100

const IsDryRun = Type.Optional(Type.Boolean({description: 'says what would be deleted, and deletes nothing'}))

export const deleteTags = defineOperation({
  id: 'tag.delete',
  method: 'DELETE',
  path: '/registries/{registry}/repository/tags',
  summary:
    'Deletes tags at the registry; those that name the same image stay unless they may go. What the registry refuses stays, with the reason.',
  input: shape({
    registry: RegistryName,
    repository: RepositoryName,
    tags: Type.Array(Type.String({maxLength: 128}), {minItems: 1, maxItems: MAX_OBJECTS, uniqueItems: true}),
    includeSiblings: Type.Optional(
      Type.Boolean({description: 'where only whole images can be deleted, deletes every tag that names the image'}),
    ),
    isDryRun: IsDryRun,
  }),
  output: shape({
    isDryRun: Type.Boolean(),
    deleted: Type.Array(
      shape({
        tag: Type.String(),
        digest: Type.String({description: 'what it named'}),
        manifestDeleted: Type.Boolean({description: 'whether the image is gone as well'}),
        siblings: Type.Array(Type.String(), {description: 'tags that were deleted along; of a dry run, those that name the same image'}),
      }),
    ),
    failures: Type.Array(
      shape({
        tag: Type.String(),
        error: ItemFailure,
        siblings: Type.Array(Type.String(), {description: 'tags that would go along, and may not'}),
      }),
    ),
  }),
  async run({registry, repository, tags, includeSiblings = false, isDryRun = false}, call) {
    const rights = await rightsAt(call, registry)
    const {name, rule} = await deletable(call, rights, repository)
    const {managed} = rights
    const opened = await openRepository(call, managed, name)
    if (isDryRun) return {isDryRun, ...previewTags(tags, await opened.listTags(), managed, name)}
    const deleted: DeletedTag[] = []
    const failures: FailedTag[] = []
    for (const tag of tags) {
      // It has gone with another one of the request.
      if (deleted.some(({siblings}) => siblings.includes(tag))) continue
      const object = `${managed.name}/${name}:${tag}`
      try {
        const done = await deleteOne(tag, opened, object, includeSiblings)
        await recordDeleted(call, managed, name, [tag, ...done.siblings], done.digest)
        deleted.push({tag, ...done, siblings: [...done.siblings]})
        await call.audit?.([tag, ...done.siblings].map((gone) => ({...deletion(managed, `${name}:${gone}`), outcome: 'granted', rule})))
      } catch (error) {
        if (!isRefusal(error)) throw error
        // A tag that is gone already is listed no longer.
        if (hasCode(error, 'MANIFEST_NOT_FOUND') && isTag(tag)) await forgetTag(call, managed, name, tag)
        failures.push({tag, error: describeItemFailure(error), siblings: siblingsOf(error)})
        await call.audit?.([{...deletion(managed, `${name}:${tag}`), outcome: 'failed', rule: error.code}])
      }
    }
    return {isDryRun, deleted, failures}
  },
})

export const deleteRepositories = defineOperation({
  id: 'repository.delete',
  method: 'DELETE',
  path: '/registries/{registry}/repositories',
  summary: 'Deletes repositories at the registry: every tag with its image. What the registry refuses stays, with the reason.',
  input: shape({
    registry: RegistryName,
    repositories: Type.Array(RepositoryName, {minItems: 1, maxItems: MAX_OBJECTS, uniqueItems: true}),
    isDryRun: IsDryRun,
  }),
  output: shape({
    isDryRun: Type.Boolean(),
    deleted: Type.Array(shape({repository: Type.String(), tags: Type.Array(Type.String())})),
    failures: Type.Array(
      shape({
        repository: Type.String(),
        error: ItemFailure,
        deletedTags: Type.Array(Type.String(), {description: 'what was deleted before it failed'}),
      }),
    ),
  }),
  async run({registry, repositories, isDryRun = false}, call) {
    const rights = await rightsAt(call, registry)
    // Nothing is deleted before every name was judged.
    const judged = await Promise.all(repositories.map(async (repository) => await deletable(call, rights, repository)))
    const {managed} = rights
    const deleted: {repository: string; tags: string[]}[] = []
    const failures: {repository: string; error: Static<typeof ItemFailure>; deletedTags: string[]}[] = []
    for (const {name, rule} of judged) {
      const gone: Tag[] = []
      try {
        const opened = await openRepository(call, managed, name)
        const tags = await tagsOf(opened)
        if (isDryRun) for (const {tag} of tags) gone.push(tag)
        else {
          await deleteImages(tags, opened, `${managed.name}/${name}`, async (image, digest) => {
            await recordDeleted(call, managed, name, image, digest)
            for (const tag of image) gone.push(tag)
          })
          const known = await call.store.findRepository(managed.id, name)
          if (known === undefined && tags.length === 0) found(undefined, 'repository', name)
          if (known !== undefined) await call.store.forgetRepository(known.id)
          await call.audit?.([{...deletion(managed, name), action: 'repository.delete', outcome: 'granted', rule}])
        }
        deleted.push({repository: name, tags: gone})
      } catch (error) {
        if (!isRefusal(error)) throw error
        failures.push({repository: name, error: describeItemFailure(error), deletedTags: gone})
        if (!isDryRun) await call.audit?.([{...deletion(managed, name), action: 'repository.delete', outcome: 'failed', rule: error.code}])
      }
    }
    return {isDryRun, deleted, failures}
  },
})

export const DELETION_OPERATIONS = [deleteTags, deleteRepositories]

interface DeletedTag {
  tag: string
  digest: string
  manifestDeleted: boolean
  siblings: string[]
}

interface FailedTag {
  tag: string
  error: Static<typeof ItemFailure>
  siblings: string[]
}

/**
 * The repository, and the rule by which the caller may delete there.
 * @throws {HoldfastError} OBJECT_NOT_FOUND for a name that the caller may not know of; DENIED with the reason of the policy.
 */
async function deletable(call: Call, rights: Rights, repository: string): Promise<{readonly name: Repository; readonly rule: string}> {
  const {managed} = rights
  const name =
    isRepositoryName(repository) && (await rights.sees(repository)) ? repository : found<Repository>(undefined, 'repository', repository)
  const decision = await rights.mayDelete(name)
  if (decision === undefined) return {name, rule: '-'}
  if (decision.granted) return {name, rule: decision.rule}
  await call.audit?.([{...deletion(managed, name), outcome: 'refused', rule: decision.rule}])
  throw new HoldfastError('DENIED', `cannot delete "${managed.name}/${name}": ${decision.reason}`, {
    hints: [`holdfast explain ${callerName(call.caller)} ${managed.name}/${name} delete`],
  })
}

function previewTags(
  wanted: readonly string[],
  present: readonly RegistryTag[],
  managed: ManagedRegistry,
  name: Repository,
): {deleted: DeletedTag[]; failures: FailedTag[]} {
  const byName = new Map<string, RegistryTag>(present.map((one) => [one.tag, one]))
  const deleted = wanted.flatMap((tag) => {
    const one = byName.get(tag)
    return one === undefined ? [] : [{tag, digest: one.digest, manifestDeleted: false, siblings: [...one.siblings]}]
  })
  const failures = wanted.flatMap((tag) =>
    byName.has(tag) ? [] : [{tag, error: describeItemFailure(noSuchTag(`${managed.name}/${name}:${tag}`)), siblings: []}],
  )
  return {deleted, failures}
}

async function deleteOne(tag: string, opened: ManagedRepository, object: string, includeSiblings: boolean) {
  if (!isTag(tag)) throw noSuchTag(object)
  try {
    return await opened.deleteTag(tag, {includeSiblings})
  } catch (error) {
    const siblings = siblingsOf(error)
    if (!hasCode(error, 'CONFLICT') || siblings.length === 0) throw error
    throw new HoldfastError(
      'CONFLICT',
      `cannot delete "${object}" alone: the registry deletes whole images, and ${siblings.join(', ')} name the same one`,
      {hints: [`holdfast tag delete ${object} --by-collector --include-siblings`], details: error.details, cause: error},
    )
  }
}

/** A repository that the registry does not know has no tags. */
async function tagsOf(opened: ManagedRepository): Promise<readonly RegistryTag[]> {
  try {
    return await opened.listTags()
  } catch (error) {
    if (hasCode(error, 'REPOSITORY_NOT_FOUND')) return []
    throw error
  }
}

/** Deletes each image with its tags, one after the other. @throws {HoldfastError} CONFLICT when the registry still lists one of them; as it refuses. */
async function deleteImages(
  tags: readonly RegistryTag[],
  opened: ManagedRepository,
  object: string,
  onDeleted: (tags: readonly Tag[], digest: Digest) => Promise<void>,
): Promise<void> {
  const images = Map.groupBy(tags, ({digest}) => digest)
  for (const [digest, named] of images) {
    await opened.deleteImage(digest)
    await onDeleted(
      named.map(({tag}) => tag),
      digest,
    )
  }
  if (images.size === 0) return
  const left = (await tagsOf(opened)).map(({tag}) => tag)
  if (left.length === 0) return
  throw new HoldfastError('CONFLICT', `cannot delete all of "${object}": the registry still lists ${left.slice(0, 10).join(', ')}`, {
    hints: [`holdfast repository delete ${object}`],
  })
}

/** The owner finds it in `events`, with the user who did it; index and log change together. */
async function recordDeleted(
  call: Call,
  managed: ManagedRegistry,
  repository: Repository,
  tags: readonly string[],
  digest: Digest,
): Promise<void> {
  const at = call.now().toISOString()
  for (let start = 0; start < tags.length; start += MAX_EVENTS) {
    const events: LoggedEvent[] = []
    const changes = new Map<string, IndexChange>()
    for (const tag of tags.slice(start, start + MAX_EVENTS)) {
      if (!isTag(tag)) continue
      const eventId = `collector-${randomUUID()}`
      events.push({eventId, occurredAt: at, action: 'delete', repository, tag, digest, actor: callerName(call.caller)})
      changes.set(eventId, {kind: 'tag-deleted', at, repository, tag})
    }
    await call.store.appendEvents(managed.id, events, changes)
  }
}

async function forgetTag({store, now}: Call, managed: ManagedRegistry, repository: Repository, tag: Tag): Promise<void> {
  await store.applyIndexChanges(managed.id, [{kind: 'tag-deleted', at: now().toISOString(), repository, tag}])
}

function noSuchTag(object: string): HoldfastError {
  const [registry, ...rest] = object.split('/')
  const repository = rest.join('/').replace(/:[^:/]*$/, '')
  return new HoldfastError('MANIFEST_NOT_FOUND', `cannot delete "${object}": the registry has no such tag`, {
    hints: [`holdfast repository show ${registry}/${repository}`],
  })
}

function deletion(managed: ManagedRegistry, object: string) {
  return {action: 'tag.delete', object: `${managed.name} repository:${object}:delete`}
}

/** Failures of one object: the others go on. A signal ends all of it. */
function isRefusal(error: unknown): error is HoldfastError {
  return error instanceof HoldfastError && error.code !== 'INTERRUPTED'
}

function siblingsOf(error: unknown): string[] {
  const siblings: unknown = error instanceof HoldfastError ? error.details.siblings : undefined
  return Array.isArray(siblings) ? siblings.map(String) : []
}
