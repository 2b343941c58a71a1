/** Tags that a collector deletes by its own rights at the registries that it manages. */
import type {Collector} from '../collector/collector.ts'
import type {ManagedRegistry} from '../collector/objects.ts'
import {HoldfastError} from '../core/errors.ts'

/** As many as one request may have. */
const MAX_TAGS = 100

/** Tags of one repository of a managed registry. */
export interface ManagedTags {
  /** Name of the registry. */
  readonly registry: string
  readonly repository: string
  readonly tags: readonly string[]
}

export interface DeletedByCollector {
  /** `REGISTRY/REPOSITORY:TAG`, with the registry's name. */
  readonly reference: string
  readonly digest: string
  readonly manifestDeleted: boolean
  readonly siblings: readonly string[]
}

export interface NotDeletedByCollector {
  readonly reference: string
  readonly error: HoldfastError
  /** Tags that would go along. */
  readonly siblings: readonly string[]
}

/**
 * The tags by repository.
 * @throws {HoldfastError} USAGE for what is not REGISTRY/REPOSITORY:TAG; OBJECT_NOT_FOUND for a registry that the collector does not manage, or does not show.
 */
export async function parseManagedTags(texts: readonly string[], collector: Collector): Promise<readonly ManagedTags[]> {
  const {listManagedRegistries} = await import('../collector/api/registries.ts')
  const {registries} = await collector.run(listManagedRegistries, {})
  const groups = new Map<string, {registry: string; repository: string; tags: string[]}>()
  for (const text of texts) {
    const {registry, repository, tag} = parseManagedTag(text, registries)
    const key = `${registry}/${repository}`
    const group = groups.get(key) ?? {registry, repository, tags: []}
    groups.set(key, group)
    if (!group.tags.includes(tag)) group.tags.push(tag)
  }
  return [...groups.values()]
}

function parseManagedTag(text: string, registries: readonly Pick<ManagedRegistry, 'name' | 'url'>[]) {
  const [, registry, repository, tag] = /^([^/]+)\/([^@]+):([^:/@]+)$/.exec(text) ?? []
  if (registry === undefined || repository === undefined || tag === undefined) {
    throw new HoldfastError('USAGE', `cannot delete "${text}": it is not REGISTRY/REPOSITORY:TAG`, {hints: ['holdfast registry managed']})
  }
  const managed = registries.find(({name, url}) => name === registry || new URL(url).host === registry)
  if (managed !== undefined) return {registry: managed.name, repository, tag}
  throw new HoldfastError('OBJECT_NOT_FOUND', `cannot delete "${text}": the collector manages no registry "${registry}"`, {
    hints: ['holdfast registry managed'],
  })
}

/** Has the collector delete them, or say what would go. */
export async function deleteByCollector(
  collector: Collector,
  {registry, repository, tags}: ManagedTags,
  options: {readonly includeSiblings: boolean; readonly isDryRun: boolean},
): Promise<{readonly deleted: readonly DeletedByCollector[]; readonly failures: readonly NotDeletedByCollector[]}> {
  const [{deleteTags}, {readItemFailure}] = await Promise.all([
    import('../collector/api/deletions.ts'),
    import('../collector/api/item-failure.ts'),
  ])
  const deleted: DeletedByCollector[] = []
  const failures: NotDeletedByCollector[] = []
  const referenceOf = (tag: string): string => `${registry}/${repository}:${tag}`
  for (let start = 0; start < tags.length; start += MAX_TAGS) {
    const result = await collector.run(deleteTags, {registry, repository, tags: tags.slice(start, start + MAX_TAGS), ...options})
    deleted.push(...result.deleted.map(({tag, ...rest}) => ({reference: referenceOf(tag), ...rest})))
    failures.push(
      ...result.failures.map(({tag, error, siblings}) => ({reference: referenceOf(tag), error: readItemFailure(error), siblings})),
    )
  }
  return {deleted, failures}
}
