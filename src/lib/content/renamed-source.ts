/** A store whose repositories have other names: an upstream below a path of its registry, or a registry that shows another one below a path. */
import type {RepositoryName} from '../oci/reference.ts'
import type {SourceStore} from './store.ts'

/** Reads `store`, asking it for `rename(repository)`; a SourceStore and nothing more. */
export function createRenamedSource(store: SourceStore, rename: (repository: RepositoryName) => RepositoryName): SourceStore {
  return {
    statBlob: (repository, ...rest) => store.statBlob(rename(repository), ...rest),
    readBlob: (repository, ...rest) => store.readBlob(rename(repository), ...rest),
    statManifest: (repository, ...rest) => store.statManifest(rename(repository), ...rest),
    readManifest: (repository, ...rest) => store.readManifest(rename(repository), ...rest),
    listTags: (repository, ...rest) => store.listTags(rename(repository), ...rest),
    listReferrers: (repository, ...rest) => store.listReferrers(rename(repository), ...rest),
  }
}
