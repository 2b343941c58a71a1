/** Descriptors: what a manifest says of a blob or of another manifest (image-spec 1.1 descriptor.md). */
import type {Digest} from './digest.ts'
import type {Platform} from './platform.ts'

export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly platform?: Platform
  /** Where a foreign layer may be fetched from; kept in the manifest and never followed. */
  readonly urls?: readonly string[]
}

/** The part of a descriptor that says which bytes are meant. */
export type BlobDescriptor = Pick<Descriptor, 'digest' | 'size'>
