/** Manifests of a repository: a revision link in the repository, the bytes in the blobs area, and tags that point at them. */
import {dirname, join} from 'node:path'
import {makeDirectory} from '../../core/make-directory.ts'
import {type Digest, isDigest} from '../../oci/digest.ts'
import {type RawManifest, verifyManifest} from '../../oci/manifest.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'
import {makeDirectoryDurably, writeDurably} from '../disk/durable.ts'
import {checkManifest, readManifestBytes, readManifestFile} from '../disk/manifest-file.ts'
import {namesIn} from '../disk/names-in.ts'
import type {FilesystemBlobs} from './blobs.ts'
import {ALGORITHMS, type RegistryLayout} from './layout.ts'
import {readLink, removeDirectory, sizeOf, writeLink} from './links.ts'
import type {FilesystemTags} from './tags.ts'

export class FilesystemManifests {
  readonly #layout: RegistryLayout
  readonly #blobs: FilesystemBlobs
  readonly #tags: FilesystemTags

  constructor(layout: RegistryLayout, blobs: FilesystemBlobs, tags: FilesystemTags) {
    this.#layout = layout
    this.#blobs = blobs
    this.#tags = tags
  }

  /** The digests of all manifests of the repository, whether or not a tag names them. */
  async list(repository: RepositoryName): Promise<readonly Digest[]> {
    const names = await Promise.all(
      ALGORITHMS.map(async (algorithm) =>
        (await namesIn(join(this.#layout.revisions(repository), algorithm))).map((hex) => `${algorithm}:${hex}`),
      ),
    )
    return names.flat().filter(isDigest)
  }

  async read(repository: RepositoryName, reference: Tag | Digest): Promise<RawManifest | undefined> {
    const digest = isDigest(reference) ? reference : await this.#tags.resolve(repository, reference)
    if (digest === undefined || (await readLink(this.#layout.revisionLink(repository, digest))) === undefined) return undefined
    return await readManifestFile(this.#layout.blobData(digest), digest)
  }

  /** The bytes, then the revision that makes them part of the repository, then the tag: a reader finds each only when what it names is there. */
  async write(repository: RepositoryName, reference: Tag | Digest, given: RawManifest): Promise<void> {
    const raw = isDigest(reference) ? verifyManifest(given, reference) : given
    await checkManifest(raw, {
      blob: (digest) => this.#blobs.stat(repository, digest),
      manifest: (digest) => this.#sizeOf(repository, digest),
    })
    await this.writeSparse(repository, reference, raw)
  }

  /** The same for a manifest of which parts may still be missing: a mirror has it before its blobs, and of an index what was asked for. */
  async writeSparse(repository: RepositoryName, reference: Tag | Digest, given: RawManifest): Promise<void> {
    const raw = isDigest(reference) ? verifyManifest(given, reference) : given
    await this.#writeBytes(raw)
    await this.completeRepository(repository)
    if ((await this.#sizeOf(repository, raw.digest)) === undefined)
      await writeLink(this.#layout, this.#layout.revisionLink(repository, raw.digest), raw.digest)
    if (!isDigest(reference)) await this.#tags.point(repository, reference, raw.digest)
  }

  /** Makes the directory of layers, which Distribution expects in every repository with manifests: its garbage collection ends where it is missing. */
  async completeRepository(repository: RepositoryName): Promise<void> {
    await makeDirectoryDurably(this.#layout.layers(repository))
  }

  /** Tags first: one that names a manifest which is gone would be worse than a manifest without a tag. */
  async delete(repository: RepositoryName, digest: Digest): Promise<boolean> {
    if ((await readLink(this.#layout.revisionLink(repository, digest))) === undefined) return false
    for await (const tag of this.#tags.list(repository)) {
      if ((await this.#tags.resolve(repository, tag)) === digest) await this.#tags.delete(repository, tag)
    }
    return await removeDirectory(this.#layout, dirname(this.#layout.revisionLink(repository, digest)))
  }

  /** The size of a manifest that the repository holds. */
  async #sizeOf(repository: RepositoryName, digest: Digest): Promise<number | undefined> {
    const link = await readLink(this.#layout.revisionLink(repository, digest))
    return link === undefined ? undefined : await sizeOf(this.#layout.blobData(digest))
  }

  /** Bytes that are already there and right are left alone; wrong ones, of a disk that failed, are replaced. */
  async #writeBytes(raw: RawManifest): Promise<void> {
    const path = this.#layout.blobData(raw.digest)
    if ((await readManifestBytes(path))?.equals(raw.bytes) === true) return
    await makeDirectory(this.#layout.temporaries())
    await writeDurably(path, this.#layout.newTemporary(), raw.bytes)
  }
}
