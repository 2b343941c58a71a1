/** One upload session of a registry: where to send next, how far it got, and giving it up (distribution-spec 1.1 §Pushing blobs). */
import {HoldfastError} from '../../core/errors.ts'
import type {HttpHeaders} from '../../http/client.ts'
import {type Digest, digestHex} from '../../oci/digest.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import type {Access} from './authenticator.ts'
import type {RegistryRequest, RegistryResponse, RegistrySession} from './session.ts'
import {pushAccess} from './session.ts'

/** Giving up a session is a courtesy: nobody waits for it longer than this. */
const CANCEL_TIMEOUT_MS = 3000
/** A proxy that allows less than this lets no registry work. */
const LEAST_CHUNK_BYTES = 64 * 1024
const CONTENT_TOO_LARGE = 413
const RANGE = /^(?:bytes=)?0-([0-9]{1,15})$/

/** What the registry is asked for when a session is opened. */
export interface Mount {
  readonly digest: Digest
  readonly from: RepositoryName
}

export class UploadSession {
  readonly repository: RepositoryName
  readonly #session: RegistrySession
  readonly #action: string
  readonly #access: Access
  #location: URL
  /** The least size of a chunk, in bytes; 0 when the registry names none. */
  readonly minChunkBytes: number

  private constructor(session: RegistrySession, repository: RepositoryName, action: string, opened: RegistryResponse) {
    this.#session = session
    this.repository = repository
    this.#action = action
    this.#access = pushAccess(repository)
    this.#location = this.#locationOf(opened)
    const least = Number(opened.headers['oci-chunk-min-length'] ?? 0)
    this.minChunkBytes = Number.isSafeInteger(least) && least > 0 ? least : 0
  }

  /**
   * Opens a session, or has the blob mounted: answers `mounted` when the registry took it from `mount.from`.
   * @throws {HoldfastError} UNAUTHENTICATED, DENIED, REPOSITORY_NOT_FOUND, UNSUPPORTED (a read-only registry), UNTRUSTED_HOST.
   */
  static async open(
    session: RegistrySession,
    repository: RepositoryName,
    action: string,
    signal: AbortSignal | undefined,
    mount?: Mount,
  ): Promise<UploadSession | 'mounted'> {
    const query = mount === undefined ? '' : `?mount=${encodeURIComponent(mount.digest)}&from=${encodeURIComponent(mount.from)}`
    const response = await session.send({
      method: 'POST',
      target: `/v2/${repository}/blobs/uploads/${query}`,
      access: pushAccess(repository, mount?.from),
      action,
      signal,
    })
    if (mount !== undefined && response.status === 201 && namesDigest(response, mount.digest)) return 'mounted'
    if (response.status !== 202) throw session.refusal(action, response)
    return new UploadSession(session, repository, action, response)
  }

  /** Ends the upload: sends `body` as what is left of the blob and names its digest. Every status is an answer. */
  complete(digest: Digest, body: RegistryRequest['body'], signal: AbortSignal | undefined): Promise<RegistryResponse> {
    return this.#send('PUT', withQuery(this.#location, `digest=${encodeURIComponent(digest)}`), signal, {
      headers: {'content-type': 'application/octet-stream'},
      body: body ?? new Uint8Array(0),
      attempts: 1,
    })
  }

  /**
   * Appends bytes `start` to `start + sizeBytes - 1`. Returns false when a proxy finds them too many for one request: they are not there then.
   * @throws {HoldfastError} when the registry does not accept them.
   */
  async tryAppend(start: number, sizeBytes: number, body: RegistryRequest['body'], signal: AbortSignal | undefined): Promise<boolean> {
    const headers: HttpHeaders = {'content-type': 'application/octet-stream', 'content-range': `${start}-${start + sizeBytes - 1}`}
    const response = await this.#send('PATCH', this.#location, signal, {headers, body: body ?? new Uint8Array(0), attempts: 1})
    if (response.status === CONTENT_TOO_LARGE && sizeBytes > this.leastChunkBytes) return false
    if (response.status !== 202 && response.status !== 201 && response.status !== 204) throw this.#session.refusal(this.#action, response)
    this.#follow(response)
    return true
  }

  /** Chunks are not made smaller than this. */
  get leastChunkBytes(): number {
    return Math.max(LEAST_CHUNK_BYTES, this.minChunkBytes)
  }

  /** How many bytes the registry has kept; undefined when it does not say, or has forgotten the session. */
  async kept(signal: AbortSignal | undefined): Promise<number | undefined> {
    const response = await this.#send('GET', this.#location, signal, {attempts: 1})
    if (response.status !== 204 && response.status !== 202 && response.status !== 200) return undefined
    const last = Number(RANGE.exec(response.headers.range ?? '')?.[1] ?? Number.NaN)
    // `0-0` should mean one byte, and is what distribution answers when it has none.
    if (!Number.isSafeInteger(last) || last === 0) return undefined
    this.#follow(response)
    return last + 1
  }

  /** Gives the session up, as far as the registry lets us; never throws. */
  async cancel(): Promise<void> {
    const signal = AbortSignal.timeout(CANCEL_TIMEOUT_MS)
    await this.#send('DELETE', this.#location, signal, {attempts: 1}).catch(() => {})
  }

  #send(
    method: RegistryRequest['method'],
    target: URL,
    signal: AbortSignal | undefined,
    rest: Pick<RegistryRequest, 'headers' | 'body' | 'attempts'>,
  ): Promise<RegistryResponse> {
    return this.#session.send({method, target, access: this.#access, action: this.#action, signal, ...rest})
  }

  #follow(response: RegistryResponse): void {
    if (response.headers.location !== undefined) this.#location = this.#locationOf(response)
  }

  #locationOf(response: RegistryResponse): URL {
    const {location} = response.headers
    if (location === undefined)
      throw new HoldfastError('UNSUPPORTED', `cannot ${this.#action}: the registry opened an upload and did not say where`, {
        details: {registry: this.#session.endpoint.registry},
      })
    return this.#session.trusted(location, response.url, 'upload location')
  }
}

/** Says that the blob is there (distribution-spec 1.1 §Mounting a blob: a `Location`), and not only that something was made. */
function namesDigest({headers}: RegistryResponse, digest: Digest): boolean {
  return headers['docker-content-digest'] === digest || headers.location?.includes(digestHex(digest)) === true
}

/** Adds to the query and leaves what is there as it came: registries sign it. */
function withQuery(location: URL, addition: string): URL {
  const url = new URL(location)
  url.search = location.search === '' ? addition : `${location.search}&${addition}`
  return url
}
