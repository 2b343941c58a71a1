/** A registry as the source of a sweep. */
import {CATALOG_SCOPE} from '../auth/scope.ts'
import {statManifest} from '../content/remote/manifests.ts'
import {pullAccess, type RegistrySession} from '../content/remote/session.ts'
import {isRepositoryName, isTag} from '../oci/reference.ts'
import {readCompleteList} from './complete-list.ts'
import type {SweepSource} from './sweep-ports.ts'

/** Names asked for at once: the most that distribution gives unless configured otherwise. Each page of a catalog costs the registry a walk through its storage. */
const DEFAULT_PAGE_SIZE = 1000

export interface RegistrySourceOptions {
  /** Names asked for at once; 1000 when absent. */
  readonly pageSize?: number
}

/** Reads a registry strictly: a list that is cut off, goes in circles or leads elsewhere is an error, not an end. Names outside the grammar are left out. */
export function createRegistrySource(session: RegistrySession, {pageSize = DEFAULT_PAGE_SIZE}: RegistrySourceOptions = {}): SweepSource {
  const {registry} = session.endpoint
  return {
    async *listRepositories({signal} = {}) {
      const action = `list repositories of "${registry}"`
      const access = {scopes: [CATALOG_SCOPE]}
      for await (const name of readCompleteList(session, {path: '/v2/_catalog', access, action, member: 'repositories', pageSize, signal}))
        if (isRepositoryName(name)) yield name
    },
    async *listTags(repository, {signal} = {}) {
      const path = `/v2/${repository}/tags/list`
      const action = `list tags of "${registry}/${repository}"`
      for await (const name of readCompleteList(session, {path, access: pullAccess(repository), action, member: 'tags', pageSize, signal}))
        if (isTag(name)) yield name
    },
    statManifest: (repository, tag, options) => statManifest(session, repository, tag, options),
  }
}
