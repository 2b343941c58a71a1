/** Finding declared registries by what people call them. */

import type {RegistryEndpoint} from '../content/remote/endpoint.ts'
import {HoldfastError} from '../core/errors.ts'
import type {RegistryRecord, RegistryStore} from '../records/store.ts'
import {recordToEndpoint, undeclaredEndpoint} from './endpoint.ts'
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
export async function findEndpoint(store: RegistryStore, nameOrHost: string | undefined): Promise<FoundRegistry> {
  const record = nameOrHost === undefined ? await store.findDefaultRegistry() : await store.findRegistry(nameOrHost)
  if (record !== undefined) {
    return {subject: {host: record.host, name: record.name, isDeclared: true}, endpoint: await recordToEndpoint(record)}
  }
  if (nameOrHost === undefined) {
    throw new HoldfastError('INPUT_REQUIRED', 'cannot choose a registry: none was named, and none is the default', {
      hints: ['holdfast registry list', 'holdfast registry update NAME --default'],
    })
  }
  if (!readsAsHost(nameOrHost)) await requireRegistry(store, nameOrHost)
  const {host, scheme} = parseRegistryUrl(nameOrHost)
  return {subject: {host, isDeclared: false}, endpoint: await undeclaredEndpoint(host, {plainHttp: scheme === 'http'})}
}
