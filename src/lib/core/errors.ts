/**
 * Every error a user can meet: one class, and one table from code to exit code.
 *
 * A code is stable: scripts match on it, never on the message. `docs/errors.md` lists the same table and a test holds the two together.
 */
import {maskDistinctSecrets} from './known-secrets.ts'
import {redactText, redactValue} from './redaction.ts'

/** What a process ends with, by kind of failure. */
export const EXIT = {
  ok: 0,
  bug: 1,
  usage: 2,
  notFound: 3,
  unauthenticated: 4,
  denied: 5,
  conflict: 6,
  network: 7,
  integrity: 8,
  partial: 9,
  configuration: 10,
  rateLimited: 11,
  interrupted: 130,
} as const

interface ErrorKind {
  readonly exitCode: number
  readonly summary: string
  /** Whether the same call may succeed later without any change by the user. */
  readonly retryable: boolean
}

const kind = (exitCode: number, summary: string, retryable = false): ErrorKind => ({exitCode, summary, retryable})

/** The table of error codes. */
export const ERROR_TABLE = {
  INTERNAL: kind(EXIT.bug, 'Holdfast did something it should not; please report it'),

  USAGE: kind(EXIT.usage, 'the arguments or flags do not fit the command'),
  INVALID_REFERENCE: kind(EXIT.usage, 'an image reference does not follow the grammar'),
  INVALID_DIGEST: kind(EXIT.usage, 'a digest is not `algorithm:hex` with the right length'),
  INVALID_PLATFORM: kind(EXIT.usage, 'a platform is not `os/architecture[/variant]`'),
  INPUT_REQUIRED: kind(EXIT.usage, 'something is missing that could only be asked for on a terminal'),

  MANIFEST_NOT_FOUND: kind(EXIT.notFound, 'the registry has no such image'),
  BLOB_NOT_FOUND: kind(EXIT.notFound, 'the registry lacks a blob that a manifest names'),
  REPOSITORY_NOT_FOUND: kind(EXIT.notFound, 'the registry has no such repository'),
  REGISTRY_NOT_DECLARED: kind(EXIT.notFound, 'no registry is declared under that name'),
  PLATFORM_NOT_FOUND: kind(EXIT.notFound, 'the image has no such platform'),

  OBJECT_NOT_FOUND: kind(EXIT.notFound, 'the collector has no such user, group, app, service or registry'),
  SOURCE_UNKNOWN: kind(EXIT.notFound, 'an app runs a cached copy, and nothing says what it is a copy of'),
  CREDENTIAL_NOT_FOUND: kind(EXIT.notFound, 'there is no such login, or the keychain has lost its secret'),

  UNAUTHENTICATED: kind(EXIT.unauthenticated, 'the registry wants credentials, or refuses the given ones'),

  DENIED: kind(EXIT.denied, 'the registry knows who asks and refuses'),
  ACCOUNT_LOCKED: kind(EXIT.denied, 'the registry has locked the account'),
  NO_IDENTITY_TOKEN: kind(EXIT.denied, 'the registry gives no token that could be kept instead of the password'),
  UNSUPPORTED: kind(EXIT.denied, 'the registry does not offer this operation, or does not take the request'),

  PLATFORM_REFUSED: kind(EXIT.denied, 'the platform that runs the apps refuses a request'),
  STAGING_FAILED: kind(EXIT.denied, 'the platform could not stage the image, or not move the app to it'),

  DEPLOYMENT_CANCELLED: kind(EXIT.conflict, 'another user cancelled or replaced the deployment of an app'),
  CONFLICT: kind(EXIT.conflict, 'something is already there and would be changed'),

  NETWORK: kind(EXIT.network, 'the registry could not be reached, or the connection broke', true),
  TIMEOUT: kind(EXIT.network, 'the registry did not answer in time', true),
  TLS: kind(EXIT.network, 'the certificate of the registry is not trusted'),
  PLAIN_HTTP: kind(EXIT.network, 'the registry speaks plain HTTP and was not declared so'),
  OVERLOADED: kind(EXIT.network, 'the server has too much to do at the moment', true),
  REGISTRY_UNAVAILABLE: kind(EXIT.network, 'the registry answered with a server error after retries', true),

  INTEGRITY: kind(EXIT.integrity, 'bytes do not match their digest or size'),
  INVALID_MANIFEST: kind(EXIT.integrity, 'a manifest or index is malformed, too large or contradicts its media type'),
  GRAPH_TOO_DEEP: kind(EXIT.integrity, 'indexes or referrers form a cycle, or are nested too deep or too many'),

  PARTIAL: kind(EXIT.partial, 'some of several items failed'),

  CONFIGURATION: kind(EXIT.configuration, 'a setting, a file or the data directory is wrong'),
  NODE_TOO_OLD: kind(EXIT.configuration, 'the Node that runs Holdfast is too old'),
  ADDRESS_IN_USE: kind(EXIT.configuration, 'the address to listen on is taken'),
  LISTEN_NOT_LOOPBACK: kind(EXIT.configuration, 'a server without authentication may listen on loopback only'),
  STORAGE: kind(EXIT.configuration, 'the disk is full, read-only or not permitted'),
  UNTRUSTED_HOST: kind(EXIT.configuration, 'a registry points at a host that is not trusted for it'),

  KEYCHAIN_UNAVAILABLE: kind(EXIT.configuration, 'the keychain of the system is not there'),
  KEYCHAIN_LOCKED: kind(EXIT.configuration, 'the keychain is locked, or its dialog was dismissed'),
  KEYCHAIN_TIMEOUT: kind(EXIT.configuration, 'the keychain does not answer'),

  RATE_LIMITED: kind(EXIT.rateLimited, 'the registry asks to slow down for longer than we may wait', true),

  INTERRUPTED: kind(EXIT.interrupted, 'stopped by a signal'),
} as const satisfies Record<string, ErrorKind>

