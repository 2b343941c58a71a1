/** Manifests of a registry (distribution-spec 1.1 §Pulling manifests, §Pushing Manifests). */
import {IntegrityError} from '../../core/errors.ts'
import type {HttpHeaders, HttpResponse} from '../../http/client.ts'
import type {Descriptor} from '../../oci/descriptor.ts'
import {type Digest, digestAlgorithm, digestOf, isDigest} from '../../oci/digest.ts'
import {createRawManifest, describeManifest, MAX_MANIFEST_BYTES, type RawManifest, verifyManifest} from '../../oci/manifest.ts'
import {isImageManifestType, isIndexType, MANIFEST_ACCEPT, MEDIA_TYPE} from '../../oci/media-types.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'
import type {CallOptions} from '../store.ts'
import {pullAccess, pushAccess, type RegistrySession} from './session.ts'

const SCHEMA_1: readonly string[] = [MEDIA_TYPE.dockerSchema1, MEDIA_TYPE.dockerSchema1Signed]
/** What servers that know nothing of manifests call them. */
const VAGUE_TYPES: readonly string[] = ['', 'text/plain', 'application/json', 'application/octet-stream']
const WHOLE_NUMBER = /^[0-9]{1,15}$/

/** What HEAD says of a manifest; asks with GET where HEAD is refused, or does not say enough, or contradicts the digest asked for. */
export async function statManifest(
  session: RegistrySession,
  repository: RepositoryName,
  reference: Tag | Digest,
  options: CallOptions = {},
): Promise<Descriptor | undefined> {
  const response = await session.send({
    method: 'HEAD',
    target: manifestPath(repository, reference),
    access: pullAccess(repository),
    action: `find manifest "${nameOf(session, repository, reference)}"`,
    headers: {accept: MANIFEST_ACCEPT},
    signal: options.signal,
  })
  if (response.status === 404) return undefined
  const digest = digestHeader(response.headers)
  const size = response.headers['content-length'] ?? ''
  const mediaType = mediaTypeHeader(response.headers)
  const isKnown = response.status === 200 && digest !== undefined && WHOLE_NUMBER.test(size) && isManifestType(mediaType)
  if (isKnown && (!isDigest(reference) || reference === digest)) return {mediaType, digest, size: Number(size)}
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

/** Writes a manifest; answers whether the registry took note of its `subject` (the header `OCI-Subject`). */
export async function writeManifest(
  session: RegistrySession,
  repository: RepositoryName,
  reference: Tag | Digest,
  manifest: RawManifest,
  {signal}: CallOptions = {},
): Promise<{readonly hasSubject: boolean}> {
  const action = `write manifest "${nameOf(session, repository, reference)}"`
  const response = await session.send({
    method: 'PUT',
    target: manifestPath(repository, reference),
    access: pushAccess(repository),
    action,
    headers: {'content-type': manifest.mediaType},
    body: manifest.bytes,
    signal,
  })
  if (response.status !== 201 && response.status !== 200) throw session.refusal(action, response)
  const said = digestHeader(response.headers)
  if (said !== undefined && said !== manifest.digest && digestOf(manifest.bytes, digestAlgorithm(said)) !== said)
    throw new IntegrityError(`cannot ${action}: the registry stored it under ${said}, and it has digest ${manifest.digest}`, {
      details: {expected: manifest.digest, actual: said},
    })
  return {hasSubject: response.headers['oci-subject'] !== undefined}
}

/** Where a manifest is; repository, tag and digest are branded, so they cannot leave the path. */
export function manifestPath(repository: RepositoryName, reference: Tag | Digest): string {
  return `/v2/${repository}/manifests/${reference}`
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
