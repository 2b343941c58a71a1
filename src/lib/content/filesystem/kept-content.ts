/**
 * What a mirror does with its directory beside serving it: it records when something was used, measures, and removes images.
 *
 * The time of a link is when its blob or manifest was last used: it is set when the link is written, survives a restart, and is the same for all processes.
 */
import {lstat, rename, rm, stat, utimes} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {hasErrno} from '../../core/errno.ts'
import {makeDirectory} from '../../core/make-directory.ts'
import {readRegularFile} from '../../core/regular-file.ts'
import {type Digest, isDigest} from '../../oci/digest.ts'
import {childManifests, parseManifest, requiredBlobs} from '../../oci/manifest.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'
import {syncDirectory, writeDurably} from '../disk/durable.ts'
import {namesIn} from '../disk/names-in.ts'
import {ALGORITHMS, type RegistryLayout} from './layout.ts'
import {readLink, removeDirectory, sizeOf, writeLink} from './links.ts'
import type {FilesystemManifests} from './manifests.ts'
import {walkRepositories} from './repositories.ts'
import type {FilesystemTags} from './tags.ts'

/** Three numbers. */
const MAX_USAGE_BYTES = 1024

/** Parts of one repository. */
export interface RemovedParts {
  readonly tags: readonly Tag[]
  readonly manifests: readonly Digest[]
  readonly blobs: readonly Digest[]
}

/** Times in ms since the epoch, that the owner of the times of use gives a meaning. */
export interface UsageTimes {
  readonly sinceMs: number
  readonly resumedMs: number
  readonly seenMs: number
}

export class KeptContent {
  readonly #layout: RegistryLayout
  readonly #manifests: FilesystemManifests
  readonly #tags: FilesystemTags

  constructor(layout: RegistryLayout, manifests: FilesystemManifests, tags: FilesystemTags) {
    this.#layout = layout
    this.#manifests = manifests
    this.#tags = tags
  }

  /** Records that a client was served a manifest or blob of a repository; a read-only disk, and what is not kept, are passed over. */
  async markUsed(repository: RepositoryName, digest: Digest, nowMs: number): Promise<void> {
    const now = new Date(nowMs)
    for (const link of this.#links(repository, digest)) {
      try {
        await utimes(link, now, now)
      } catch (error) {
        if (!hasErrno(error, 'ENOENT', 'ENOTDIR', 'EROFS', 'EACCES', 'EPERM', 'ENOSPC')) throw error
      }
    }
  }

