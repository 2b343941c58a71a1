/** Reading a blob out of a registry: one GET, resumed with Range where the connection breaks (distribution-spec 1.1 §Pulling blobs). */
import type {ByteSink} from '../../core/byte-sink.ts'
import {IntegrityError} from '../../core/errors.ts'
import {excerpt} from '../../core/redaction.ts'
import {backOffMs} from '../../core/retry.ts'
import type {HttpHeaders} from '../../http/client.ts'
import type {BlobDescriptor} from '../../oci/descriptor.ts'
import type {Digest} from '../../oci/digest.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import type {ReadBlobOptions, StatOptions} from '../store.ts'
import {headOf} from './head.ts'
import {FailureCount, givenUp, isWorthRepeating} from './paced-client.ts'
import {pullAccess, type RegistryRequest, type RegistrySession} from './session.ts'

/** Broken connections in a row that are put up with; progress begins the count anew. */
export const MAX_BREAKS = 5
/** How much must have moved for a broken connection to count as progress, in bytes. */
export const PROGRESS_BYTES = 1024 * 1024

/** Where a blob is; the digest is branded, so it cannot leave the path. */
export function blobPath(repository: RepositoryName, digest: Digest): string {
  return `/v2/${repository}/blobs/${digest}`
}

/** The size that the registry names for a blob, or undefined when the repository has none; asks with GET where HEAD is refused or finds nothing. */
export async function statBlob(
  session: RegistrySession,
  repository: RepositoryName,
  digest: Digest,
  {signal, isLikelyAbsent}: StatOptions = {},
): Promise<number | undefined> {
  const request = {
    target: blobPath(repository, digest),
    access: pullAccess(repository),
    action: `find blob "${digest}" in "${session.endpoint.registry}/${repository}"`,
    signal,
  }
  const response = await headOf(session, request)
  if (response?.status === 404 && isLikelyAbsent === true) return undefined
  const size = response?.status === 200 ? wholeNumber(response.headers['content-length']) : undefined
  return size ?? (await sizeByGet(session, request))
}

/** Asks for the first byte, and takes no more where the registry sends all of them. */
async function sizeByGet(session: RegistrySession, request: Omit<RegistryRequest, 'method'>): Promise<number | undefined> {
  const {action, signal} = request
  const enough = new AbortController()
  let size: number | undefined
  const sinkFor = ({status, headers}: {readonly status: number; readonly headers: HttpHeaders}): ByteSink | undefined => {
    if (status === 206) size = wholeNumber(CONTENT_RANGE.exec(headers['content-range'] ?? '')?.[3])
    if (status === 200) size = wholeNumber(headers['content-length'])
    if (status === 200 && size !== undefined) enough.abort()
    return undefined
  }
  try {
    const response = await session.send({
      ...request,
      method: 'GET',
      headers: {'accept-encoding': 'identity', range: 'bytes=0-0'},
      sinkFor,
      signal: signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal]),
    })
    if (response.status === 404) return undefined
    if (response.status === 416) size = wholeNumber(/^bytes \*\/([0-9]{1,15})$/.exec(response.headers['content-range'] ?? '')?.[1])
    else if (response.status !== 200 && response.status !== 206) throw session.refusal(action, response)
  } catch (error) {
    if (size === undefined || signal?.aborted === true || !enough.signal.aborted) throw error
  }
  if (size === undefined) throw new IntegrityError(`cannot ${action}: the answer names no size`)
  return size
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined
}

/** Pushes a blob, or a part of it, into `sink`; each byte once, whatever breaks in between. */
export async function readBlob(
  session: RegistrySession,
  repository: RepositoryName,
  blob: BlobDescriptor,
  sink: ByteSink,
  options: ReadBlobOptions = {},
): Promise<void> {
  const action = `read blob "${blob.digest}" of "${session.endpoint.registry}/${repository}"`
  const start = options.range?.start ?? 0
  const end = Math.min(options.range?.end ?? blob.size - 1, blob.size - 1)
  if (blob.size > 0 && start > end) return
  const window = new BlobWindow(sink, blob, start, end, action)
  const breaks = new FailureCount(MAX_BREAKS)
  let mark = 0
  for (;;) {
    const before = window.delivered
    try {
      const response = await session.send({
        method: 'GET',
        target: blobPath(repository, blob.digest),
        access: pullAccess(repository),
        action,
        // A coded body would neither have the blob's size nor its digest.
        headers: {'accept-encoding': 'identity', ...window.rangeHeader()},
        sinkFor: ({status, headers}) => window.open(status, headers),
        attempts: 1,
        signal: options.signal,
      })
      if (response.status >= 500) throw session.refusal(action, response)
      if (response.status !== 200 && response.status !== 206)
        throw session.refusal(action, response.status === 404 ? {...response, ...BLOB_UNKNOWN} : response)
      if (window.isComplete) return
      if (window.delivered === before) throw window.tooShort()
    } catch (error) {
      if (!isWorthRepeating(error)) throw error
      if (window.delivered - mark >= PROGRESS_BYTES) {
        mark = window.delivered
        breaks.reset()
      }
      if (!breaks.add(error)) throw givenUp(error)
      await session.clock.sleep(backOffMs(breaks.failures, session.clock), options.signal)
    }
  }
}

