/**
 * A content store in a directory in the OCI image layout (image-spec 1.1 image-layout.md), as skopeo, buildah and others read and write it. A layout has one
 * name space, so the repository's name means nothing here; a tag is the annotation `org.opencontainers.image.ref.name`.
 */
import {describeManifest} from '../../oci/manifest.ts'
import {onDisk} from '../disk/storage-error.ts'
import {HashThread} from '../disk/trailing-hash.ts'
import type {CallOptions, SourceStore, TargetStore} from '../store.ts'
import {LayoutDirectory} from './directory.ts'
import {OciLayout} from './layout.ts'

/** Blobs written at once: more only makes them wait for the same disk. */
const BLOB_CONCURRENCY = 4

export interface OciLayoutStore extends SourceStore, TargetStore {
  /** Where the layout is, as an absolute path. */
  readonly directory: string
  /** Ends the thread that hashes; the store must not be used any more. */
  close(): Promise<void>
}

/** Opens the layout in `directory`, which need not exist: it is made by the first write. */
export function createOciLayoutStore(options: {readonly directory: string}): OciLayoutStore {
  const directory = new LayoutDirectory(options.directory)
  const thread = new HashThread()
  const layout = new OciLayout(directory, thread)
  const guard = async <T>(verb: string, object: string, call: CallOptions | undefined, operation: () => Promise<T>): Promise<T> =>
    await onDisk(verb, object, directory.path, async () => {
      call?.signal?.throwIfAborted()
      return await operation()
    })
  return {
    directory: directory.path,
    blobConcurrency: BLOB_CONCURRENCY,
    statBlob: (_, digest, call) => guard('look up blob', digest, call, () => layout.statBlob(digest)),
    readBlob: (_, blob, sink, call = {}) => guard('read blob', blob.digest, call, () => layout.readBlob(blob, sink, call)),
    writeBlob: (_, blob, source, call = {}) => guard('store blob', blob.digest, call, () => layout.writeBlob(blob, source, call)),
    statManifest: (_, reference, call) =>
      guard('look up manifest', reference, call, async () => {
        const raw = await layout.readManifest(reference)
        return raw === undefined ? undefined : describeManifest(raw)
      }),
    readManifest: (_, reference, call) => guard('read manifest', reference, call, () => layout.readManifest(reference)),
    writeManifest: (_, reference, manifest, call) =>
      guard('store manifest', reference, call, () => layout.writeManifest(reference, manifest)),
    async *listTags(_, call = {}) {
      const tags = await guard('list tags of', directory.path, call, () => layout.tags())
      const after = tags.filter((tag) => call.last === undefined || tag > call.last)
      yield* after.slice(0, call.limit)
    },
    listReferrers: (_, subject, call) => guard('list referrers of', subject, call, () => layout.referrers(subject)),
    close: () => thread.close(),
  }
}
