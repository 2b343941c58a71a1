/** Images as a mirror keeps them on a disk, whole or in part. */
import type {FilesystemStore} from '../../src/lib/content/filesystem/store.ts'
import {parseDigest} from '../../src/lib/oci/digest.ts'
import {parseRepositoryName, parseTag} from '../../src/lib/oci/reference.ts'
import type {SampleImage} from './images.ts'

type Keeper = Pick<FilesystemStore, 'writeBlob' | 'writeSparseManifest'>

/** Writes an image into a mirror's store, without the blobs whose digests are in `without`. */
export async function keepImage(
  store: Keeper,
  name: string,
  image: SampleImage,
  {tag, without = []}: {readonly tag?: string; readonly without?: readonly string[]} = {},
): Promise<void> {
  const repository = parseRepositoryName(name)
  for (const child of image.children) await keepImage(store, name, child, {without})
  for (const {digest, bytes} of image.blobs) {
    if (without.includes(digest)) continue
    await store.writeBlob(repository, {digest: parseDigest(digest), size: bytes.length}, async (sink) => {
      await new Promise<void>((resolve) => sink.write(bytes, resolve))
    })
  }
  const digest = parseDigest(image.digest)
  const raw = {mediaType: image.mediaType, digest, bytes: image.bytes}
  await store.writeSparseManifest(repository, tag === undefined ? digest : parseTag(tag), raw)
}
