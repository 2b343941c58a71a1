/** `/v2/<name>/manifests/<reference>` (distribution-spec 1.1 §Pulling Manifests, §Pushing Manifests, §Deleting). */
import {hasCode} from '../core/errors.ts'
import {type Digest, digestAlgorithm, digestOf, isDigest} from '../oci/digest.ts'
import {MAX_MANIFEST_BYTES, parseManifest, type RawManifest} from '../oci/manifest.ts'
import {isTag, type RepositoryName, type Tag} from '../oci/reference.ts'
import {type Exchange, isUnchanged, reply} from './exchange.ts'
import {collectBody} from './request-body.ts'
import {requireDigest} from './request-values.ts'
import {SpecError} from './spec-error.ts'
import type {ReadableStore, ServableStore} from './upload-sessions.ts'

/** A manifest is small: a client that needs longer to send it has stalled. */
const BODY_TIMEOUT_MS = 60_000
/** Each tag is made durable on its own; the specification asks for at least ten. */
const MAX_TAGS_PER_PUSH = 100
/** Names each tag that a push by digest set. */
export const TAG_HEADER = 'OCI-Tag'

/** `GET` and `HEAD`: what is stored, whatever `Accept` says, since another form of it would have another digest. */
export async function getManifest(exchange: Exchange, store: ReadableStore, repository: RepositoryName, text: string): Promise<void> {
  const {request, signal} = exchange
  const reference = parseKnownReference(text)
  const isHead = request.method === 'HEAD'
  const found = isHead ? undefined : await store.readManifest(repository, reference, {signal})
  const head = isHead ? await store.statManifest(repository, reference, {signal}) : found
  if (head === undefined) throw unknownManifest()
  const etag = `"${head.digest}"`
  const warning = store.warningOf?.(head)
  const headers = {
    'Content-Type': head.mediaType,
    'Docker-Content-Digest': head.digest,
    ETag: etag,
    ...(warning === undefined ? {} : {Warning: warning}),
  }
  if (isUnchanged(request, etag)) return reply(exchange, 304, headers)
  if (found !== undefined) return reply(exchange, 200, headers, found.bytes)
  exchange.response.writeHead(200, {...headers, 'Content-Length': 'size' in head ? head.size : 0}).end()
}

/** `PUT`: the bytes are stored as they came; by digest, `?tag=` names tags to set as well, and `OCI-Tag` those that were set. */
export async function putManifest(exchange: Exchange, store: ServableStore, repository: RepositoryName, text: string): Promise<void> {
  const reference = parseNewReference(text)
  const tags = parseTags(exchange, reference)
  const bytes = await collectBody(exchange, MAX_MANIFEST_BYTES, BODY_TIMEOUT_MS)
  const raw: RawManifest = {bytes, digest: digestFor(reference, bytes), mediaType: mediaTypeOf(exchange, bytes)}
  const subject = await storeManifest(exchange, store, repository, reference, raw)
  for (const tag of tags) await storeManifest(exchange, store, repository, tag, raw)
  if (tags.length > 0) exchange.response.setHeader(TAG_HEADER, tags)
  reply(exchange, 201, {
    Location: `/v2/${repository}/manifests/${raw.digest}`,
    'Docker-Content-Digest': raw.digest,
    ...(subject === undefined ? {} : {'OCI-Subject': subject}),
  })
}

/** `DELETE`: a tag alone, or by digest a manifest with every tag that points at it. */
export async function deleteManifest(exchange: Exchange, store: ServableStore, repository: RepositoryName, text: string): Promise<void> {
  const {signal} = exchange
  const reference = parseKnownReference(text)
  const wasThere = isDigest(reference)
    ? await store.deleteManifest(repository, reference, {signal})
    : await store.deleteTag(repository, reference, {signal})
  if (!wasThere) throw unknownManifest()
  reply(exchange, 202, {})
}

async function storeManifest(
  {signal}: Exchange,
  store: ServableStore,
  repository: RepositoryName,
  reference: Tag | Digest,
  raw: RawManifest,
): Promise<Digest | undefined> {
  try {
    const {subject} = parseManifest(raw)
    await store.writeManifest(repository, reference, raw, {signal})
    return subject?.digest
  } catch (error) {
    if (hasCode(error, 'INVALID_MANIFEST', 'UNSUPPORTED')) throw new SpecError(400, 'MANIFEST_INVALID', error.message, {cause: error})
    if (hasCode(error, 'BLOB_NOT_FOUND', 'MANIFEST_NOT_FOUND')) {
      throw new SpecError(400, 'MANIFEST_BLOB_UNKNOWN', error.message, {
        ...(typeof error.details.digest === 'string' ? {detail: {digest: error.details.digest}} : {}),
        cause: error,
      })
    }
    throw error
  }
}

/** A reference that cannot exist is one that is not there, but a malformed digest is said to be so. */
function parseKnownReference(text: string): Tag | Digest {
  if (isTag(text)) return text
  if (text.includes(':')) return requireDigest(text)
  throw unknownManifest()
}

function parseNewReference(text: string): Tag | Digest {
  return text.includes(':') ? requireDigest(text) : parseTag(text)
}

function parseTag(text: string): Tag {
  if (isTag(text)) return text
  throw new SpecError(400, 'MANIFEST_INVALID', 'a tag has up to 128 letters, digits, and . _ - but not at its start')
}

/**
 * The tags that a push by digest sets too, each once (distribution-spec, main branch, §Pushing Manifests).
 * @throws {SpecError} 400, or 414 for more than a push may set.
 */
function parseTags({query}: Exchange, reference: Tag | Digest): readonly Tag[] {
  const tags = [...new Set(query.getAll('tag').map(parseTag))]
  if (tags.length > 0 && !isDigest(reference)) throw new SpecError(400, 'UNSUPPORTED', 'tags in the query need a digest in the path')
  if (tags.length > MAX_TAGS_PER_PUSH) throw new SpecError(414, 'SIZE_INVALID', `a push sets up to ${MAX_TAGS_PER_PUSH} tags`)
  return tags
}

function digestFor(reference: Tag | Digest, bytes: Uint8Array): Digest {
  if (!isDigest(reference)) return digestOf(bytes)
  const actual = digestOf(bytes, digestAlgorithm(reference))
  if (actual === reference) return actual
  throw new SpecError(400, 'DIGEST_INVALID', `the manifest has digest ${actual}`, {detail: {expected: reference, actual}})
}

/** `Content-Type` without its parameters, and in lower case (RFC 9110 §8.3.1); without the header, what the manifest says itself. */
function mediaTypeOf({request}: Exchange, bytes: Uint8Array): string {
  const header = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  if (header !== undefined && header !== '') return header
  try {
    const json: unknown = JSON.parse(Buffer.from(bytes).toString())
    if (typeof json === 'object' && json !== null && 'mediaType' in json && typeof json.mediaType === 'string') return json.mediaType
  } catch (cause) {
    throw new SpecError(400, 'MANIFEST_INVALID', 'the manifest is not JSON', {cause})
  }
  throw new SpecError(400, 'MANIFEST_INVALID', 'neither Content-Type nor the manifest names its media type')
}

function unknownManifest(): SpecError {
  return new SpecError(404, 'MANIFEST_UNKNOWN', 'the repository has no such manifest')
}
