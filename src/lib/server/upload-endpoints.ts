/** `/v2/<name>/blobs/uploads/…`: blobs pushed whole, in chunks, or mounted (distribution-spec 1.1 §Pushing blobs). */
import type {BlobSource} from '../content/store.ts'
import {hasCode} from '../core/errors.ts'
import type {Digest} from '../oci/digest.ts'
import {isRepositoryName, type RepositoryName} from '../oci/reference.ts'
import {formatUploadRange, parseChunkRange} from './byte-range.ts'
import {type Exchange, type ReplyHeaders, reply} from './exchange.ts'
import {contentLength, createBodySource} from './request-body.ts'
import {requireDigest} from './request-values.ts'
import {SpecError} from './spec-error.ts'
import type {ServableStore} from './upload-sessions.ts'

const ALGORITHMS: readonly string[] = ['sha256', 'sha512']

/** `POST`: mounts, stores a whole blob, or opens a session, as the query asks. */
export async function startUpload(exchange: Exchange, store: ServableStore, repository: RepositoryName): Promise<void> {
  const {query} = exchange
  const [mount, whole, algorithm] = [query.get('mount'), query.get('digest'), query.get('digest-algorithm')]
  if (algorithm !== null && !ALGORITHMS.includes(algorithm)) {
    throw new SpecError(400, 'DIGEST_INVALID', 'digests are sha256 or sha512', {detail: {supported: ALGORITHMS}})
  }
  if (mount !== null) {
    const digest = requireDigest(mount)
    if (await mountBlob(exchange, store, repository, digest)) return replyStored(exchange, repository, digest)
  } else if (whole !== null) {
    return await storeWhole(exchange, store, repository, requireDigest(whole))
  }
  reply(exchange, 202, sessionHeaders(repository, await store.startUpload(repository), 0))
}

/** `PATCH`: appends a chunk. */
export async function appendToUpload(exchange: Exchange, store: ServableStore, repository: RepositoryName, id: string): Promise<void> {
  const offset = await append(exchange, store, repository, id)
  reply(exchange, 202, sessionHeaders(repository, id, offset))
}

/** `PUT`: appends the last chunk, if there is one, and makes the session a blob. */
export async function finishUpload(exchange: Exchange, store: ServableStore, repository: RepositoryName, id: string): Promise<void> {
  const digest = requireDigest(exchange.query.get('digest'))
  if (contentLength(exchange) !== 0) await append(exchange, store, repository, id)
  await finish(store, repository, id, digest)
  replyStored(exchange, repository, digest)
}

/** `GET`: where the next chunk goes. */
export async function getUpload(exchange: Exchange, store: ServableStore, repository: RepositoryName, id: string): Promise<void> {
  reply(exchange, 204, sessionHeaders(repository, id, await requireOffset(store, repository, id)))
}

/** `DELETE`: gives the session up. */
export async function cancelUpload(exchange: Exchange, store: ServableStore, repository: RepositoryName, id: string): Promise<void> {
  const wasThere = await store.cancelUpload(repository, id).catch((error: unknown) => {
    throw sessionError(error)
  })
  if (!wasThere) throw unknownUpload()
  reply(exchange, 204, {})
}

/**
 * Links a blob of `from`; without `from`, or when it lacks the blob, only one that the repository has already is found. A digest alone never makes a blob of
 * another repository readable here.
 */
async function mountBlob({query, signal}: Exchange, store: ServableStore, repository: RepositoryName, digest: Digest): Promise<boolean> {
  const from = query.get('from') ?? ''
  const mountFrom = isRepositoryName(from) ? from : undefined
  const sizeThere = mountFrom === undefined ? undefined : await store.statBlob(mountFrom, digest, {signal})
  const size = sizeThere ?? (mountFrom === repository ? undefined : await store.statBlob(repository, digest, {signal}))
  if (size === undefined) return false
  if (mountFrom === repository || mountFrom === undefined) return true
  const missed = new Error('the blob has gone since it was looked up')
  const noBytes: BlobSource = () => Promise.reject(missed)
  try {
    await store.writeBlob(repository, {digest, size}, noBytes, {mountFrom, signal})
    return true
  } catch (error) {
    if (error === missed) return false
    throw error
  }
}

