/** What a transfer tells while it runs; the CLI draws it, the library never prints. */

import type {BlobOutcome} from '../content/store.ts'
import type {Descriptor} from '../oci/descriptor.ts'

export type TransferEvent =
  | {readonly type: 'image-started'; readonly source: string; readonly target: string}
  /** A manifest was read: the blobs it needs are now part of the total. Each digest is announced once in a run. */
  | {readonly type: 'blobs-found'; readonly source: string; readonly blobs: readonly Descriptor[]}
  /** More bytes of an upload were handed to the target; a retry announces a negative number for what is sent again. */
  | {readonly type: 'bytes-moved'; readonly bytes: number}
  | {readonly type: 'blob-finished'; readonly blob: Descriptor; readonly outcome: BlobOutcome}
  /** All of the image is at the target; its name is written now. */
  | {readonly type: 'name-started'; readonly target: string}
  | {readonly type: 'image-finished'; readonly source: string; readonly target: string; readonly unchanged: boolean}
  | {readonly type: 'image-failed'; readonly source: string; readonly target: string; readonly error: Error}

export type TransferListener = (event: TransferEvent) => void
