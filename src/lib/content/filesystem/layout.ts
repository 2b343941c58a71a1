/**
 * Where everything is below the root: the on-disk layout of CNCF Distribution (its `registry/storage/paths.go` describes it), plus one directory of ours,
 * `_holdfast`, which Distribution passes over.
 */
import {randomUUID} from 'node:crypto'
import {join, resolve, sep} from 'node:path'
import {HoldfastError} from '../../core/errors.ts'
import {type Digest, digestAlgorithm, digestHex} from '../../oci/digest.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'
import type {UploadId} from './upload-id.ts'

/** Of digests: each has a directory of its own. */
export const ALGORITHMS = ['sha256', 'sha512'] as const

/** Paths of one store. Every path is made of checked values, and checked once more to lie below the root. */
export class RegistryLayout {
  readonly root: string
  readonly #top: string

  constructor(root: string) {
    this.root = resolve(root)
    this.#top = join(this.root, 'docker', 'registry', 'v2')
  }

  /** The bytes of a blob or manifest. */
  blobData(digest: Digest): string {
    const hex = digestHex(digest)
    return this.#below('blobs', digestAlgorithm(digest), hex.slice(0, 2), hex, 'data')
  }

  /** Holds the bytes of all repositories. */
  blobs(): string {
    return this.#below('blobs')
  }

  repositories(): string {
    return this.#below('repositories')
  }

  repository(name: RepositoryName): string {
    return this.#below('repositories', name)
  }

  /** Holds the links of the repository's blobs. */
  layers(name: RepositoryName): string {
    return this.#below('repositories', name, '_layers')
  }

  /** Says that the repository holds the blob. */
  layerLink(name: RepositoryName, digest: Digest): string {
    return this.#below('repositories', name, '_layers', digestAlgorithm(digest), digestHex(digest), 'link')
  }

  /** Holds one directory per algorithm, and in it one per manifest of the repository. */
  revisions(name: RepositoryName): string {
    return this.#below('repositories', name, '_manifests', 'revisions')
  }

  /** Says that the repository holds the manifest. */
  revisionLink(name: RepositoryName, digest: Digest): string {
    return this.#below('repositories', name, '_manifests', 'revisions', digestAlgorithm(digest), digestHex(digest), 'link')
  }

  tags(name: RepositoryName): string {
    return this.#below('repositories', name, '_manifests', 'tags')
  }

  tag(name: RepositoryName, tag: Tag): string {
    return this.#below('repositories', name, '_manifests', 'tags', tag)
  }

  upload(name: RepositoryName, id: UploadId): string {
    return this.#below('repositories', name, '_uploads', id)
  }

  /** What a mirror has to remember. */
  journal(): string {
    return this.#below('_holdfast', 'journal')
  }

  /** What is being made and has no name yet. */
  temporaries(): string {
    return this.#below('_holdfast', 'tmp')
  }

  /** A name that nothing has, on the file system of the store. */
  newTemporary(): string {
    return join(this.temporaries(), randomUUID())
  }

  #below(...segments: readonly string[]): string {
    const path = join(this.#top, ...segments)
    if (!path.startsWith(this.#top + sep))
      throw new HoldfastError('INTERNAL', `cannot use path "${segments.join('/')}": it leaves the store`)
    return path
  }
}

/** The links of a tag, relative to its directory: the one that counts, and the history of manifests that it has named. */
export const CURRENT_LINK = join('current', 'link')
export function historyLink(digest: Digest): string {
  return join('index', digestAlgorithm(digest), digestHex(digest), 'link')
}
