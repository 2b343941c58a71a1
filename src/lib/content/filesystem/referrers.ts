/**
 * Which manifests refer to which subject. Nothing of it is kept on the disk: the manifests themselves say it, whoever wrote them, and a repository is read once
 * by each process and then followed by the times of its directories.
 */
import {stat} from 'node:fs/promises'
import {join} from 'node:path'
import {hasErrno} from '../../core/errno.ts'
import {HoldfastError} from '../../core/errors.ts'
import type {Descriptor} from '../../oci/descriptor.ts'
import type {Digest} from '../../oci/digest.ts'
import {describeReferrer, type Manifest, parseManifest} from '../../oci/manifest.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import {readManifestFile} from '../disk/manifest-file.ts'
import {ALGORITHMS, type RegistryLayout} from './layout.ts'
import type {FilesystemManifests} from './manifests.ts'

/** Manifests known at once over all repositories; those of the repositories asked for longest ago are forgotten first. */
const MAX_KNOWN_MANIFESTS = 100_000
const READ_CONCURRENCY = 16
/** A directory changed less than this ago may change again without its time telling so. */
const SETTLED_MS = 2000

interface RepositoryKnowledge {
  /** Manifests that were read, whether or not they have a subject. */
  readonly examined: Set<Digest>
  readonly bySubject: Map<Digest, Set<Digest>>
  /** The directories' times when everything in them had been examined. */
  settledAt: string | undefined
}

export class FilesystemReferrers {
  readonly #layout: RegistryLayout
  readonly #manifests: FilesystemManifests
  readonly #known = new Map<RepositoryName, RepositoryKnowledge>()

  constructor(layout: RegistryLayout, manifests: FilesystemManifests) {
    this.#layout = layout
    this.#manifests = manifests
  }

  /** In the order of their digests; only what the repository holds now. */
  async list(repository: RepositoryName, subject: Digest): Promise<readonly Descriptor[]> {
    const knowledge = await this.#catchUp(repository)
    const referrers: Descriptor[] = []
    for (const digest of [...(knowledge.bySubject.get(subject) ?? [])].sort()) {
      const raw = await this.#manifests.read(repository, digest)
      if (raw !== undefined) referrers.push(describeReferrer(parseManifest(raw)))
    }
    return referrers
  }

  async #catchUp(repository: RepositoryName): Promise<RepositoryKnowledge> {
    const knowledge = this.#recall(repository)
    const {fingerprint, isSettled} = await this.#times(repository)
    if (isSettled && knowledge.settledAt === fingerprint) return knowledge
    const news = (await this.#manifests.list(repository)).filter((digest) => !knowledge.examined.has(digest))
    let isComplete = true
    for (let from = 0; from < news.length; from += READ_CONCURRENCY) {
      const found = await Promise.all(news.slice(from, from + READ_CONCURRENCY).map((digest) => this.#examine(knowledge, digest)))
      isComplete &&= !found.includes(false)
    }
    knowledge.settledAt = isSettled && isComplete ? fingerprint : undefined
    return knowledge
  }

  /** Answers false when the bytes are not there yet. What is no manifest of ours to understand has no subject either. */
  async #examine(knowledge: RepositoryKnowledge, digest: Digest): Promise<boolean> {
    let manifest: Manifest
    try {
      const raw = await readManifestFile(this.#layout.blobData(digest), digest)
      if (raw === undefined) return false
      manifest = parseManifest(raw)
    } catch (error) {
      if (error instanceof HoldfastError) return true
      throw error
    }
    knowledge.examined.add(digest)
    if (manifest.subject !== undefined) {
      const subject = manifest.subject.digest
      knowledge.bySubject.set(subject, (knowledge.bySubject.get(subject) ?? new Set()).add(digest))
    }
    return true
  }

  #recall(repository: RepositoryName): RepositoryKnowledge {
    const knowledge = this.#known.get(repository) ?? {examined: new Set(), bySubject: new Map(), settledAt: undefined}
    this.#known.delete(repository)
    this.#known.set(repository, knowledge)
    let manifests = 0
    for (const {examined} of this.#known.values()) manifests += examined.size
    for (const [oldest, {examined}] of this.#known) {
      if (manifests <= MAX_KNOWN_MANIFESTS || oldest === repository) break
      this.#known.delete(oldest)
      manifests -= examined.size
    }
    return knowledge
  }

  async #times(repository: RepositoryName): Promise<{readonly fingerprint: string; readonly isSettled: boolean}> {
    const times = await Promise.all(
      ALGORITHMS.map(
        async (algorithm) => await stat(join(this.#layout.revisions(repository), algorithm), {bigint: true}).catch(ignoreMissing),
      ),
    )
    return {
      fingerprint: times.map((time) => `${time?.ino ?? 0}:${time?.mtimeNs ?? 0}`).join(' '),
      isSettled: times.every((time) => time === undefined || Date.now() - Number(time.mtimeMs) > SETTLED_MS),
    }
  }
}

function ignoreMissing(error: unknown): undefined {
  if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error
}
