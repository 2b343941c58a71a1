/** Manifests of a registry (distribution-spec 1.1 §Pulling manifests, §Pushing Manifests). */
import {type ErrorDetails, HoldfastError, IntegrityError} from '../../core/errors.ts'
import {backOffMs} from '../../core/retry.ts'
import type {HttpHeaders, HttpResponse} from '../../http/client.ts'
import type {Descriptor} from '../../oci/descriptor.ts'
import {type Digest, digestAlgorithm, digestOf, isDigest} from '../../oci/digest.ts'
import {createRawManifest, describeManifest, MAX_MANIFEST_BYTES, type RawManifest, verifyManifest} from '../../oci/manifest.ts'
import {isImageManifestType, isIndexType, MANIFEST_ACCEPT, MEDIA_TYPE} from '../../oci/media-types.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'
import type {CallOptions, StatOptions} from '../store.ts'
import {headOf} from './head.ts'
import {pullAccess, pushAccess, type RegistryResponse, type RegistrySession} from './session.ts'

const WEB_PAGE_TYPES: readonly string[] = ['text/html', 'application/xhtml+xml']
const SCHEMA_1: readonly string[] = [MEDIA_TYPE.dockerSchema1, MEDIA_TYPE.dockerSchema1Signed]
/** What servers that know nothing of manifests call them. */
const VAGUE_TYPES: readonly string[] = ['', 'text/plain', 'application/json', 'application/octet-stream']
/** The digests that every registry knows. */
const DEFAULT_ALGORITHM = 'sha256'
/** Looks at a registry that answered 201 and does not show the manifest yet. */
const MAX_LOOKS = 3
/** Where content under other digests can be kept. */
export const SHA512_HINTS: readonly string[] = ['holdfast serve  # keeps sha512 digests: copy the image there']
const WHOLE_NUMBER = /^[0-9]{1,15}$/

/** What HEAD says of a manifest; asks with GET where HEAD is refused, finds nothing, does not say enough, or contradicts the digest asked for. */
export async function statManifest(
  session: RegistrySession,
  repository: RepositoryName,
  reference: Tag | Digest,
  options: StatOptions = {},
): Promise<Descriptor | undefined> {
  const response = await headOf(session, {
    target: manifestPath(repository, reference),
    access: pullAccess(repository),
    action: `find manifest "${nameOf(session, repository, reference)}"`,
    headers: {accept: MANIFEST_ACCEPT},
    signal: options.signal,
  })
  if (response?.status === 404 && options.isLikelyAbsent === true) return undefined
  if (response?.status === 200) {
    const digest = digestHeader(response.headers)
    const size = response.headers['content-length'] ?? ''
    const mediaType = mediaTypeHeader(response.headers)
    const isKnown = digest !== undefined && WHOLE_NUMBER.test(size) && isManifestType(mediaType)
    if (isKnown && (!isDigest(reference) || reference === digest)) return {mediaType, digest, size: Number(size)}
  }
  const raw = await readManifest(session, repository, reference, options)
  return raw === undefined ? undefined : describeManifest(raw)
}

/** Reads a manifest; its digest is computed by us, and a digest that was asked for decides (GHSA-qv35-3gw6-8q4j). */
export async function readManifest(
  session: RegistrySession,
  repository: RepositoryName,
  reference: Tag | Digest,
  {signal}: CallOptions = {},
): Promise<RawManifest | undefined> {
  const action = `read manifest "${nameOf(session, repository, reference)}"`
  const response = await session.send({
    method: 'GET',
    target: manifestPath(repository, reference),
    access: pullAccess(repository),
    action,
    headers: {accept: MANIFEST_ACCEPT},
    maxBodyBytes: MAX_MANIFEST_BYTES,
    signal,
  })
  if (response.status === 404) return undefined
  if (response.status !== 200) throw session.refusal(action, response)
  const mediaType = manifestType(response)
  if (WEB_PAGE_TYPES.includes(mediaType) || isMarkup(response.body))
    throw new HoldfastError('UNSUPPORTED', `cannot ${action}: a web page came and no manifest (a login page, or a proxy?)`, {
      hints: [`holdfast registry check ${session.endpoint.registry}`],
      details: {registry: session.endpoint.registry, httpStatus: response.status, mediaType},
    })
  if (isDigest(reference)) return verifyManifest(createRawManifest(mediaType, response.body, digestAlgorithm(reference)), reference)
  const said = digestHeader(response.headers)
  const raw = createRawManifest(mediaType, response.body, said === undefined ? 'sha256' : digestAlgorithm(said))
  // Registries give the digest of a schema 1 manifest without its signatures; nobody here reads such a manifest anyway.
  if (said !== undefined && said !== raw.digest && !SCHEMA_1.includes(mediaType))
    throw new IntegrityError(`cannot ${action}: the registry says it has digest ${said}, and the bytes received have ${raw.digest}`, {
      details: {expected: said, actual: raw.digest},
    })
  return raw
}