  /** When a manifest or blob of a repository was last used, in ms since the epoch; undefined when it has none. */
  async lastUsedMs(repository: RepositoryName, digest: Digest): Promise<number | undefined> {
    const times = await Promise.all(this.#links(repository, digest).map(async (link) => (await stat(link).catch(ignoreMissing))?.mtimeMs))
    const known = times.filter((time) => time !== undefined)
    return known.length === 0 ? undefined : Math.max(...known)
  }

  /** Bytes of all blobs and manifests; a file that several stores share counts once, where it is met first in `counted` (device and inode). */
  async measure(counted: Set<string>): Promise<number> {
    let bytes = 0
    for (const algorithm of ALGORITHMS) {
      const top = join(dirname(this.#layout.repositories()), 'blobs', algorithm)
      for (const prefix of await namesIn(top)) {
        for (const hex of await namesIn(join(top, prefix))) {
          const found = await stat(join(top, prefix, hex, 'data')).catch(ignoreMissing)
          if (found === undefined) continue
          if (found.nlink > 1) {
            const key = `${found.dev}:${found.ino}`
            if (counted.has(key)) continue
            counted.add(key)
          }
          bytes += found.size
        }
      }
    }
    return bytes
  }

  /**
   * Removes parts of a repository, and their bytes where no repository of the store has them any more. A pull that goes on meanwhile keeps what it needs.
   * @returns the bytes that the disk has again.
   */
  async remove(repository: RepositoryName, {tags, manifests, blobs}: RemovedParts): Promise<number> {
    const before = new Set(await this.#manifests.list(repository))
    for (const tag of tags) await this.#tags.delete(repository, tag)
    for (const digest of manifests) await removeDirectory(this.#layout, dirname(this.#layout.revisionLink(repository, digest)))
    for (const digest of blobs) await removeDirectory(this.#layout, dirname(this.#layout.layerLink(repository, digest)))
    await this.#restoreNeeded(repository, before, new Set(blobs), new Set(manifests))
    return await this.#dropBytes([...manifests, ...blobs])
  }

  async readUsageTimes(): Promise<UsageTimes | undefined> {
    try {
      const text = await readRegularFile(this.#usageFile(), {maxBytes: MAX_USAGE_BYTES})
      const json: Partial<Record<keyof UsageTimes, unknown>> | null = JSON.parse(text.toString('utf8'))
      const {sinceMs, resumedMs, seenMs} = json ?? {}
      return typeof sinceMs === 'number' && typeof resumedMs === 'number' && typeof seenMs === 'number'
        ? {sinceMs, resumedMs, seenMs}
        : undefined
    } catch (error) {
      if (error instanceof SyntaxError || hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
      throw error
    }
  }

  async writeUsageTimes(times: UsageTimes): Promise<void> {
    await makeDirectory(this.#layout.temporaries())
    await writeDurably(this.#usageFile(), this.#layout.newTemporary(), JSON.stringify(times))
  }

  #usageFile(): string {
    return join(dirname(this.#layout.temporaries()), 'usage.json')
  }

  #links(repository: RepositoryName, digest: Digest): readonly string[] {
    return [this.#layout.revisionLink(repository, digest), this.#layout.layerLink(repository, digest)]
  }

  /** A manifest that came while its parts were removed found them there: they are linked again, their bytes are still there. */
  async #restoreNeeded(
    repository: RepositoryName,
    before: ReadonlySet<Digest>,
    blobs: ReadonlySet<Digest>,
    manifests: ReadonlySet<Digest>,
  ): Promise<void> {
    for (const digest of await this.#manifests.list(repository)) {
      if (before.has(digest) && !manifests.has(digest)) continue
      const raw = await this.#manifests.read(repository, digest)
      if (raw === undefined) continue
      const manifest = parseManifest(raw)
      for (const {digest: blob} of requiredBlobs(manifest)) {
        if (blobs.has(blob)) await writeLink(this.#layout, this.#layout.layerLink(repository, blob), blob)
      }
      for (const {digest: child} of manifest.kind === 'index' ? childManifests(manifest) : []) {
        if (manifests.has(child)) await writeLink(this.#layout, this.#layout.revisionLink(repository, child), child)
      }
    }
  }

  /** Each file is moved out of sight first, so that a pull either links it before and gets it back, or does not find it and fetches it. */
  async #dropBytes(digests: readonly Digest[]): Promise<number> {
    const linked = await this.#linked()
    const moved: {readonly from: string; readonly to: string; readonly digest: Digest; readonly freedBytes: number}[] = []
    await makeDirectory(this.#layout.temporaries())
    for (const digest of new Set(digests)) {
      if (linked.has(digest)) continue
      const from = this.#layout.blobData(digest)
      const found = await lstat(from).catch(ignoreMissing)
      if (found === undefined) continue
      const to = this.#layout.newTemporary()
      await rename(from, to)
      moved.push({from, to, digest, freedBytes: found.nlink > 1 ? 0 : found.size})
    }
    if (moved.length === 0) return 0
    const linkedNow = await this.#linked()
    let freedBytes = 0
    for (const {from, to, digest, freedBytes: bytes} of moved) {
      if (linkedNow.has(digest) && (await sizeOf(from)) === undefined) {
        await rename(to, from)
        continue
      }
      await rm(to, {force: true})
      // Its folder stays: a fill of the same blob may be about to use it.
      await syncDirectory(dirname(from))
      freedBytes += bytes
    }
    return freedBytes
  }

  /** Every digest that some repository of the store links. */
  async #linked(): Promise<ReadonlySet<Digest>> {
    const linked = new Set<Digest>()
    for await (const {name} of walkRepositories(this.#layout.repositories())) {
      for (const folder of [this.#layout.layers(name), this.#layout.revisions(name)]) {
        for (const algorithm of ALGORITHMS) {
          for (const hex of await namesIn(join(folder, algorithm))) {
            const digest = `${algorithm}:${hex}`
            if (isDigest(digest)) linked.add(digest)
            // Distribution links a sha512 digest to its sha256 file.
            const target = algorithm === 'sha512' ? await readLink(join(folder, algorithm, hex, 'link')) : undefined
            if (target !== undefined) linked.add(target)
          }
        }
      }
    }
    return linked
  }
}

function ignoreMissing(error: unknown): undefined {
  if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error
}
