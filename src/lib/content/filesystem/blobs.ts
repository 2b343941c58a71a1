/** Blobs of a repository: a link in the repository, the bytes in the blobs area. */
import {link} from 'node:fs/promises'
import {dirname} from 'node:path'
import type {ByteSink} from '../../core/byte-sink.ts'
import {hasErrno} from '../../core/errno.ts'
import {HoldfastError} from '../../core/errors.ts'
import type {BlobDescriptor} from '../../oci/descriptor.ts'
import type {Digest} from '../../oci/digest.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import {makeDirectoryDurably, syncDirectory} from '../disk/durable.ts'
import type {Growth} from '../disk/growing-file.ts'
import {pushFile} from '../disk/push-file.ts'
import type {BlobOutcome, BlobSource, ReadBlobOptions, WriteBlobOptions} from '../store.ts'
import type {RegistryLayout} from './layout.ts'
import {readLink, removeDirectory, sizeOf, writeLink} from './links.ts'
import type {FilesystemUploads} from './uploads.ts'

export interface FilesystemWriteOptions extends WriteBlobOptions {
  /** Told of the file that the bytes go to, where any do. */
  readonly growth?: Growth | undefined
}

export class FilesystemBlobs {
  readonly #layout: RegistryLayout
  readonly #uploads: FilesystemUploads

  constructor(layout: RegistryLayout, uploads: FilesystemUploads) {
    this.#layout = layout
    this.#uploads = uploads
  }

  async stat(repository: RepositoryName, digest: Digest): Promise<number | undefined> {
    const path = await this.#find(repository, digest)
    return path === undefined ? undefined : await sizeOf(path)
  }

  async read(repository: RepositoryName, blob: BlobDescriptor, sink: ByteSink, options: ReadBlobOptions): Promise<void> {
    const path = await this.#find(repository, blob.digest)
    if (path === undefined || (await sizeOf(path)) === undefined) {
      throw new HoldfastError('BLOB_NOT_FOUND', `cannot read blob "${blob.digest}": repository ${repository} has no such blob`, {
        details: {repository, digest: blob.digest},
      })
    }
    await pushFile(path, blob, sink, options)
  }

  /**
   * A blob that the store has for another repository is no reason to skip the upload: whoever knows only its digest must not get at its bytes. Only a link in
   * `mountFrom`, which the caller answers for, mounts.
   */
  async write(repository: RepositoryName, blob: BlobDescriptor, source: BlobSource, options: FilesystemWriteOptions): Promise<BlobOutcome> {
    const isTrusted = options.isDamaged !== true
    if (isTrusted && (await this.stat(repository, blob.digest)) === blob.size) return 'present'
    if (isTrusted && options.mountFrom !== undefined && (await this.stat(options.mountFrom, blob.digest)) === blob.size) {
      await writeLink(this.#layout, this.#layout.layerLink(repository, blob.digest), blob.digest)
      return 'mounted'
    }
    const id = await this.#uploads.start(repository)
    try {
      await this.#uploads.append(repository, id, 0, source, {
        limitBytes: blob.size,
        expectedBytes: blob.size,
        growth: options.growth,
        ...(options.signal === undefined ? {} : {signal: options.signal}),
      })
      await this.#uploads.finish(repository, id, blob.digest, {expectedBytes: blob.size, growth: options.growth})
    } catch (error) {
      // The first failure is what matters; what cannot be removed now is purged when it is stale.
      await this.#uploads.cancel(repository, id).catch(() => false)
      throw error
    }
    return 'uploaded'
  }

  /**
   * Makes a blob part of a repository whose bytes are here for another repository, or in another store on the same disk. Only for stores whose clients may read all of these
   * repositories. Returns whether there were such bytes.
   */
  async adopt(repository: RepositoryName, blob: BlobDescriptor, others: readonly RegistryLayout[]): Promise<boolean> {
    const path = this.#layout.blobData(blob.digest)
    if ((await sizeOf(path)) !== blob.size && !(await this.#linkFile(path, blob, others))) return false
    await writeLink(this.#layout, this.#layout.layerLink(repository, blob.digest), blob.digest)
    return true
  }

  async #linkFile(path: string, {digest, size}: BlobDescriptor, others: readonly RegistryLayout[]): Promise<boolean> {
    for (const other of others) {
      const from = other.blobData(digest)
      if (from === path || (await sizeOf(from)) !== size) continue
      await makeDirectoryDurably(dirname(path))
      try {
        await link(from, path)
      } catch (error) {
        // Another disk, or one without hard links: the bytes are fetched.
        if (hasErrno(error, 'EXDEV', 'EPERM', 'ENOTSUP', 'EMLINK', 'ENOENT')) continue
        if (!hasErrno(error, 'EEXIST')) throw error
      }
      await syncDirectory(dirname(path))
      return (await sizeOf(path)) === size
    }
    return false
  }

  /** Removes the repository's link; the bytes stay for other repositories and for garbage collection. */
  async delete(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const link = this.#layout.layerLink(repository, digest)
    const wasThere = (await readLink(link)) !== undefined
    return (await removeDirectory(this.#layout, dirname(link))) && wasThere
  }

  /** The file of a blob that the repository links; Distribution links a blob pushed under a sha512 digest to its sha256 file, so the link is followed. */
  async #find(repository: RepositoryName, digest: Digest): Promise<string | undefined> {
    const target = await readLink(this.#layout.layerLink(repository, digest))
    return target === undefined ? undefined : this.#layout.blobData(target)
  }
}
