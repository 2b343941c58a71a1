/** A content store in memory: a whole implementation of the port that writes down what it was asked, for tests of what stands above it. */

import {CollectingSink} from '../../src/lib/content/read-bytes.ts'
import type {
  BlobOutcome,
  BlobSource,
  CallOptions,
  ReadBlobOptions,
  SourceStore,
  TargetStore,
  WriteBlobOptions,
} from '../../src/lib/content/store.ts'
import type {ByteSink} from '../../src/lib/core/byte-sink.ts'
import {HoldfastError, interrupted} from '../../src/lib/core/errors.ts'
import type {BlobDescriptor, Descriptor} from '../../src/lib/oci/descriptor.ts'
import {type Digest, digestOf, isDigest} from '../../src/lib/oci/digest.ts'
import {
  childManifests,
  describeManifest,
  describeReferrer,
  foreignLayers,
  parseManifest,
  type RawManifest,
  requiredBlobs,
} from '../../src/lib/oci/manifest.ts'
import type {RepositoryName, Tag} from '../../src/lib/oci/reference.ts'

interface Repository {
  readonly blobs: Map<Digest, Uint8Array>
  readonly manifests: Map<Digest, RawManifest>
  readonly tags: Map<Tag, Digest>
}

export class MemoryStore implements SourceStore, TargetStore {
  blobConcurrency = 6
  /** One line an operation, in order: `put-blob repository digest uploaded`, `get-manifest repository reference`, … */
  readonly log: string[] = []
  readonly repositories = new Map<RepositoryName, Repository>()
  /** Set by a test: wants the bytes of foreign layers too. */
  refusesForeignLayers = false
  /** Set by a test: called before a blob's bytes are given; may throw or wait. */
  beforeRead: (digest: Digest) => Promise<void> | void = () => {}

  repository(name: RepositoryName): Repository {
    const known = this.repositories.get(name)
    if (known !== undefined) return known
    const created: Repository = {blobs: new Map(), manifests: new Map(), tags: new Map()}
    this.repositories.set(name, created)
    return created
  }

  async statBlob(repository: RepositoryName, digest: Digest): Promise<number | undefined> {
    return this.repository(repository).blobs.get(digest)?.length
  }

  async readBlob(repository: RepositoryName, blob: BlobDescriptor, sink: ByteSink, options: ReadBlobOptions = {}): Promise<void> {
    this.log.push(`get-blob ${repository} ${blob.digest}`)
    await this.beforeRead(blob.digest)
    if (options.signal?.aborted) throw interrupted()
    const bytes = this.repository(repository).blobs.get(blob.digest)
    if (bytes === undefined) throw new HoldfastError('BLOB_NOT_FOUND', `cannot read blob "${blob.digest}": not there`)
    if (bytes.length > 0) await new Promise<void>((resolve) => sink.write(bytes.subarray(options.range?.start ?? 0), resolve))
  }

  async writeBlob(
    repository: RepositoryName,
    blob: BlobDescriptor,
    source: BlobSource,
    options: WriteBlobOptions = {},
  ): Promise<BlobOutcome> {
    const outcome = await this.#put(repository, blob, source, options)
    this.log.push(`put-blob ${repository} ${blob.digest} ${outcome}`)
    return outcome
  }

  async #put(repository: RepositoryName, blob: BlobDescriptor, source: BlobSource, options: WriteBlobOptions): Promise<BlobOutcome> {
    const {blobs} = this.repository(repository)
    if (blobs.has(blob.digest) && options.isDamaged !== true) return 'present'
    const held = options.isDamaged !== true && options.mountFrom && this.repository(options.mountFrom).blobs.get(blob.digest)
    if (held) {
      blobs.set(blob.digest, held)
      return 'mounted'
    }
    const sink = new CollectingSink()
    await source(sink, 0, options.signal)
    const bytes = sink.bytes()
    if (digestOf(bytes) !== blob.digest) throw new HoldfastError('INTEGRITY', `cannot store "${blob.digest}": other bytes came`)
    blobs.set(blob.digest, bytes)
    return 'uploaded'
  }

  async statManifest(repository: RepositoryName, reference: Tag | Digest): Promise<Descriptor | undefined> {
    this.log.push(`head-manifest ${repository} ${reference}`)
    const raw = this.#find(repository, reference)
    return raw && describeManifest(raw)
  }

  async readManifest(repository: RepositoryName, reference: Tag | Digest): Promise<RawManifest | undefined> {
    this.log.push(`get-manifest ${repository} ${reference}`)
    return this.#find(repository, reference)
  }

  #find(repository: RepositoryName, reference: Tag | Digest): RawManifest | undefined {
    const {manifests, tags} = this.repository(repository)
    const digest = isDigest(reference) ? reference : tags.get(reference as Tag)
    return digest && manifests.get(digest)
  }

  async writeManifest(repository: RepositoryName, reference: Tag | Digest, raw: RawManifest): Promise<void> {
    const {blobs, manifests, tags} = this.repository(repository)
    const manifest = parseManifest(raw)
    const children = manifest.kind === 'image' ? [] : childManifests(manifest)
    const needed = [
      ...requiredBlobs(manifest).filter(({digest}) => !blobs.has(digest)),
      ...children.filter(({digest}) => !manifests.has(digest)),
    ]
    if (this.refusesForeignLayers) needed.push(...foreignLayers(manifest).filter(({digest}) => !blobs.has(digest)))
    if (needed[0] !== undefined)
      throw new HoldfastError('BLOB_NOT_FOUND', `cannot store manifest "${raw.digest}": ${needed[0].digest} is missing`)
    this.log.push(`put-manifest ${repository} ${reference}`)
    manifests.set(raw.digest, raw)
    if (!isDigest(reference)) tags.set(reference as Tag, raw.digest)
  }

  async *listTags(repository: RepositoryName, options: CallOptions & {readonly last?: string} = {}): AsyncIterable<Tag> {
    this.log.push(`list-tags ${repository}`)
    for (const tag of [...this.repository(repository).tags.keys()].sort()) if (tag > (options.last ?? '')) yield tag
  }

  async listReferrers(repository: RepositoryName, subject: Digest): Promise<readonly Descriptor[]> {
    return [...this.repository(repository).manifests.values()]
      .map(parseManifest)
      .filter((manifest) => manifest.subject?.digest === subject)
      .map(describeReferrer)
  }
}