/** Registries answer a missing blob in many ways; all of them mean this one. */
const BLOB_UNKNOWN = {body: Buffer.from('{"errors":[{"code":"BLOB_UNKNOWN"}]}')}
const CONTENT_RANGE = /^bytes ([0-9]{1,15})-([0-9]{1,15})\/([0-9]{1,15}|\*)$/

/** The part of a blob that is wanted: knows what was delivered, asks for the rest, and refuses answers that are something else. */
class BlobWindow implements ByteSink {
  readonly #sink: ByteSink
  readonly #blob: BlobDescriptor
  readonly #start: number
  readonly #end: number
  readonly #action: string
  /** Bytes of the present answer still to be dropped before what is wanted, and the most that it may bring from here on. */
  #toSkip = 0
  #allowed = 0
  delivered = 0

  constructor(sink: ByteSink, blob: BlobDescriptor, start: number, end: number, action: string) {
    this.#sink = sink
    this.#blob = blob
    this.#start = start
    this.#end = end
    this.#action = action
  }

  get isComplete(): boolean {
    return this.#missing === 0
  }

  get #missing(): number {
    return this.#end - this.#start + 1 - this.delivered
  }

  get #offset(): number {
    return this.#start + this.delivered
  }

  rangeHeader(): HttpHeaders {
    const untilEnd = this.#end === this.#blob.size - 1
    return this.#offset === 0 && untilEnd ? {} : {range: `bytes=${this.#offset}-${untilEnd ? '' : this.#end}`}
  }

  /**
   * Takes the head of an answer: the window itself when the body is the blob's, undefined when it is not a body to deliver.
   * @throws {HoldfastError} INTEGRITY when the answer is of another size or of another part than was asked for.
   */
  open(status: number, headers: HttpHeaders): ByteSink | undefined {
    const {size} = this.#blob
    if (status === 206) {
      const [, first, last, total] = CONTENT_RANGE.exec(headers['content-range'] ?? '') ?? []
      const isOurs = Number(first) === this.#offset && Number(last) >= this.#offset && Number(last) <= this.#end
      if (!isOurs || (total !== '*' && Number(total) !== size))
        throw this.#lie(
          `it was asked for bytes ${this.#offset}-${this.#end} of ${size} and sends "${excerpt(headers['content-range'] ?? 'no range')}"`,
        )
      this.#toSkip = 0
      this.#allowed = Number(last) - this.#offset + 1
      return this
    }
    if (status !== 200) return undefined
    const length = headers['content-length']
    if (length !== undefined && Number(length) !== size) throw this.#lie(`it has ${length} bytes and ${size} are expected`)
    this.#toSkip = this.#offset
    this.#allowed = size
    return this
  }

  write(chunk: Uint8Array, release: () => void): boolean {
    this.#allowed -= chunk.length
    if (this.#allowed < 0) throw this.#lie(`more than the ${this.#blob.size} bytes expected are sent`)
    if (this.#toSkip === 0 && chunk.length <= this.#missing) {
      this.delivered += chunk.length
      return this.#sink.write(chunk, release)
    }
    const skipped = Math.min(this.#toSkip, chunk.length)
    this.#toSkip -= skipped
    const wanted = chunk.subarray(skipped, skipped + this.#missing)
    if (wanted.length === 0) {
      release()
      return true
    }
    this.delivered += wanted.length
    return this.#sink.write(wanted, release)
  }

  tooShort(): IntegrityError {
    return this.#lie(`it ends after ${this.#offset} of ${this.#blob.size} bytes`)
  }

  #lie(reason: string): IntegrityError {
    return new IntegrityError(`cannot ${this.#action}: ${reason}`, {details: {digest: this.#blob.digest, size: this.#blob.size}})
  }
}
