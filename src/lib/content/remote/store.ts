/** The content store that is any registry, over distribution-spec 1.1. */
import {CATALOG_SCOPE} from '../../auth/scope.ts'
import type {ByteSink} from '../../core/byte-sink.ts'
import type {BlobDescriptor, Descriptor} from '../../oci/descriptor.ts'
import type {Digest} from '../../oci/digest.ts'
import type {RawManifest} from '../../oci/manifest.ts'
import {isRepositoryName, isTag, type RepositoryName, type Tag} from '../../oci/reference.ts'
import type {
  BlobOutcome,
  BlobSource,
  CallOptions,
  ContentStore,
  ListTagsOptions,
  ReadBlobOptions,
  RepositoryLister,
  StatOptions,
  WriteBlobOptions,
} from '../store.ts'
import {blobPath, readBlob, statBlob} from './blob-download.ts'
import {BlobUploader} from './blob-upload.ts'
import {deleteAt} from './deletion.ts'
import {listNames} from './listing.ts'
import {manifestPath, readManifest, statManifest, writeManifest} from './manifests.ts'
import type {RateLimit} from './rate-limit.ts'
import {Referrers} from './referrers.ts'
import {pullAccess, RegistrySession, type SessionOptions} from './session.ts'

/** A registry as a store with every power. */
export interface RemoteStore extends ContentStore, RepositoryLister {
  /** What the registry last said about its quota; a new object each time. */
  readonly rateLimit?: RateLimit | undefined
}

/**
 * Makes a store of a registry; nothing is sent before the first call. Safe for concurrent use: tokens, pace and connections are shared among its calls.
 * The HTTP client stays the caller's to close.
 */
export function createRemoteStore(options: SessionOptions): RemoteStore {
  return new RegistryStore(new RegistrySession(options))
}

type ListOptions = CallOptions & {readonly last?: string; readonly limit?: number}

class RegistryStore implements RemoteStore {
  readonly #session: RegistrySession
  readonly #uploader: BlobUploader
  readonly #referrers: Referrers

  constructor(session: RegistrySession) {
    this.#session = session
    this.#uploader = new BlobUploader(session)
    this.#referrers = new Referrers(session)
  }

  get blobConcurrency(): number {
    return this.#session.limit.current
  }

  get rateLimit(): RateLimit | undefined {
    return this.#session.rateLimit
  }

  statBlob(repository: RepositoryName, digest: Digest, options?: StatOptions): Promise<number | undefined> {
    return statBlob(this.#session, repository, digest, options)
  }

  readBlob(repository: RepositoryName, blob: BlobDescriptor, sink: ByteSink, options?: ReadBlobOptions): Promise<void> {
    return readBlob(this.#session, repository, blob, sink, options)
  }

  writeBlob(repository: RepositoryName, blob: BlobDescriptor, source: BlobSource, options: WriteBlobOptions = {}): Promise<BlobOutcome> {
    return this.#uploader.write(repository, blob, source, options)
  }

  statManifest(repository: RepositoryName, reference: Tag | Digest, options?: StatOptions): Promise<Descriptor | undefined> {
    return statManifest(this.#session, repository, reference, options)
  }

  readManifest(repository: RepositoryName, reference: Tag | Digest, options?: CallOptions): Promise<RawManifest | undefined> {
    return readManifest(this.#session, repository, reference, options)
  }

  async writeManifest(repository: RepositoryName, reference: Tag | Digest, manifest: RawManifest, options?: CallOptions): Promise<void> {
    const {hasSubject} = await writeManifest(this.#session, repository, reference, manifest, options)
    await this.#referrers.noteWritten(repository, manifest, hasSubject, options)
  }

  listReferrers(repository: RepositoryName, subject: Digest, options?: CallOptions): Promise<readonly Descriptor[]> {
    return this.#referrers.list(repository, subject, options)
  }

  async *listTags(repository: RepositoryName, {onInvalid, ...options}: ListTagsOptions = {}): AsyncIterable<Tag> {
    const names = listNames(this.#session, {
      ...options,
      path: `/v2/${repository}/tags/list`,
      access: pullAccess(repository),
      action: `list tags of "${this.#session.endpoint.registry}/${repository}"`,
      member: 'tags',
    })
    for await (const name of names) {
      if (isTag(name)) yield name
      else onInvalid?.(name)
    }
  }

  async *listRepositories(options: ListOptions = {}): AsyncIterable<RepositoryName> {
    const names = listNames(this.#session, {
      ...options,
      path: '/v2/_catalog',
      access: {scopes: [CATALOG_SCOPE]},
      action: `list repositories of "${this.#session.endpoint.registry}"`,
      member: 'repositories',
    })
    for await (const name of names) if (isRepositoryName(name)) yield name
  }

  deleteTag(repository: RepositoryName, tag: Tag, {signal}: CallOptions = {}): Promise<boolean> {
    const action = `delete tag "${this.#session.endpoint.registry}/${repository}:${tag}"`
    return deleteAt(this.#session, repository, manifestPath(repository, tag), action, signal)
  }

  deleteManifest(repository: RepositoryName, digest: Digest, {signal}: CallOptions = {}): Promise<boolean> {
    const action = `delete manifest "${this.#session.endpoint.registry}/${repository}@${digest}"`
    return deleteAt(this.#session, repository, manifestPath(repository, digest), action, signal)
  }

  deleteBlob(repository: RepositoryName, digest: Digest, {signal}: CallOptions = {}): Promise<boolean> {
    const action = `delete blob "${digest}" of "${this.#session.endpoint.registry}/${repository}"`
    return deleteAt(this.#session, repository, blobPath(repository, digest), action, signal)
  }
}
