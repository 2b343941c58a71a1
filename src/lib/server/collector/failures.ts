/** Errors of a collector as answers: the code of the error table, the message, the hints. */
import {type ErrorCode, HoldfastError} from '../../core/errors.ts'

const STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  USAGE: 400,
  UNAUTHENTICATED: 401,
  DENIED: 403,
  ACCOUNT_LOCKED: 403,
  OBJECT_NOT_FOUND: 404,
  REPOSITORY_NOT_FOUND: 404,
  MANIFEST_NOT_FOUND: 404,
  UNSUPPORTED: 405,
  CONFLICT: 409,
  RATE_LIMITED: 429,
  REGISTRY_UNAVAILABLE: 502,
  NETWORK: 502,
  TIMEOUT: 504,
}

export interface FailureBody {
  readonly error: {readonly code: ErrorCode; readonly message: string; readonly hints: readonly string[]}
}

/** The status and body that tell an error; undefined for one that nobody is told about, since it is a fault of ours. */
export function describeFailure(error: unknown): {readonly status: number; readonly body: FailureBody} | undefined {
  if (!(error instanceof HoldfastError)) return undefined
  const status = STATUS[error.code]
  return status === undefined ? undefined : {status, body: {error: {code: error.code, message: error.message, hints: error.hints}}}
}
