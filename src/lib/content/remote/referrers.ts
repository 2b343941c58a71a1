/** Who refers to a manifest: the referrers API, or the fallback tag that clients keep where a registry has none (distribution-spec 1.1 §Listing Referrers). */
import {HoldfastError, hasCode} from '../../core/errors.ts'
import type {Descriptor} from '../../oci/descriptor.ts'
import {type Digest, digestAlgorithm, digestHex} from '../../oci/digest.ts'
import {
  createRawManifest,
  describeReferrer,
  MAX_MANIFEST_BYTES,
  MAX_MANIFEST_ENTRIES,
  type Manifest,
  parseManifest,
  type RawManifest,
} from '../../oci/manifest.ts'
import {isIndexType, MEDIA_TYPE} from '../../oci/media-types.ts'
import {parseTag, type RepositoryName, type Tag} from '../../oci/reference.ts'
import type {CallOptions} from '../store.ts'
import {nextPage} from './listing.ts'
import {readManifest, writeManifest} from './manifests.ts'
import {pullAccess, type RegistrySession} from './session.ts'

/** Pages of one list of referrers. */
const MAX_REFERRER_PAGES = 100
/** The longest tag there is; the hex of a sha512 digest is cut to fit (distribution-spec 1.1 §Referrers Tag Schema). */
const MAX_TAG_CHARACTERS = 128

/** The referrers of one registry; remembers whether it has the API. */
export class Referrers {
  readonly #session: RegistrySession
  #hasApi: boolean | undefined
  /** Updates of one fallback tag, one after the other: each reads what the one before wrote. */
  readonly #updates = new Map<string, Promise<void>>()

  constructor(session: RegistrySession) {
    this.#session = session
    this.#hasApi = session.endpoint.capabilities.hasReferrersApi
  }

  /** @see ReferrerLister.listReferrers */
  async list(repository: RepositoryName, subject: Digest, options: CallOptions = {}): Promise<readonly Descriptor[]> {
    const listed = this.#hasApi === false ? undefined : await this.#listByApi(repository, subject, options)
    return distinct(listed ?? (await this.#readFallback(repository, subject, options)))
  }

  /** Adds a written manifest to its subject's fallback tag, unless the registry took note of the subject by itself. */
  async noteWritten(repository: RepositoryName, raw: RawManifest, hasSubject: boolean, options: CallOptions = {}): Promise<void> {
    if (hasSubject || this.#session.endpoint.capabilities.hasReferrersApi === true) return
    const manifest = parseIfKnown(raw)
    const subject = manifest?.subject?.digest
    if (manifest === undefined || subject === undefined) return
    const key = `${repository}@${subject}`
    const before = this.#updates.get(key) ?? Promise.resolve()
    const update = before.catch(() => {}).then(() => this.#addToFallback(repository, subject, describeReferrer(manifest), options))
    this.#updates.set(key, update)
    try {
      await update
    } finally {
      if (this.#updates.get(key) === update) this.#updates.delete(key)
    }
  }

  /** Undefined when the registry has no such API: with it, an unknown subject is an empty list and never 404. */
  async #listByApi(repository: RepositoryName, subject: Digest, {signal}: CallOptions): Promise<readonly Descriptor[] | undefined> {
    const action = `list referrers of "${this.#session.endpoint.registry}/${repository}@${subject}"`
    const found: Descriptor[] = []
    let target: string | undefined = `/v2/${repository}/referrers/${subject}`
    for (let page = 0; target !== undefined; page++) {
      const response = await this.#session.send({
        method: 'GET',
        target,
        access: pullAccess(repository),
        action,
        headers: {accept: MEDIA_TYPE.ociIndex},
        maxBodyBytes: MAX_MANIFEST_BYTES,
        signal,
      })
      if (response.status >= 500) throw this.#session.refusal(action, response)
      const raw = response.status === 200 ? createRawManifest(MEDIA_TYPE.ociIndex, response.body) : undefined
      const isSaidToBeIndex = response.headers['content-type']?.split(';')[0]?.trim().toLowerCase() === MEDIA_TYPE.ociIndex
      // A registry without the API may answer with a web page; one that has it must not be misread as one without referrers.
      const index = raw === undefined ? undefined : isSaidToBeIndex ? parseManifest(raw) : parseIfKnown(raw)
      if (index?.kind !== 'index') {
        if (page > 0) throw this.#session.refusal(action, response)
        this.#hasApi ??= false
        return undefined
      }
      this.#hasApi = true
      found.push(...index.manifests)
      if (found.length > MAX_MANIFEST_ENTRIES || page >= MAX_REFERRER_PAGES)
        throw new HoldfastError('GRAPH_TOO_DEEP', `cannot ${action}: there are more than ${MAX_MANIFEST_ENTRIES}, or they do not end`)
      target = nextPage(response)
    }
    return found
  }

  async #readFallback(repository: RepositoryName, subject: Digest, options: CallOptions): Promise<readonly Descriptor[]> {
    const raw = await readManifest(this.#session, repository, fallbackTag(subject), options).catch(unlessUnsupported)
    // GitLab resolves `sha256-<hex>` as the digest itself: what comes then is the subject, and its entries are platforms.
    if (raw === undefined || raw.digest === subject || !isIndexType(raw.mediaType)) return []
    const index = parseManifest(raw)
    return index.kind === 'index' ? index.manifests.filter(({digest}) => digest !== subject) : []
  }

  async #addToFallback(repository: RepositoryName, subject: Digest, referrer: Descriptor, options: CallOptions): Promise<void> {
    const known = await this.#readFallback(repository, subject, options)
    if (known.some(({digest}) => digest === referrer.digest)) return
    const index = {schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: distinct([...known, referrer])}
    const raw = createRawManifest(MEDIA_TYPE.ociIndex, Buffer.from(JSON.stringify(index)))
    await writeManifest(this.#session, repository, fallbackTag(subject), raw, options)
  }
}

/** `sha256-<hex>` (distribution-spec 1.1 §Referrers Tag Schema). */
function fallbackTag(subject: Digest): Tag {
  return parseTag(`${digestAlgorithm(subject)}-${digestHex(subject)}`.slice(0, MAX_TAG_CHARACTERS))
}

function parseIfKnown(raw: RawManifest): Manifest | undefined {
  try {
    return parseManifest(raw)
  } catch (error) {
    if (hasCode(error, 'INVALID_MANIFEST', 'UNSUPPORTED')) return undefined
    throw error
  }
}

/** A web page for a tag that is not there is what some servers answer to everything that they do not know. */
function unlessUnsupported(error: unknown): undefined {
  if (!hasCode(error, 'UNSUPPORTED')) throw error
}

function distinct(descriptors: readonly Descriptor[]): readonly Descriptor[] {
  return [...new Map(descriptors.map((descriptor) => [descriptor.digest, descriptor])).values()]
}
