/** `/v2/<name>/blobs/<digest>` (distribution-spec 1.1 §Pulling blobs, §Deleting Blobs). */
import {hasCode} from '../core/errors.ts'
import type {Digest} from '../oci/digest.ts'
import type {RepositoryName} from '../oci/reference.ts'
import {selectRange} from './byte-range.ts'
import {type Exchange, isUnchanged, reply} from './exchange.ts'
import {createResponseSink} from './response-sink.ts'
import {SpecError} from './spec-error.ts'
import type {ReadableStore, ServableStore} from './upload-sessions.ts'

/** A blob never changes under its digest. */
const CACHE_CONTROL = 'max-age=31536000'

/** `GET` and `HEAD`, whole or the part that `Range` asks for. */
export async function getBlob(exchange: Exchange, store: ReadableStore, repository: RepositoryName, digest: Digest): Promise<void> {
  const {request, response, signal} = exchange
  const size = await store.statBlob(repository, digest, {signal})
  if (size === undefined) throw unknownBlob()
  const etag = `"${digest}"`
  const headers = {
    'Content-Type': 'application/octet-stream',
    'Docker-Content-Digest': digest,
    ETag: etag,
    'Accept-Ranges': 'bytes',
    'Cache-Control': CACHE_CONTROL,
  }
  if (isUnchanged(request, etag)) return reply(exchange, 304, headers)
  const ifRange = request.headers['if-range']
  const range = ifRange === undefined || ifRange === etag ? selectRange(request.headers.range, size) : undefined
  if (range === 'unsatisfiable') {
    throw new SpecError(416, 'SIZE_INVALID', `the blob has ${size} bytes`, {headers: {'Content-Range': `bytes */${size}`}})
  }
  response.statusCode = range === undefined ? 200 : 206
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  if (range !== undefined) response.setHeader('Content-Range', `bytes ${range.start}-${range.end}/${size}`)
  response.setHeader('Content-Length', range === undefined ? size : range.end - range.start + 1)
  if (request.method !== 'HEAD' && size > 0) {
    try {
      await store.readBlob(repository, {digest, size}, createResponseSink(exchange), {signal, ...(range === undefined ? {} : {range})})
    } catch (error) {
      // Deleted since it was looked up, and nothing was sent: still an ordinary answer.
      if (hasCode(error, 'BLOB_NOT_FOUND') && !response.headersSent) throw unknownBlob()
      throw error
    }
  }
  response.end()
}

/** `DELETE`: from this repository; others that have the blob keep it. */
export async function deleteBlob(exchange: Exchange, store: ServableStore, repository: RepositoryName, digest: Digest): Promise<void> {
  if (!(await store.deleteBlob(repository, digest, {signal: exchange.signal}))) throw unknownBlob()
  reply(exchange, 202, {})
}

function unknownBlob(): SpecError {
  return new SpecError(404, 'BLOB_UNKNOWN', 'the repository has no such blob')
}
