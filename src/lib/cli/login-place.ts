/** What a login is for: a registry, or the repositories below a path in it. */

import {HoldfastError} from '../core/errors.ts'
import {parseRegistryKey} from '../credentials/docker-config/registry-key.ts'
import {parseRegistryHost, parseRepositoryName, type RegistryHost, type RepositoryName} from '../oci/reference.ts'
import type {RegistryStore} from '../records/store.ts'
import {readsAsHost} from '../registries/registry-name.ts'

export interface LoginPlace {
  readonly registry: RegistryHost
  readonly pathPrefix?: RepositoryName
  /** What `findEndpoint` finds the registry by. */
  readonly nameOrHost: string
}

/**
 * Reads `[REGISTRY]` of `login`, `logout` and `whoami`: the name of a declared registry, a host, either with a path behind it (`docker.io/acme`), or the URL that
 * docker has for a registry (`https://index.docker.io/v1/`). Absent, it is the default registry.
 * @throws {HoldfastError} INPUT_REQUIRED when there is no default registry; REGISTRY_NOT_DECLARED; INVALID_REFERENCE.
 */
export async function findLoginPlace(store: RegistryStore, text: string | undefined, command: string): Promise<LoginPlace> {
  if (text === undefined) {
    const record = await store.findDefaultRegistry()
    if (record !== undefined) return {registry: record.host, nameOrHost: record.name}
    throw new HoldfastError('INPUT_REQUIRED', 'cannot choose a registry: none was named, and none is the default', {
      hints: [`holdfast ${command} REGISTRY`, `holdfast ${command} docker.io`, 'holdfast registry update NAME --default'],
    })
  }
  const key = parseRegistryKey(text)
  if (key === undefined) return {registry: parseRegistryHost(text), nameOrHost: text}
  const name = text.split('/')[0] ?? text
  const record = await store.findRegistry(readsAsHost(name) ? key.registry : name)
  if (record === undefined && !readsAsHost(name) && !text.includes('://')) {
    throw new HoldfastError('REGISTRY_NOT_DECLARED', `cannot find registry "${name}": none is declared under that name`, {
      hints: ['holdfast registry list', `holdfast ${command} docker.io/${text}`],
    })
  }
  const registry = record?.host ?? key.registry
  const nameOrHost = record?.name ?? (text.startsWith('http://') ? `http://${registry}` : registry)
  return {registry, nameOrHost, ...(key.pathPrefix === '' ? {} : {pathPrefix: parseRepositoryName(key.pathPrefix)})}
}
