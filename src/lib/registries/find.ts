/** Finding declared registries by what people call them. */

import type {RegistryEndpoint} from '../content/remote/endpoint.ts'
import {HoldfastError} from '../core/errors.ts'
import type {RegistryHost} from '../oci/reference.ts'
import type {RegistryRecord, RegistryStore} from '../records/store.ts'
import {recordToEndpoint, type TransportSettings, undeclaredEndpoint} from './endpoint.ts'
import {readsAsHost} from './registry-name.ts'
import {parseRegistryUrl} from './registry-url.ts'
import type {RegistrySubject} from './subject.ts'

/**
 * The registry of that name or host.
 * @throws {HoldfastError} REGISTRY_NOT_DECLARED
 */
export async function requireRegistry(store: RegistryStore, nameOrHost: string): Promise<RegistryRecord> {
  const registry = await store.findRegistry(nameOrHost)
  if (registry !== undefined) return registry
  throw new HoldfastError(
    'REGISTRY_NOT_DECLARED',
    `cannot find registry "${nameOrHost.slice(0, 300)}": none is declared under that name or host`,
    {
      hints: ['holdfast registry list', `holdfast registry add ${readsAsHost(nameOrHost) ? `NAME ${nameOrHost}` : `${nameOrHost} URL`}`],
    },
  )
}

/** A registry to talk to, declared or not. */
export interface FoundRegistry {
  readonly subject: RegistrySubject
  readonly endpoint: RegistryEndpoint
}

/**
 * The endpoint of a declared registry, or of whatever reads as a host; nothing given means the default registry.
 * @throws {HoldfastError} REGISTRY_NOT_DECLARED; CONFIGURATION when one of its files cannot be read; INPUT_REQUIRED when there is no default.
 */
export async function findEndpoint(store: RegistryStore, nameOrHost: string | undefined, signal?: AbortSignal): Promise<FoundRegistry> {
  const record = nameOrHost === undefined ? await store.findDefaultRegistry() : await store.findRegistry(nameOrHost)
  if (record !== undefined) {
    const endpoint = await withTrustedHosts(store, await recordToEndpoint(record, {}, signal))
    return {subject: {host: record.host, name: record.name, isDeclared: true}, endpoint}
  }
  if (nameOrHost === undefined) {
    throw new HoldfastError('INPUT_REQUIRED', 'cannot choose a registry: none was named, and none is the default', {
      hints: ['holdfast registry list', 'holdfast registry update NAME --default'],
    })
  }
  if (!readsAsHost(nameOrHost)) await requireRegistry(store, nameOrHost)
  const {host, scheme} = parseRegistryUrl(nameOrHost)
  const endpoint = await withTrustedHosts(store, await undeclaredEndpoint(host, {plainHttp: scheme === 'http'}, signal))
  return {subject: {host, isDeclared: false}, endpoint}
}

/**
 * The endpoint of a host, declared or not; `overrides` hold for one run.
 * @throws {HoldfastError} CONFIGURATION when one of its files cannot be read.
 */
export async function findHostEndpoint(
  store: RegistryStore,
  host: RegistryHost,
  overrides: TransportSettings = {},
  signal?: AbortSignal,
): Promise<RegistryEndpoint> {
  const record = await store.findRegistry(host)
  const endpoint =
    record === undefined ? await undeclaredEndpoint(host, overrides, signal) : await recordToEndpoint(record, overrides, signal)
  return await withTrustedHosts(store, endpoint)
}

/** The endpoint with the hosts that the user trusts for its registry. */
export async function withTrustedHosts(
  store: Pick<RegistryStore, 'listTrustedHosts'>,
  endpoint: RegistryEndpoint,
): Promise<RegistryEndpoint> {
  const trustedHosts = await store.listTrustedHosts(endpoint.registry)
  return trustedHosts.length === 0 ? endpoint : {...endpoint, trustedHosts}
}
