/** Errors as a registry answers them: `{"errors":[{code, message, detail}]}` (distribution-spec 1.1 §Error Codes). */

import {escapeText} from '../core/terminal-text.ts'

/** The specification's codes; `PAGINATION_NUMBER_INVALID`, `UNAVAILABLE` and `UNKNOWN` are CNCF Distribution's, for what the specification has no code for. */
export type SpecErrorCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'PAGINATION_NUMBER_INVALID'
  | 'SIZE_INVALID'
  | 'TOOMANYREQUESTS'
  | 'UNAVAILABLE'
  | 'UNAUTHORIZED'
  | 'UNKNOWN'
  | 'UNSUPPORTED'

export interface SpecErrorOptions {
  /** JSON-safe facts for the client; never an internal cause. */
  readonly detail?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/** What a client did wrong or asked for in vain. Its message and detail are sent; its cause never is. */
export class SpecError extends Error {
  override readonly name = 'SpecError'
  readonly status: number
  readonly code: SpecErrorCode
  readonly detail: Readonly<Record<string, unknown>> | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: SpecErrorCode, message: string, options: SpecErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : {cause: options.cause})
    this.status = status
    this.code = code
    this.detail = options.detail
    this.headers = options.headers ?? {}
  }
}

/** The body of an error answer; docker and others print the message as it comes. */
export function formatErrorBody(error: Pick<SpecError, 'code' | 'message' | 'detail'>): string {
  const {code, message, detail} = error
  return JSON.stringify({errors: [{code, message: escapeText(message), ...(detail === undefined ? {} : {detail})}]})
}
