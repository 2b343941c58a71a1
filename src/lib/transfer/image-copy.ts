/** The copy of one image: find out what is there, choose, move blobs, write manifests, bring along what refers to it, tag. */

import {readBlobBytes} from '../content/read-bytes.ts'
import type {BlobOutcome, CallOptions} from '../content/store.ts'
import {awaitedLater} from '../core/awaited-later.ts'
import type {ByteSink} from '../core/byte-sink.ts'
import {HoldfastError, hasCode, interrupted} from '../core/errors.ts'
import type {Lane} from '../core/lane.ts'
import type {Descriptor} from '../oci/descriptor.ts'
import type {Digest} from '../oci/digest.ts'
import {MAX_CONFIG_BYTES, parseImageConfig} from '../oci/image-config.ts'
import {childManifests, foreignLayers, type ImageManifest, type Manifest, parseManifest, requiredBlobs} from '../oci/manifest.ts'
import {isIndexType} from '../oci/media-types.ts'
import {formatPlatform, matchesPlatform, type Platform} from '../oci/platform.ts'
import {formatReference, manifestReference, type Tag} from '../oci/reference.ts'
import type {CopyJob, CopyReport, CopyRunOptions} from './copy-job.ts'
import {atSource, GraphBudget, type GraphSource, readChildren, readSourceManifest} from './graph.ts'
import {MAX_REFERRER_DEPTH} from './limits.ts'
import {describeMissing, isAttestation, offeredPlatforms, platformNotFound, selectPlatforms, trimIndex} from './platforms.ts'
import {findAttachedTags} from './referrers.ts'
import type {TargetSession} from './target-session.ts'

/** A manifest graph ready to be written: children in order, then the root. */
interface Selection {
  readonly root: Manifest
  readonly children: readonly Manifest[]
  /** What the source's reference names: the root, or the index it was chosen from. */
  readonly sourceDigest: Digest
}

/** Something that comes along with the image, and where it goes: its own digest, or the tag that it has at the source. */
interface Companion {
  readonly at: Tag | Digest
  readonly root: Manifest
  readonly children: readonly Manifest[]
}

export class ImageCopy {
  readonly #job: CopyJob
  readonly #target: TargetSession
  readonly #sourceLane: Lane
  readonly #announced: Set<Digest>
  readonly #options: CopyRunOptions
  readonly #budget = new GraphBudget()
  /** Ends the other work of this image as soon as one part of it has failed. */
  readonly #failure = new AbortController()
  #cause: {readonly error: unknown} | undefined
  readonly #call: CallOptions & {readonly signal: AbortSignal}
  readonly #sizes = new Map<Digest, number>()
  /** Foreign layers whose bytes the source has, and that are wanted. */
  readonly #foreignHere = new Set<Digest>()
  readonly #altered: ReadonlySet<Digest>
  readonly #missing: Descriptor[] = []
  readonly #outcomes: Record<BlobOutcome, number> = {present: 0, mounted: 0, uploaded: 0}
  #uploadedBytes = 0

  constructor(job: CopyJob, target: TargetSession, sourceLane: Lane, announced: Set<Digest>, options: CopyRunOptions) {
    this.#job = job
    this.#target = target
    this.#sourceLane = sourceLane
    this.#announced = announced
    this.#options = options
    this.#altered = new Set(job.target.altered)
    this.#call = {signal: options.signal === undefined ? this.#failure.signal : AbortSignal.any([options.signal, this.#failure.signal])}
  }

