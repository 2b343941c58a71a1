/** Putting a blob into a registry: found there, mounted, or sent in one PUT; resumed when the connection breaks, and in chunks where one PUT is refused. */
import {HoldfastError, hasCode, IntegrityError} from '../../core/errors.ts'
import {backOffMs} from '../../core/retry.ts'
import type {BlobDescriptor} from '../../oci/descriptor.ts'
import {type Digest, digestAlgorithm, isDigest} from '../../oci/digest.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import type {BlobOutcome, BlobSource, WriteBlobOptions} from '../store.ts'
import {MAX_BREAKS, PROGRESS_BYTES, statBlob} from './blob-download.ts'
import {ChunkBuffer} from './chunk-buffer.ts'
import {SHA512_HINTS} from './manifests.ts'
import {FailureCount, givenUp, isWorthRepeating} from './paced-client.ts'
import type {RegistryResponse, RegistrySession} from './session.ts'
import {UploadCheck} from './upload-check.ts'
import {UploadSession} from './upload-session.ts'

/** Chunks where one PUT is refused, to begin with; each is held in memory while on its way. */
const CHUNK_BYTES = 8 * 1024 * 1024
/** A registry that wants larger chunks than this is not served: each lane holds one in memory. */
const MAX_CHUNK_BYTES = 64 * 1024 * 1024
/** How registries and the proxies before them refuse a whole blob in one PUT. */
const REFUSES_ONE_PUT: readonly number[] = [400, 404, 405, 411, 413, 415, 416, 501]

/** One blob being written. */
interface Job {
  readonly repository: RepositoryName
  readonly blob: BlobDescriptor
  readonly source: BlobSource
  readonly action: string
  readonly signal: AbortSignal | undefined
}

/** The uploads to one registry; remembers whether it takes a blob in one PUT, and how large a chunk may be. */
export class BlobUploader {
  readonly #session: RegistrySession
  #needsChunks = false
  /** Becomes smaller where a proxy refuses larger requests. */
  #chunkBytes = CHUNK_BYTES

  constructor(session: RegistrySession) {
    this.#session = session
  }

  /** @see BlobWriter.writeBlob */
  async write(repository: RepositoryName, blob: BlobDescriptor, source: BlobSource, options: WriteBlobOptions): Promise<BlobOutcome> {
    const {registry, capabilities} = this.#session.endpoint
    const action = `write blob "${blob.digest}" to "${registry}/${repository}"`
    const job: Job = {repository, blob, source, action, signal: options.signal}
    const opened = await this.#open(job, options)
    if (!(opened instanceof UploadSession)) return opened
    const isHashed = options.verify === true || capabilities.refusesWrongDigest !== true
    try {
      await this.#upload(job, opened, isHashed)
    } catch (error) {
      // A target that refuses bytes we did not hash leaves open who is to blame: once more, hashing.
      if (isHashed || !isDigestRefusal(error)) throw error
      await this.#upload(job, await this.#reopen(job), true)
    }
    return 'uploaded'
  }