/** What a registry said about a manifest that it stored. */
export interface WrittenManifest {
  /** It took note of the `subject` (the header `OCI-Subject`). */
  readonly hasSubject: boolean
}

/**
 * Writes a manifest. Returns when the registry has confirmed that `reference` names it and that it is stored under its own digest: by a 201 that names the digest, or by
 * what it holds afterwards.
 * @throws {HoldfastError} UNSUPPORTED when the registry cannot keep the digest, or has not stored what it was sent; CONFLICT when the tag names another manifest.
 */
export async function writeManifest(
  session: RegistrySession,
  repository: RepositoryName,
  reference: Tag | Digest,
  manifest: RawManifest,
  options: CallOptions = {},
): Promise<WrittenManifest> {
  if (isDigest(reference) || digestAlgorithm(manifest.digest) === DEFAULT_ALGORITHM)
    return await put(session, {repository, reference, manifest}, options)
  // A registry gives a manifest that comes by tag a sha256 digest: every other one must be asked for.
  const written = await put(session, {repository, reference: manifest.digest, tag: reference, manifest}, options)
  return written.hasTag ? written : await put(session, {repository, reference, manifest}, options)
}

interface Put {
  readonly repository: RepositoryName
  readonly reference: Tag | Digest
  readonly manifest: RawManifest
  /** A tag to set together with a digest, where the registry can (distribution-spec, main branch, §Pushing Manifests). */
  readonly tag?: Tag
}

async function put(session: RegistrySession, wanted: Put, {signal}: CallOptions): Promise<WrittenManifest & {readonly hasTag: boolean}> {
  const {repository, reference, manifest, tag} = wanted
  const action = `write manifest "${nameOf(session, repository, reference)}"`
  const response = await session.send({
    method: 'PUT',
    target: `${manifestPath(repository, reference)}${tag === undefined ? '' : `?tag=${tag}`}`,
    access: pushAccess(repository),
    action,
    headers: {'content-type': manifest.mediaType},
    body: manifest.bytes,
    signal,
  })
  if (response.status < 200 || response.status >= 300) throw refusedManifest(session, action, wanted, response)
  const said = digestHeader(response.headers)
  if (said !== undefined && !isDigestOf(said, manifest))
    throw new IntegrityError(`cannot ${action}: the registry stored it under ${said}, and it has digest ${manifest.digest}`, {
      details: {expected: manifest.digest, actual: said},
    })
  if (response.status !== 201 || said !== manifest.digest) await confirm(session, action, wanted, response, signal)
  return {hasSubject: response.headers['oci-subject'] !== undefined, hasTag: tag !== undefined && response.headers['oci-tag'] === tag}
}