  async run(): Promise<CopyReport> {
    if (this.#options.signal?.aborted) throw interrupted()
    const {source, target} = this.#job
    this.#target.forget(target.reference.repository, this.#altered)
    const {unchanged, sourceDigest} = await this.#statBothEnds()
    if (unchanged !== undefined) return this.#reportUnchanged(unchanged)
    const atTarget = sourceDigest === undefined || isChoice(this.#job.platforms) ? undefined : await this.#readTargetManifest(sourceDigest)
    const selection =
      atTarget === undefined
        ? await atSource(source.reference, this.#select())
        : {root: atTarget, children: [], sourceDigest: atTarget.raw.digest}
    const {root} = selection
    const {foreignLayers: copiesForeign} = this.#options
    if (copiesForeign === true) await this.#findForeignLayers([...selection.children, root])
    const isTrimmed = root.kind === 'index' && root.raw.digest !== selection.sourceDigest
    const companions =
      this.#options.referrers === false || isTrimmed
        ? Promise.resolve([])
        : atSource(source.reference, this.#readCompanions(subjectsOf(selection)))
    await this.#together([atTarget === undefined ? this.#writeGraph(selection) : Promise.resolve(), companions])
    const along = await companions
    const {tag} = target.reference
    if (along.length > 0) {
      if (atTarget === undefined) await this.#writeManifest(root.raw.digest, root)
      for (const companion of along) await this.#writeCompanion(companion)
    }
    if (tag !== undefined || atTarget === undefined) {
      this.#options.listener?.({type: 'name-started', target: formatReference(target.reference)})
      await this.#writeManifest(tag ?? root.raw.digest, root)
    }
    return {
      source: source.reference,
      target: target.reference,
      sourceDigest: selection.sourceDigest,
      digest: root.raw.digest,
      mediaType: root.raw.mediaType,
      unchanged: false,
      platforms: (root.kind === 'index' ? offeredPlatforms(root) : (this.#job.platforms ?? [])).map(formatPlatform),
      sizeBytes: [...this.#sizes.values()].reduce((sum, size) => sum + size, 0),
      uploadedBytes: this.#uploadedBytes,
      uploadedBlobs: this.#outcomes.uploaded,
      mountedBlobs: this.#outcomes.mounted,
      presentBlobs: this.#outcomes.present,
      referrers: along.length,
      ...this.#describeRest([...selection.children, root]),
    }
  }

  /** What the copy lacks. */
  #describeRest(manifests: readonly Manifest[]): Pick<CopyReport, 'foreignLayers' | 'missing'> {
    const foreign = manifests.flatMap(foreignLayers).filter(({digest}) => !this.#foreignHere.has(digest))
    const layers = [...new Map(foreign.map((layer) => [layer.digest, layer])).values()]
    return {
      ...(layers.length === 0 ? {} : {foreignLayers: layers.map(({digest, size, urls = []}) => ({digest, sizeBytes: size, urls}))}),
      ...(this.#missing.length === 0 ? {} : {missing: this.#missing.map(describeMissing)}),
    }
  }

  /** Asks the source which foreign layers it has: most keep none. */
  async #findForeignLayers(manifests: readonly Manifest[]): Promise<void> {
    const {store, reference} = this.#job.source
    const find = async ({digest, size}: Descriptor): Promise<void> => {
      const found = await this.#sourceLane.run(() => atSource(reference, store.statBlob(reference.repository, digest, this.#call)))
      if (found === size) this.#foreignHere.add(digest)
    }
    await this.#together([...new Map(manifests.flatMap(foreignLayers).map((layer) => [layer.digest, layer])).values()].map(find))
  }

  /** One HEAD at each end: what both name, if it is the same, and what the source names, where that was worth asking. */
  async #statBothEnds(): Promise<{readonly unchanged?: Descriptor; readonly sourceDigest?: Digest}> {
    const {source, target, platforms} = this.#job
    if (target.isFresh || target.isDamaged || this.#options.verify || this.#options.foreignLayers || isChoice(platforms)) return {}
    const {repository, tag} = target.reference
    const [here, sourceDigest] = await this.#together([
      this.#target.store.statManifest(repository, tag ?? manifestReference(target.reference), {...this.#call, isLikelyAbsent: true}),
      source.reference.digest ?? this.#statSource(),
    ] as const)
    if (sourceDigest === undefined) return {}
    return here?.digest === sourceDigest ? {unchanged: here, sourceDigest} : {sourceDigest}
  }

  async #statSource(): Promise<Digest | undefined> {
    const {store, reference} = this.#job.source
    const found = await this.#sourceLane.run(() =>
      atSource(reference, store.statManifest(reference.repository, manifestReference(reference), this.#call)),
    )
    return found?.digest
  }

  #reportUnchanged(found: Descriptor): CopyReport {
    const {source, target} = this.#job
    return {
      source: source.reference,
      target: target.reference,
      sourceDigest: found.digest,
      digest: found.digest,
      mediaType: found.mediaType,
      unchanged: true,
      platforms: [],
      sizeBytes: 0,
      uploadedBytes: 0,
      uploadedBlobs: 0,
      mountedBlobs: 0,
      presentBlobs: 0,
      referrers: 0,
    }
  }

  /** The manifest as the target has it, when it has: then only the tag is missing, and the source is not asked for it. */
  async #readTargetManifest(digest: Digest): Promise<Manifest | undefined> {
    const {store, reference} = this.#job.target
    if ((await store.statManifest(reference.repository, digest, {...this.#call, isLikelyAbsent: true})) === undefined) return undefined
    const raw = await store.readManifest(reference.repository, digest, this.#call)
    return raw === undefined ? undefined : parseManifest(raw)
  }

  /** Reads the root and its children from the source, and applies the choice of platforms. */
  async #select(): Promise<Selection> {
    const {reference} = this.#job.source
    const named = await this.#read(manifestReference(reference))
    this.#budget.enter(named.raw.digest)
    const sourceDigest = named.raw.digest
    const wanted = this.#job.platforms ?? []
    if (named.kind === 'image') {
      if (wanted.length > 0) await this.#checkPlatform(named, wanted)
      return {root: named, children: [], sourceDigest}
    }
    if (wanted.length === 0) return {root: named, children: await this.#readBelow(named), sourceDigest}
    const kept = selectPlatforms(named, wanted)
    const images = kept.filter((child) => child.platform !== undefined && child.platform.os !== 'unknown')
    const [only] = images
    if (images.length === 1 && only !== undefined && !isIndexType(only.mediaType)) {
      this.#budget.enter(only.digest)
      return {root: await this.#read(only.digest), children: [], sourceDigest}
    }
    const children = await this.#readBelow(named, kept)
    const lacking = new Set<Digest>(this.#missing.map(({digest}) => digest))
    const there = kept.filter(({digest}) => !lacking.has(digest))
    const root = there.length === named.manifests.length ? named : parseManifest(trimIndex(named, there))
    return {root, children, sourceDigest}
  }

  /** An image that is no index says its platform in its config. */
  async #checkPlatform(image: ImageManifest, wanted: readonly Platform[]): Promise<void> {
    const {reference, store} = this.#job.source
    const bytes = await atSource(reference, readBlobBytes(store, reference.repository, image.config, MAX_CONFIG_BYTES, this.#call))
    const {platform} = parseImageConfig(bytes)
    for (const one of wanted) if (!matchesPlatform(platform, one)) throw platformNotFound(formatReference(reference), one, [platform])
  }

  /** Puts everything below the root into the target, and the root's blobs: blobs side by side, manifests after their children. */
  async #writeGraph({root, children}: Pick<Selection, 'root' | 'children'>): Promise<void> {
    const manifests = [...children, root]
    for (const manifest of manifests) this.#note(manifest)
    const known = new Map(manifests.map((manifest) => [manifest.raw.digest, manifest]))
    const written = new Map<Digest, Promise<void>>()
    // Two indexes may name the same manifest: whichever comes first, each waits for it.
    const write = (manifest: Manifest): Promise<void> => {
      const {digest} = manifest.raw
      const running = written.get(digest)
      if (running !== undefined) return running
      const children = manifest.kind === 'index' ? manifest.manifests.flatMap((child) => known.get(child.digest) ?? []) : []
      const work = this.#writeNode(manifest, children.map(write), manifest !== root)
      written.set(digest, work)
      return work
    }
    await this.#together(manifests.map(write))
  }

  async #writeNode(manifest: Manifest, below: readonly Promise<void>[], writesManifest: boolean): Promise<void> {
    await this.#together([...below, ...this.#blobsOf(manifest).map((blob) => this.#ensureBlob(blob))])
    if (writesManifest) await this.#writeManifest(manifest.raw.digest, manifest)
  }

  /** Referrers of every manifest in the graph, theirs in turn, and what cosign's tags name. */
  async #readCompanions(subjects: readonly Digest[]): Promise<readonly Companion[]> {
    const {store, reference} = this.#job.source
    const attached = awaitedLater(atSource(reference, findAttachedTags(store, reference.repository, subjects, this.#call.signal)))
    const companions: Companion[] = []
    for (let depth = 0, level: readonly Digest[] = subjects; level.length > 0; depth++) {
      if (depth > MAX_REFERRER_DEPTH) {
        throw new HoldfastError(
          'GRAPH_TOO_DEEP',
          `cannot copy "${formatReference(reference)}": referrers are nested more than ${MAX_REFERRER_DEPTH} deep`,
        )
      }
      const list = (subject: Digest) =>
        this.#sourceLane.run(() => atSource(reference, store.listReferrers(reference.repository, subject, this.#call)))
      const listed = (await this.#together(level.map(list))).flat()
      const fresh = listed.filter((descriptor) => this.#budget.enter(descriptor.digest)).map((descriptor) => descriptor.digest)
      const read = await this.#together(fresh.map((digest) => this.#readCompanion(digest)))
      // Some registries name manifests that refer to nothing, or to something else: what a manifest says of itself counts.
      const referrers = read.filter(({root}) => root.subject !== undefined && level.includes(root.subject.digest))
      companions.push(...referrers)
      level = referrers.map(({root}) => root.raw.digest)
    }
    const tags = await attached
    companions.push(...(await this.#together(tags.map((tag) => this.#readCompanion(tag)))))
    return companions
  }

  async #readCompanion(at: Tag | Digest): Promise<Companion> {
    const root = await this.#read(at)
    return {at, root, children: root.kind === 'index' ? await this.#readBelow(root) : []}
  }

  async #writeCompanion(companion: Companion): Promise<void> {
    await this.#writeGraph(companion)
    await this.#writeManifest(companion.at, companion.root)
  }

  async #ensureBlob(blob: Descriptor): Promise<void> {
    const {repository} = this.#job.target.reference
    const source = (sink: ByteSink, start: number, signal?: AbortSignal) => this.#readBody(blob, sink, start, signal)
    const outcome = await this.#target.ensureBlob(repository, blob, source, {
      ...this.#call,
      isFresh: this.#job.target.isFresh,
      isDamaged: this.#altered.has(blob.digest),
    })
    if (outcome === undefined) return
    this.#outcomes[outcome]++
    this.#options.listener?.({type: 'blob-finished', blob, outcome})
  }

  /** Pulls a blob's bytes and counts them; what a failed attempt moved is taken back. */
  async #readBody(blob: Descriptor, sink: ByteSink, start: number, signal: AbortSignal | undefined): Promise<void> {
    const {store, reference} = this.#job.source
    const {listener} = this.#options
    let moved = 0
    const counted: ByteSink = {
      write: (chunk, release) => {
        moved += chunk.length
        listener?.({type: 'bytes-moved', bytes: chunk.length})
        return sink.write(chunk, release)
      },
    }
    try {
      const options = {signal: signal ?? this.#call.signal, ...(start === 0 ? {} : {range: {start}})}
      await atSource(reference, store.readBlob(reference.repository, blob, counted, options))
      this.#uploadedBytes += moved
    } catch (error) {
      if (moved > 0) listener?.({type: 'bytes-moved', bytes: -moved})
      throw error
    }
  }

  /** Writes a manifest; a target that lacks a blob we believed there (it was deleted meanwhile) is given it anew, once. */
  async #writeManifest(at: Tag | Digest, {raw, ...manifest}: Manifest): Promise<void> {
    if (this.#call.signal.aborted) throw interrupted()
    const {repository} = this.#job.target.reference
    try {
      await this.#target.writeManifest(repository, at, raw, this.#call)
    } catch (error) {
      const whole = {...manifest, raw}
      const blobs = this.#blobsOf(whole)
      if (!hasCode(error, 'BLOB_NOT_FOUND') || blobs.length === 0) throw this.#explainRefusal(error, whole)
      this.#target.forgetBlobs(repository, blobs)
      await this.#together(blobs.map((blob) => this.#ensureBlob(blob)))
      await this.#target.writeManifest(repository, at, raw, this.#call).catch((again: unknown) => {
        throw this.#explainRefusal(again, whole)
      })
    }
  }

  /** Many registries take no manifest with URLs, or want the bytes of every layer; docker-registry 3 takes no index that names blobs. */
  #explainRefusal(error: unknown, manifest: Manifest): unknown {
    if (manifest.kind === 'index' && requiredBlobs(manifest).length > 0 && isRefusal(error)) {
      const {reference} = this.#job.target
      return new HoldfastError(
        'UNSUPPORTED',
        `cannot write "${formatReference(reference)}": ${reference.registry} takes no index that names layers, as BuildKit's caches do: ${error.message}`,
        {
          hints: [
            `docker buildx build --cache-to type=registry,image-manifest=true,ref=${formatReference(this.#job.source.reference)} .   # makes a cache that it takes`,
          ],
          details: error.details,
          cause: error,
        },
      )
    }
    const foreign = foreignLayers(manifest).filter(({digest}) => !this.#foreignHere.has(digest))
    if (foreign.length === 0 || !isRefusal(error)) return error
    const {registry} = this.#job.target.reference
    const names = foreign.map(({digest}) => digest)
    return new HoldfastError(
      'UNSUPPORTED',
      `cannot write "${formatReference(this.#job.target.reference)}": ${registry} takes no manifest with foreign layers (${names.join(', ')}): ${error.message}`,
      {
        hints: [
          ...(this.#options.foreignLayers === true ? [] : ['--foreign-layers  # copies them, where the source has their bytes']),
          "validation: {manifests: {urls: {allow: ['^https?://']}}}  # in the configuration of docker-registry",
        ],
        details: {...error.details, foreignLayers: names},
        cause: error,
      },
    )
  }

  #blobsOf(manifest: Manifest): readonly Descriptor[] {
    return [...requiredBlobs(manifest), ...foreignLayers(manifest).filter(({digest}) => this.#foreignHere.has(digest))]
  }

  #read(at: Tag | Digest): Promise<Manifest> {
    return readSourceManifest(this.#graphSource, at, this.#job.source.reference, this.#sourceLane, this.#call.signal)
  }

  #readBelow(index: Manifest & {readonly kind: 'index'}, children?: readonly Descriptor[]): Promise<readonly Manifest[]> {
    const onMissing = (child: Descriptor): boolean => {
      // The index is another one anyway, so that it need not name what is not there.
      const isSpared = children?.includes(child) === true && isAttestation(child)
      if (isSpared) this.#missing.push(child)
      return isSpared
    }
    const walk = {lane: this.#sourceLane, budget: this.#budget, signal: this.#call.signal, onMissing}
    return readChildren(index, this.#graphSource, this.#job.source.reference, {...walk, ...(children === undefined ? {} : {children})})
  }

  get #graphSource(): GraphSource {
    const {store, reference} = this.#job.source
    return {store, repository: reference.repository}
  }

  #note(manifest: Manifest): void {
    this.#sizes.set(manifest.raw.digest, manifest.raw.bytes.length)
    const fresh: Descriptor[] = []
    for (const blob of this.#blobsOf(manifest)) {
      this.#sizes.set(blob.digest, blob.size)
      if (this.#announced.has(blob.digest)) continue
      this.#announced.add(blob.digest)
      fresh.push(blob)
    }
    if (fresh.length > 0) this.#options.listener?.({type: 'blobs-found', source: formatReference(this.#job.source.reference), blobs: fresh})
  }

  /** Waits for all; the first failure ends the rest and is thrown once they have stopped, so that nothing runs on behind an error. */
  async #together<T extends readonly unknown[]>(work: T): Promise<{-readonly [K in keyof T]: Awaited<T[K]>}> {
    const guarded = work.map(async (one) => {
      try {
        return await one
      } catch (error) {
        this.#cause ??= {error}
        this.#failure.abort()
        return undefined
      }
    })
    const results = await Promise.all(guarded)
    if (this.#cause !== undefined) throw this.#cause.error
    return results as {-readonly [K in keyof T]: Awaited<T[K]>}
  }
}

/** docker-registry has no code for a manifest with URLs that it does not allow: it answers 500 UNKNOWN. */
function isRefusal(error: unknown): error is HoldfastError {
  if (hasCode(error, 'BLOB_NOT_FOUND', 'INVALID_MANIFEST', 'UNSUPPORTED')) return true
  return hasCode(error, 'REGISTRY_UNAVAILABLE') && error.details.registryCode === 'UNKNOWN'
}

function isChoice(platforms: readonly Platform[] | undefined): boolean {
  return platforms !== undefined && platforms.length > 0
}

function subjectsOf({root, children}: Selection): readonly Digest[] {
  const named = root.kind === 'index' ? childManifests(root).map((child) => child.digest) : []
  return [...new Set([root.raw.digest, ...named, ...children.map((child) => child.raw.digest)])]
}
