/** Names of upload sessions: uuids, checked before they touch a path. */
import {randomUUID} from 'node:crypto'

export type UploadId = string & {readonly __brand: 'UploadId'}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Tells whether `text` can name an upload session; whether there is one is another question. */
export function isUploadId(text: string): text is UploadId {
  return UUID.test(text)
}

export function createUploadId(): UploadId {
  return randomUUID() as UploadId
}