/** Looks at what the registry holds after an answer that does not say it: an empty 200 may come from a proxy that never passed the manifest on. */
async function confirm(
  session: RegistrySession,
  action: string,
  {repository, reference, manifest}: Put,
  {status}: RegistryResponse,
  signal: AbortSignal | undefined,
): Promise<void> {
  const call = signal === undefined ? {} : {signal}
  const details = {registry: session.endpoint.registry, httpStatus: status, digest: manifest.digest}
  const named = await findWritten(session, repository, reference, status, call)
  if (named === undefined)
    throw new HoldfastError('UNSUPPORTED', `cannot ${action}: ${session.endpoint.registry} answered ${status} and has no such manifest`, {
      hints: [`holdfast registry check ${session.endpoint.registry}`],
      details,
    })
  if (!isDigestOf(named, manifest))
    throw new HoldfastError('CONFLICT', `cannot ${action}: ${session.endpoint.registry} answered ${status}, and the tag names ${named}`, {
      details: {...details, actual: named},
    })
  if (named === manifest.digest || (await statManifest(session, repository, manifest.digest, call)) !== undefined) return
  throw cannotKeep(session, action, manifest, details)
}

/** What the reference names; a replica that is a little behind is given time. */
async function findWritten(
  session: RegistrySession,
  repository: RepositoryName,
  reference: Tag | Digest,
  status: number,
  call: CallOptions,
): Promise<Digest | undefined> {
  for (let attempt = 1; ; attempt++) {
    const found = await statManifest(session, repository, reference, call)
    if (found !== undefined || status !== 201 || attempt === MAX_LOOKS) return found?.digest
    await session.clock.sleep(backOffMs(attempt, session.clock), call.signal)
  }
}

/** A registry that knows sha256 only says of any other digest that it does not match. */
function refusedManifest(session: RegistrySession, action: string, {reference, manifest}: Put, response: RegistryResponse): HoldfastError {
  const refusal = session.refusal(action, response)
  const isOurDigest = isDigest(reference) && digestAlgorithm(reference) !== DEFAULT_ALGORITHM && isDigestOf(reference, manifest)
  return isOurDigest && refusal.code === 'INTEGRITY' ? cannotKeep(session, action, manifest, refusal.details, refusal) : refusal
}

function cannotKeep(
  session: RegistrySession,
  action: string,
  {digest}: RawManifest,
  details: ErrorDetails,
  cause?: HoldfastError,
): HoldfastError {
  const {registry} = session.endpoint
  return new HoldfastError('UNSUPPORTED', `cannot ${action}: ${registry} cannot keep ${digestAlgorithm(digest)} digests`, {
    hints: SHA512_HINTS,
    details: {...details, registry, digest},
    cause,
  })
}

function isDigestOf(digest: Digest, {bytes, digest: known}: RawManifest): boolean {
  return digest === known || digestOf(bytes, digestAlgorithm(digest)) === digest
}

/** Where a manifest is; repository, tag and digest are branded, so they cannot leave the path. */
export function manifestPath(repository: RepositoryName, reference: Tag | Digest): string {
  return `/v2/${repository}/manifests/${reference}`
}

function isMarkup(body: Buffer): boolean {
  return body.subarray(0, 64).toString('latin1').trimStart().startsWith('<')
}

function nameOf({endpoint}: RegistrySession, repository: RepositoryName, reference: Tag | Digest): string {
  return `${endpoint.registry}/${repository}${isDigest(reference) ? '@' : ':'}${reference}`
}

function digestHeader(headers: HttpHeaders): Digest | undefined {
  const text = headers['docker-content-digest']
  return text !== undefined && isDigest(text) ? text : undefined
}

function mediaTypeHeader(headers: HttpHeaders): string {
  return headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

function isManifestType(mediaType: string): boolean {
  return isImageManifestType(mediaType) || isIndexType(mediaType)
}

/** The media type that a manifest was served as; where that says nothing, what the manifest says of itself. */
function manifestType({headers, body}: HttpResponse): string {
  const served = mediaTypeHeader(headers)
  if (!VAGUE_TYPES.includes(served)) return served
  try {
    const json: unknown = JSON.parse(body.toString('utf8'))
    if (typeof json !== 'object' || json === null) return served
    if ('mediaType' in json && typeof json.mediaType === 'string') return json.mediaType
    if ('manifests' in json) return MEDIA_TYPE.ociIndex
    if ('config' in json) return MEDIA_TYPE.ociManifest
  } catch {
    return served
  }
  return served
}
