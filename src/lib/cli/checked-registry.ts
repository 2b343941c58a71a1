/** Which registry a name or host means to `registry check`: one that is declared on this machine, one that the collector manages, or one that is both. */
import type {ManagedRegistry} from '../collector/objects.ts'
import {ERROR_TABLE, HoldfastError, hasCode} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import type {RegistryStore} from '../records/store.ts'
import type {FoundRegistry} from '../registries/find.ts'
import type {Context} from './context.ts'

export interface CheckedRegistry extends FoundRegistry {
  /** What the collector knows it as. */
  readonly managed?: Pick<ManagedRegistry, 'name' | 'url'> | undefined
  /** Why the collector was not asked, though there is one. */
  readonly unasked?: HoldfastError | undefined
}

/**
 * Finds the registry that is meant by a name or host.
 * @throws {HoldfastError} CONFLICT when two registries have that name; REGISTRY_NOT_DECLARED when none has, and it does not read as a host; CONFIGURATION.
 */
export async function findCheckedRegistry(context: Context, store: RegistryStore, given: string): Promise<CheckedRegistry> {
  const [{findEndpoint, findHostEndpoint}, {placeOf}, {parseRegistryUrl}, {EMBEDDED_REGISTRY}] = await Promise.all([
    import('../registries/find.ts'),
    import('../collector/registry-place.ts'),
    import('../registries/registry-url.ts'),
    import('../collector/objects.ts'),
  ])
  const [declared, {registries, unasked}] = await Promise.all([store.findRegistry(given), listManaged(context)])
  const named = registries.find(({name}) => name === given)
  if (declared === undefined && named !== undefined) {
    const {host, scheme} = parseRegistryUrl(named.url)
    const record = await store.findRegistry(host)
    const endpoint = await findHostEndpoint(store, host, {insecure: named.insecure, plainHttp: scheme === 'http'}, context.signal)
    return {
      subject: {host, ...(record === undefined ? {} : {name: record.name}), isDeclared: record !== undefined},
      endpoint,
      managed: named,
    }
  }
  if (declared?.name === given && named !== undefined && placeOf(declared.host) !== placeOf(named.url)) {
    const {host} = parseRegistryUrl(named.url)
    throw new HoldfastError(
      'CONFLICT',
      `cannot check registry "${given}": it is declared here at "${declared.host}", and the collector manages another one of that name at "${named.url}"`,
      {hints: [shellCommand`holdfast registry check ${declared.host}`, shellCommand`holdfast registry check ${host}`]},
    )
  }
  const found = await findEndpoint(store, given, context.signal)
  const place = placeOf(found.subject.host)
  const there = registries.filter(({url}) => placeOf(url) === place)
  return {...found, managed: there.find(({name}) => name !== EMBEDDED_REGISTRY) ?? there[0], unasked}
}

/** A collector that cannot be asked, or does not answer this caller, does not keep a registry from being checked. */
async function listManaged(context: Context): Promise<{readonly registries: readonly ManagedRegistry[]; readonly unasked?: HoldfastError}> {
  if (!(await context.hasCollector())) return {registries: []}
  try {
    const [collector, {listManagedRegistries}] = await Promise.all([context.collector(undefined), import('../collector/api/registries.ts')])
    return {registries: (await collector.run(listManagedRegistries, {})).registries}
  } catch (error) {
    if (isOfCollector(error)) return {registries: [], unasked: error}
    throw error
  }
}

/** Returns whether an error is about the collector, and not about the registry or this program. */
export function isOfCollector(error: unknown): error is HoldfastError {
  return hasCode(error, 'DENIED', 'UNAUTHENTICATED', 'UNSUPPORTED') || (error instanceof HoldfastError && ERROR_TABLE[error.code].retryable)
}