  /** Finds or mounts the blob, in as few requests as the registry has proven to allow; else an upload session. */
  async #open(
    {repository, blob, action, signal}: Job,
    {mountFrom, isAbsent = false, isDamaged = false}: WriteBlobOptions,
  ): Promise<UploadSession | 'present' | 'mounted'> {
    const open = (from?: RepositoryName) =>
      UploadSession.open(this.#session, repository, action, signal, from === undefined ? undefined : {digest: blob.digest, from})
    if (isDamaged) return open()
    if (mountFrom !== undefined && mountFrom !== repository) {
      try {
        return await open(mountFrom)
      } catch (error) {
        // No right to read there, or no mounting at all: the blob can still be sent.
        if (!hasCode(error, 'UNAUTHENTICATED', 'DENIED', 'UNSUPPORTED', 'BLOB_NOT_FOUND', 'REPOSITORY_NOT_FOUND')) throw error
      }
    }
    if (isAbsent) return open()
    if (this.#session.endpoint.capabilities.mountsFromItself === true) {
      const opened = await open(repository)
      return opened === 'mounted' ? 'present' : opened
    }
    return (await this.#holds(repository, blob, signal)) ? 'present' : open()
  }

  async #reopen({repository, action, signal}: Job): Promise<UploadSession> {
    const opened = await UploadSession.open(this.#session, repository, action, signal)
    if (opened instanceof UploadSession) return opened
    throw new HoldfastError('INTERNAL', `cannot ${action}: a session was answered with a mount`)
  }

  async #upload(job: Job, opened: UploadSession, isHashed: boolean): Promise<void> {
    const {signal} = job
    const {clock} = this.#session
    let upload = opened
    let check = new UploadCheck(job.blob, job.action, isHashed)
    let offset = 0
    const breaks = new FailureCount(MAX_BREAKS)
    for (;;) {
      try {
        if (await this.#send(job, upload, check, offset)) return
        await upload.cancel()
        upload = await this.#reopen(job)
        await this.#sendInChunks(job, upload, new UploadCheck(job.blob, job.action, isHashed))
        this.#needsChunks = true
        return
      } catch (error) {
        if (check.isSourceFailure(error) || !isWorthRepeating(error)) {
          if (!hasCode(error, 'INTERRUPTED')) await upload.cancel()
          throw error
        }
        if (!breaks.add(error)) {
          await upload.cancel()
          throw givenUp(error)
        }
        await clock.sleep(backOffMs(breaks.failures, clock), signal)
        const kept = await upload.kept(signal).catch(unlessUnreachable)
        if (kept !== undefined && kept > offset && kept <= job.blob.size && !this.#needsChunks) {
          if (kept - offset >= PROGRESS_BYTES) breaks.reset()
          offset = kept
          continue
        }
        await upload.cancel()
        upload = await this.#reopen(job)
        check = new UploadCheck(job.blob, job.action, isHashed)
        offset = 0
      }
    }
  }

  /** Sends the blob from `offset` on. Returns whether the blob is there; false when this registry, or a proxy before it, wants chunks. */
  async #send(job: Job, upload: UploadSession, check: UploadCheck, offset: number): Promise<boolean> {
    const {blob, source, signal} = job
    if (this.#needsChunks) {
      await this.#sendInChunks(job, upload, check)
      return true
    }
    const body = {sizeBytes: blob.size - offset, send: (sink: Parameters<BlobSource>[0]) => check.push(source, offset, sink, signal)}
    if (offset > 0) {
      if (offset < blob.size && !(await upload.tryAppend(offset, blob.size - offset, body, signal))) return false
      // Everything had arrived and only the answer was lost: with a hash of our own it was checked before the last byte went out.
      await this.#complete(job, upload)
      return true
    }
    const response = await upload.complete(blob.digest, body, signal)
    const isRefusal = REFUSES_ONE_PUT.includes(response.status) && this.#session.refusal(job.action, response).code !== 'INTEGRITY'
    if (isRefusal && blob.size > 0) return false
    await this.#assertStored(job, response)
    return true
  }

  async #sendInChunks(job: Job, upload: UploadSession, check: UploadCheck): Promise<void> {
    const chunkBytes = Math.max(this.#chunkBytes, upload.minChunkBytes)
    if (chunkBytes > MAX_CHUNK_BYTES)
      throw new HoldfastError(
        'UNSUPPORTED',
        `cannot ${job.action}: the registry wants chunks of ${chunkBytes} bytes, more than ${MAX_CHUNK_BYTES}`,
      )
    let sent = 0
    const chunks = new ChunkBuffer(Math.min(chunkBytes, Math.max(1, job.blob.size)), async (chunk) => {
      await this.#append(job, upload, sent, chunk)
      sent += chunk.length
    })
    await check.push(job.source, 0, chunks, job.signal)
    await chunks.end()
    await this.#complete(job, upload)
  }

  /** Sends a chunk; in smaller ones where a proxy finds it too large, and so from now on. */
  async #append({signal}: Job, upload: UploadSession, start: number, chunk: Uint8Array): Promise<void> {
    let sizeBytes = Math.min(chunk.length, Math.max(this.#chunkBytes, upload.minChunkBytes))
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + sizeBytes)
      if (await upload.tryAppend(start + at, part.length, part, signal)) {
        at += part.length
        continue
      }
      sizeBytes = Math.max(upload.leastChunkBytes, Math.floor(part.length / 2))
      this.#chunkBytes = sizeBytes
    }
  }

  async #complete(job: Job, upload: UploadSession): Promise<void> {
    await this.#assertStored(job, await upload.complete(job.blob.digest, undefined, job.signal))
  }

  /** Believes a 201 that names no other digest; after every other success it looks at what the registry holds. */
  async #assertStored({repository, blob, action, signal}: Job, response: RegistryResponse): Promise<void> {
    const {status, headers} = response
    if (status < 200 || status >= 300) throw this.#session.refusal(action, response)
    const said = headers['docker-content-digest']
    const named = said !== undefined && isDigest(said) ? said : blob.digest
    if (isOther(named, blob.digest))
      throw new IntegrityError(`cannot ${action}: the registry stored it under ${named}`, {details: {expected: blob.digest, actual: named}})
    if ((status === 201 && named === blob.digest) || (await this.#holds(repository, blob, signal))) return
    const {registry} = this.#session.endpoint
    const details = {registry, httpStatus: status, digest: blob.digest}
    if (named === blob.digest)
      throw new HoldfastError('UNSUPPORTED', `cannot ${action}: ${registry} answered ${status} and has no such blob`, {
        hints: [`holdfast registry check ${registry}`],
        details,
      })
    throw new HoldfastError('UNSUPPORTED', `cannot ${action}: ${registry} cannot keep ${digestAlgorithm(blob.digest)} digests`, {
      hints: SHA512_HINTS,
      details,
    })
  }

  /** A blob of another size is a page of a proxy, or damaged: it is sent again. */
  async #holds(repository: RepositoryName, blob: BlobDescriptor, signal: AbortSignal | undefined): Promise<boolean> {
    const size = await statBlob(this.#session, repository, blob.digest, {isLikelyAbsent: true, ...(signal === undefined ? {} : {signal})})
    return size === blob.size
  }
}

/** Registries may name a blob by another algorithm; only digests of the same one can contradict. */
function isOther(said: Digest, expected: Digest): boolean {
  return said !== expected && said.split(':', 1)[0] === expected.split(':', 1)[0]
}

function isDigestRefusal(error: unknown): boolean {
  return hasCode(error, 'INTEGRITY') && 'registryCode' in error && error.registryCode === 'DIGEST_INVALID'
}

/** A session that cannot be asked about is given up for a new one. */
function unlessUnreachable(error: unknown): undefined {
  if (!hasCode(error, 'NETWORK', 'TIMEOUT')) throw error
}