/** A code of the error table. */
export type ErrorCode = keyof typeof ERROR_TABLE

/** Whether a text of another program is a code of the table. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_TABLE, code)
}

/** JSON-safe facts that go with an error; never a secret, a header or a body. */
export type ErrorDetails = Readonly<Record<string, unknown>>

/** Options of every Holdfast error. */
export interface HoldfastErrorOptions {
  /** Commands or settings that help, most helpful first; each can be pasted. */
  readonly hints?: readonly string[]
  readonly details?: ErrorDetails
  readonly cause?: unknown
}

/** The one error class of the project; what it means is in `ERROR_TABLE` under its code. Secrets that this process sent or received are masked in all that it says. */
export class HoldfastError extends Error {
  override readonly name: string = 'HoldfastError'
  readonly code: ErrorCode
  readonly hints: readonly string[]
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, options: HoldfastErrorOptions = {}) {
    super(redactText(message), options.cause === undefined ? undefined : {cause: options.cause})
    this.code = code
    this.hints = options.hints?.map(maskDistinctSecrets) ?? []
    this.details = redactValue(options.details ?? {})
  }

  get exitCode(): number {
    return ERROR_TABLE[this.code].exitCode
  }

  get retryable(): boolean {
    return ERROR_TABLE[this.code].retryable
  }
}

/** A registry answered with an error: carries its status and the first error of its body (distribution-spec 1.1 §Error Codes). */
export class RegistryError extends HoldfastError {
  override readonly name = 'RegistryError'
  readonly httpStatus: number
  /** The registry's own code, for example `MANIFEST_UNKNOWN`, when its body had one. */
  readonly registryCode: string | undefined
  readonly registryMessage: string | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: HoldfastErrorOptions & {
      readonly httpStatus: number
      readonly registryCode?: string | undefined
      readonly registryMessage?: string | undefined
    },
  ) {
    super(code, message, options)
    this.httpStatus = options.httpStatus
    this.registryCode = options.registryCode
    this.registryMessage = options.registryMessage
  }
}

/** Bytes that are not what their descriptor says. Names both digests or both sizes. */
export class IntegrityError extends HoldfastError {
  override readonly name = 'IntegrityError'

  constructor(message: string, options: HoldfastErrorOptions = {}) {
    super('INTEGRITY', message, options)
  }
}

/** Work that stopped half-way. Its message says what is left and its hints go on from there, so that it is told as it is, also after a signal. */
export class HalfDoneError extends HoldfastError {
  override readonly name = 'HalfDoneError'
}

/** Which end of a transfer failed. */
export type TransferSide = 'source' | 'target'

/** A transfer failed; `side` says at which end, the cause says why, and code and hints are the cause's. */
export class TransferError extends HoldfastError {
  override readonly name = 'TransferError'
  readonly side: TransferSide

  constructor(side: TransferSide, message: string, cause: HoldfastError) {
    super(cause.code, message, {hints: cause.hints, details: {...cause.details, side}, cause})
    this.side = side
  }
}

/** Tells whether `error` is one of ours with that code. */
export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is HoldfastError {
  return error instanceof HoldfastError && codes.includes(error.code)
}

/** The error of a run that a signal ended. */
export function interrupted(): HoldfastError {
  return new HoldfastError('INTERRUPTED', 'interrupted by a signal')
}
