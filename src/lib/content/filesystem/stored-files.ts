/** The files that hold the bytes of blobs and manifests, for those who check whether they still hold what was written. */
import {stat, utimes} from 'node:fs/promises'
import {basename, join} from 'node:path'
import {hasErrno} from '../../core/errno.ts'
import {makeDirectory} from '../../core/make-directory.ts'
import {type Digest, isDigest} from '../../oci/digest.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import {moveDurably} from '../disk/durable.ts'
import {namesIn} from '../disk/names-in.ts'
import type {RegistryLayout} from './layout.ts'

export interface StoredFile {
  readonly path: string
  readonly sizeBytes: number
  /** Milliseconds since the epoch. */
  readonly modifiedAtMs: number
  /** Differs after each change that the file system notices. */
  readonly version: string
}

/** What a repository holds. */
export interface HeldContent {
  readonly kind: 'manifest' | 'blob'
  readonly digest: Digest
}

export class StoredFiles {
  readonly #layout: RegistryLayout

  constructor(layout: RegistryLayout) {
    this.#layout = layout
  }

  async find(digest: Digest): Promise<StoredFile | undefined> {
    const path = this.#layout.blobData(digest)
    try {
      const {size, ino, mtimeMs, ctimeMs} = await stat(path)
      return {path, sizeBytes: size, modifiedAtMs: mtimeMs, version: `${ino}:${size}:${mtimeMs}:${ctimeMs}`}
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
      throw error
    }
  }

  /** Takes a file out of use; it is removed with stale uploads. Returns where it is now, or undefined when it was gone already. */
  async quarantine(digest: Digest): Promise<string | undefined> {
    const path = `${this.#layout.newTemporary()}-damaged`
    await makeDirectory(this.#layout.temporaries())
    try {
      await moveDurably(this.#layout.blobData(digest), path)
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
      throw error
    }
    const now = new Date()
    await utimes(path, now, now)
    return path
  }

  /** The manifests and blobs that a repository links, whether their files are there or not. */
  async *list(repository: RepositoryName): AsyncGenerator<HeldContent> {
    for (const [kind, directory] of [
      ['manifest', this.#layout.revisions(repository)],
      ['blob', this.#layout.layers(repository)],
    ] as const)
      for (const algorithm of await namesIn(directory))
        for (const hex of await namesIn(join(directory, algorithm))) {
          const digest = `${basename(algorithm)}:${hex}`
          if (isDigest(digest)) yield {kind, digest}
        }
  }
}
