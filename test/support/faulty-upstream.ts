/** An upstream of a mirror in memory: fails when a test says so, and writes down what it was asked. */

import type {UpstreamStore} from '../../src/lib/content/pull-through/upstream.ts'
import type {RateLimit} from '../../src/lib/content/remote/rate-limit.ts'
import type {CallOptions, ReadBlobOptions} from '../../src/lib/content/store.ts'
import type {ByteSink} from '../../src/lib/core/byte-sink.ts'
import {HoldfastError} from '../../src/lib/core/errors.ts'
import type {BlobDescriptor, Descriptor} from '../../src/lib/oci/descriptor.ts'
import type {Digest} from '../../src/lib/oci/digest.ts'
import type {RawManifest} from '../../src/lib/oci/manifest.ts'
import type {RepositoryName, Tag} from '../../src/lib/oci/reference.ts'
import {MemoryStore} from './memory-store.ts'

export type AskedFor = 'stat-blob' | 'read-blob' | 'stat-manifest' | 'read-manifest' | 'list-tags'

export interface Asked {
  readonly what: AskedFor
  readonly repository: RepositoryName
  readonly reference: string
}

export class FaultyUpstream implements UpstreamStore {
  readonly content = new MemoryStore()
  readonly asked: Asked[] = []
  rateLimit: RateLimit | undefined
  /** Set by a test: throws, or waits, for what is not to be answered. */
  before: (asked: Asked) => void | Promise<void> = () => {}
  /** Set by a test: what comes instead of a manifest. */
  forge: (raw: RawManifest) => RawManifest = (raw) => raw

  /** What it was asked for so far, as `WHAT repository reference`; forgets it. */
  takeAsked(): readonly string[] {
    return this.asked.splice(0).map(({what, repository, reference}) => `${what} ${repository} ${reference}`)
  }

  async #ask(what: AskedFor, repository: RepositoryName, reference: string): Promise<void> {
    const asked = {what, repository, reference}
    this.asked.push(asked)
    await this.before(asked)
  }

  async statBlob(repository: RepositoryName, digest: Digest): Promise<number | undefined> {
    await this.#ask('stat-blob', repository, digest)
    return await this.content.statBlob(repository, digest)
  }

  async readBlob(repository: RepositoryName, blob: BlobDescriptor, sink: ByteSink, options?: ReadBlobOptions): Promise<void> {
    await this.#ask('read-blob', repository, blob.digest)
    await this.content.readBlob(repository, blob, sink, options)
  }

  async statManifest(repository: RepositoryName, reference: Tag | Digest): Promise<Descriptor | undefined> {
    await this.#ask('stat-manifest', repository, reference)
    return await this.content.statManifest(repository, reference)
  }

  async readManifest(repository: RepositoryName, reference: Tag | Digest): Promise<RawManifest | undefined> {
    await this.#ask('read-manifest', repository, reference)
    const raw = await this.content.readManifest(repository, reference)
    return raw === undefined ? undefined : this.forge(raw)
  }

  async *listTags(repository: RepositoryName, options?: CallOptions): AsyncIterable<Tag> {
    await this.#ask('list-tags', repository, '')
    yield* this.content.listTags(repository, options)
  }

  listReferrers(repository: RepositoryName, subject: Digest): Promise<readonly Descriptor[]> {
    return this.content.listReferrers(repository, subject)
  }
}

/** How the client of a registry says that no connection could be made. */
export function unreachable(): HoldfastError {
  return new HoldfastError('NETWORK', 'connection refused', {details: {requestSent: false}})
}

/** How it says that a registry answered with a failure of its own. */
export function answered(httpStatus: number, details: Readonly<Record<string, unknown>> = {}): HoldfastError {
  const code = httpStatus === 429 ? 'RATE_LIMITED' : 'REGISTRY_UNAVAILABLE'
  return new HoldfastError(code, `it answered ${httpStatus}`, {details: {httpStatus, ...details}})
}
