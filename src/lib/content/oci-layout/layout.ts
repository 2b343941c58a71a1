/** Blobs, manifests, names and referrers of one OCI image layout. */
import {open, rm, stat} from 'node:fs/promises'
import type {ByteSink} from '../../core/byte-sink.ts'
import {HoldfastError, IntegrityError} from '../../core/errors.ts'
import type {BlobDescriptor, Descriptor} from '../../oci/descriptor.ts'
import {type Digest, digestAlgorithm, isDigest} from '../../oci/digest.ts'
import {describeManifest, describeReferrer, MAX_INDEX_DEPTH, parseManifest, type RawManifest, verifyManifest} from '../../oci/manifest.ts'
import {isImageManifestType, isIndexType} from '../../oci/media-types.ts'
import {DEFAULT_TAG, isTag, type Tag} from '../../oci/reference.ts'
import {moveDurably, writeDurably} from '../disk/durable.ts'
import {checkManifest, readManifestBytes, readManifestFile} from '../disk/manifest-file.ts'
import {pushFile} from '../disk/push-file.ts'
import {receiveFile} from '../disk/receive-file.ts'
import type {HashThread} from '../disk/trailing-hash.ts'
import type {BlobOutcome, BlobSource, ReadBlobOptions, WriteBlobOptions} from '../store.ts'
import type {LayoutDirectory} from './directory.ts'
import {addEntry, dropEntries, IndexFile, nameEntry, nameOf} from './index-file.ts'

export class OciLayout {
  readonly #directory: LayoutDirectory
  readonly #thread: HashThread
  readonly #index: IndexFile

  constructor(directory: LayoutDirectory, thread: HashThread) {
    this.#directory = directory
    this.#thread = thread
    this.#index = new IndexFile(directory)
  }

  async statBlob(digest: Digest): Promise<number | undefined> {
    const path = await this.#directory.findBlob(digest)
    if (path === undefined) return undefined
    const found = await stat(path)
    return found.isFile() ? found.size : undefined
  }

  async readBlob(blob: BlobDescriptor, sink: ByteSink, options: ReadBlobOptions): Promise<void> {
    const path = await this.#directory.findBlob(blob.digest)
    if (path === undefined) {
      throw new HoldfastError('BLOB_NOT_FOUND', `cannot read blob "${blob.digest}": the image layout ${this.#directory.path} lacks it`, {
        details: {digest: blob.digest},
      })
    }
    await pushFile(path, blob, sink, options)
  }

  async writeBlob(blob: BlobDescriptor, source: BlobSource, {signal, isDamaged}: WriteBlobOptions): Promise<BlobOutcome> {
    if (isDamaged !== true && (await this.statBlob(blob.digest)) === blob.size) return 'present'
    await this.#directory.create()
    const temporary = this.#directory.newTemporary()
    const hash = this.#thread.follow(temporary, digestAlgorithm(blob.digest))
    const file = await open(temporary, 'wx')
    try {
      const size = await receiveFile(file, source, {position: 0, limitBytes: blob.size, hash, signal})
      const [actual] = await Promise.all([hash.finish(size), file.datasync()])
      if (size !== blob.size || actual !== blob.digest) {
        throw new IntegrityError(`cannot store blob "${blob.digest}" of ${blob.size} bytes: the ${size} bytes sent have digest ${actual}`, {
          details: {expected: blob.digest, actual, expectedBytes: blob.size, actualBytes: size},
        })
      }
      await moveDurably(temporary, await this.#directory.blobTarget(blob.digest))
    } catch (error) {
      hash.abandon()
      await rm(temporary, {force: true})
      throw error
    } finally {
      await file.close()
    }
    return 'uploaded'
  }

  /** @throws {HoldfastError} CONFIGURATION when something else than a file is in its place. */
  async readManifest(reference: Tag | Digest): Promise<RawManifest | undefined> {
    const digest = isDigest(reference) ? reference : await this.#resolve(reference)
    const path = digest === undefined ? undefined : await this.#directory.findBlob(digest)
    if (digest === undefined || path === undefined) return undefined
    if (!(await stat(path)).isFile()) {
      throw new HoldfastError('CONFIGURATION', `cannot read manifest "${path}": it is not a regular file`, {
        hints: [`ls -l "${path}"`],
        details: {path, digest},
      })
    }
    const raw = await readManifestFile(path, digest)
    // An image's config has no schemaVersion, but nothing forbids a blob that looks a little like a manifest.
    return raw !== undefined && (isIndexType(raw.mediaType) || isImageManifestType(raw.mediaType)) ? raw : undefined
  }

  /** The bytes, then the entry: whatever is written gets one, so that other tools find it, unless it is reached through an index. */
  async writeManifest(reference: Tag | Digest, given: RawManifest): Promise<void> {
    const raw = isDigest(reference) ? verifyManifest(given, reference) : given
    const manifest = await checkManifest(raw, {
      blob: (digest) => this.statBlob(digest),
      manifest: async (digest) => (await this.readManifest(digest))?.bytes.length,
    })
    await this.#directory.create()
    await this.#writeBytes(raw)
    const children = new Set(manifest.kind === 'index' ? manifest.manifests.map(({digest}) => digest) : [])
    const entry = {...describeManifest(raw), ...(manifest.artifactType === undefined ? {} : {artifactType: manifest.artifactType})}
    await this.#index.change((entries) => {
      const others = dropEntries(children)(entries)
      return isDigest(reference) ? addEntry(entry)(others) : nameEntry(entry, reference)(others)
    })
  }

  async tags(): Promise<readonly Tag[]> {
    const names = (await this.#index.read()).map(nameOf).filter((name): name is Tag => name !== undefined && isTag(name))
    return [...new Set(names)].sort()
  }

  async referrers(subject: Digest): Promise<readonly Descriptor[]> {
    const found = new Map<Digest, Descriptor>()
    await this.#searchReferrers(subject, await this.#index.read(), found, new Set(), MAX_INDEX_DEPTH)
    return [...found.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1))
  }

  async #searchReferrers(
    subject: Digest,
    entries: readonly Descriptor[],
    found: Map<Digest, Descriptor>,
    seen: Set<Digest>,
    depth: number,
  ): Promise<void> {
    for (const {digest} of entries) {
      if (seen.has(digest)) continue
      seen.add(digest)
      const raw = await this.readManifest(digest)
      if (raw === undefined) continue
      const manifest = parseManifest(raw)
      if (manifest.subject?.digest === subject) found.set(digest, describeReferrer(manifest))
      if (manifest.kind === 'index' && depth > 1) await this.#searchReferrers(subject, manifest.manifests, found, seen, depth - 1)
    }
  }

  /** A layout that offers one image, without a name, offers it under the default tag: with other tools `oci:DIR` means just that. */
  async #resolve(tag: Tag): Promise<Digest | undefined> {
    const entries = await this.#index.read()
    const named = entries.findLast((entry) => nameOf(entry) === tag)
    if (named !== undefined) return named.digest
    const [only, ...others] = entries
    return tag === DEFAULT_TAG && others.length === 0 && only !== undefined && nameOf(only) === undefined ? only.digest : undefined
  }

  async #writeBytes(raw: RawManifest): Promise<void> {
    const target = await this.#directory.blobTarget(raw.digest)
    if ((await readManifestBytes(target))?.equals(raw.bytes) !== true) await writeDurably(target, this.#directory.newTemporary(), raw.bytes)
  }
}
