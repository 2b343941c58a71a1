/** What a copy is asked to do, and what it answers. */
import type {SourceStore, TargetStore} from '../content/store.ts'
import type {Digest} from '../oci/digest.ts'
import type {Platform} from '../oci/platform.ts'
import type {Reference, RepositoryName} from '../oci/reference.ts'
import type {TransferListener} from './events.ts'

/** One image to copy. */
export interface CopyJob {
  readonly source: {readonly store: SourceStore; readonly reference: Reference}
  readonly target: {
    readonly store: TargetStore
    /** Names the place: with a tag, the tag is written last; with a digest only, the manifest is. */
    readonly reference: Reference
    /** The repository did not exist before this run, so that asking what it holds is wasted. */
    readonly isFresh?: boolean
    /** Something below the root is known to be missing, so that a root or tag that is there proves nothing. */
    readonly isDamaged?: boolean
    /** What the target has under these digests is something else: it is written again, and mounted from nowhere. */
    readonly altered?: readonly Digest[]
  }
  /** All when absent or empty. One: that platform's own manifest is copied. Several: an index of just these is written. */
  readonly platforms?: readonly Platform[]
}

/** What became of one image. */
export interface CopyReport {
  readonly source: Reference
  readonly target: Reference
  /** What the source's reference names. */
  readonly sourceDigest: Digest
  /** What the target now holds; differs from `sourceDigest` only for a choice of platforms. */
  readonly digest: Digest
  readonly mediaType: string
  /** The target had it under that tag already: nothing was asked beyond one HEAD at each end. */
  readonly unchanged: boolean
  /** `os/arch[/variant]` of what was copied, where an index or the choice says it. */
  readonly platforms: readonly string[]
  /** Unique bytes of the manifests, configs and layers that were looked at, as their descriptors say. */
  readonly sizeBytes: number
  readonly uploadedBytes: number
  readonly uploadedBlobs: number
  readonly mountedBlobs: number
  readonly presentBlobs: number
  /** Signatures, SBOMs and other manifests that were copied along. */
  readonly referrers: number
  /** Layers that the copy still needs from their URLs; absent when there are none, and for an unchanged image. */
  readonly foreignLayers?: readonly ForeignLayer[]
  /** Attestations of the chosen platforms that the source's index names and the source does not have; absent when there are none. */
  readonly missing?: readonly MissingManifest[]
}

/** A layer whose bytes registries need not hold (docker's foreign layers, the image spec's non-distributable ones). */
export interface ForeignLayer {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly urls: readonly string[]
}

/** A manifest that an index names and its registry does not have. */
export interface MissingManifest {
  readonly digest: Digest
  readonly mediaType: string
  /** `os/arch[/variant]` */
  readonly platform?: string
}

/** Settings of a run. */
export interface CopyRunOptions {
  readonly listener?: TransferListener | undefined
  readonly signal?: AbortSignal | undefined
  /** Copy what refers to the image as well; on unless false. */
  readonly referrers?: boolean | undefined
  /** Copy the bytes of foreign layers too, where the source has them. */
  readonly foreignLayers?: boolean | undefined
  /** Hash every byte ourselves and look at everything again, even where a tag or a proof says that it is needless. */
  readonly verify?: boolean | undefined
  /** Blobs on their way at once. */
  readonly blobConcurrency?: number | undefined
  /** Where a target is remembered to hold a blob: tried as the origin of a mount. */
  readonly findBlobLocation?: ((digest: Digest) => Promise<RepositoryName | undefined>) | undefined
  /** Told of each blob as soon as the target has confirmed it. */
  readonly onBlobStored?: ((repository: RepositoryName, digest: Digest) => void) | undefined
}
