/** A proof of what saves a request for each blob: that a registry answers a mount from the same repository by whether the blob is there. */
import {randomBytes} from 'node:crypto'
import {digestOf} from '../../oci/digest.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import type {CallOptions} from '../store.ts'
import {BlobUploader} from './blob-upload.ts'
import type {RegistrySession} from './session.ts'
import {UploadSession} from './upload-session.ts'

/** The empty JSON object, which every registry holds sooner or later (image-spec 1.1 §Guidance for an empty descriptor). */
const EMPTY_JSON = Buffer.from('{}')
const UNKNOWN_BYTES = 32

/**
 * Puts a blob of two bytes into `repository` and asks to mount it from there, and then asks for one that nobody has: true when only the first is mounted.
 * @throws {HoldfastError} UNAUTHENTICATED, DENIED or UNSUPPORTED when we may not push there.
 */
export async function proveSelfMount(session: RegistrySession, repository: RepositoryName, {signal}: CallOptions = {}): Promise<boolean> {
  const blob = {digest: digestOf(EMPTY_JSON), size: EMPTY_JSON.length}
  const action = `prove mounting at "${session.endpoint.registry}/${repository}"`
  await new BlobUploader(session).write(
    repository,
    blob,
    async (sink, start) => {
      await new Promise<void>((resolve) => sink.write(EMPTY_JSON.subarray(start), resolve))
    },
    {verify: true, ...(signal === undefined ? {} : {signal})},
  )
  const present = await UploadSession.open(session, repository, action, signal, {digest: blob.digest, from: repository})
  const absent = await UploadSession.open(session, repository, action, signal, {
    digest: digestOf(randomBytes(UNKNOWN_BYTES)),
    from: repository,
  })
  for (const opened of [present, absent]) if (opened instanceof UploadSession) await opened.cancel()
  return present === 'mounted' && absent !== 'mounted'
}