async function storeWhole(exchange: Exchange, store: ServableStore, repository: RepositoryName, digest: Digest): Promise<void> {
  const id = await store.startUpload(repository)
  try {
    const {signal} = exchange
    await store.appendUpload(repository, id, 0, createBodySource(exchange), {signal, expectedBytes: contentLength(exchange)})
    await finish(store, repository, id, digest)
  } catch (error) {
    // The client never learned the session's id, so nobody could resume it.
    await store.cancelUpload(repository, id)
    throw error
  }
  replyStored(exchange, repository, digest)
}

async function append(exchange: Exchange, store: ServableStore, repository: RepositoryName, id: string): Promise<number> {
  const offset = await requireOffset(store, repository, id)
  const chunkBytes = checkChunk(exchange, repository, id, offset)
  const options = {signal: exchange.signal, expectedBytes: chunkBytes ?? contentLength(exchange)}
  try {
    return await store.appendUpload(repository, id, offset, createBodySource(exchange, chunkBytes), options)
  } catch (error) {
    throw sessionError(error, sessionHeaders(repository, id, offset))
  }
}

/** Checks a chunk's `Content-Range`, where it has one; answers with the length that it promises. */
function checkChunk(exchange: Exchange, repository: RepositoryName, id: string, offset: number): number | undefined {
  const header = exchange.request.headers['content-range']
  if (header === undefined) return undefined
  const range = parseChunkRange(header)
  if (range === undefined) throw new SpecError(400, 'BLOB_UPLOAD_INVALID', 'Content-Range is not <first byte>-<last byte>')
  if (range.start !== offset) throw outOfOrder(`the next chunk starts at byte ${offset}`, sessionHeaders(repository, id, offset))
  const expectedBytes = range.end - range.start + 1
  if ((contentLength(exchange) ?? expectedBytes) !== expectedBytes) {
    throw new SpecError(400, 'SIZE_INVALID', 'Content-Range and Content-Length contradict each other')
  }
  return expectedBytes
}

async function finish(store: ServableStore, repository: RepositoryName, id: string, digest: Digest): Promise<void> {
  try {
    await store.finishUpload(repository, id, digest)
  } catch (error) {
    if (hasCode(error, 'INTEGRITY')) throw new SpecError(400, 'DIGEST_INVALID', error.message, {cause: error})
    throw sessionError(error)
  }
}

async function requireOffset(store: ServableStore, repository: RepositoryName, id: string): Promise<number> {
  const offset = await store.statUpload(repository, id)
  if (offset === undefined) throw unknownUpload()
  return offset
}

/** The answer to what a store says of a session; every other error stays what it is. */
function sessionError(error: unknown, headers: Readonly<Record<string, string>> = {}): unknown {
  if (hasCode(error, 'BLOB_NOT_FOUND')) return unknownUpload()
  if (hasCode(error, 'CONFLICT')) return outOfOrder('another request is writing to this upload', headers)
  return error
}

function outOfOrder(message: string, headers: Readonly<Record<string, string>>): SpecError {
  return new SpecError(416, 'BLOB_UPLOAD_INVALID', message, {headers})
}

function unknownUpload(): SpecError {
  return new SpecError(404, 'BLOB_UPLOAD_UNKNOWN', 'the repository has no such upload session')
}

/** The location is a path, so that it holds under whatever name the client knows this server by. */
function sessionHeaders(repository: RepositoryName, id: string, offset: number): Readonly<Record<string, string>> {
  return {Location: `/v2/${repository}/blobs/uploads/${id}`, Range: formatUploadRange(offset), 'Docker-Upload-UUID': id}
}

function replyStored(exchange: Exchange, repository: RepositoryName, digest: Digest): void {
  const headers: ReplyHeaders = {Location: `/v2/${repository}/blobs/${digest}`, 'Docker-Content-Digest': digest}
  reply(exchange, 201, headers)
}
