/** What the list of referrers remembers of a directory that other processes write to. */
import assert from 'node:assert/strict'
import {utimes} from 'node:fs/promises'
import {join} from 'node:path'
import {createFilesystemStore, type FilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import {createRawManifest} from '../../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'

const REPOSITORY = parseRepositoryName('apps/shop')
/** Manifests that need no blobs. */
const index = (subject?: ReturnType<typeof createRawManifest>, name = '') =>
  createRawManifest(
    MEDIA_TYPE.ociIndex,
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociIndex,
        manifests: [],
        annotations: {name},
        ...(subject === undefined ? {} : {subject: {mediaType: subject.mediaType, digest: subject.digest, size: subject.bytes.length}}),
      }),
    ),
  )

describe('the referrers in a directory', () => {
  const afterwards = cleanUpAfterwards()
  let root: string
  const open = (): FilesystemStore => {
    const store = createFilesystemStore({root})
    afterwards(() => store.close())
    return store
  }

  beforeEach(async () => {
    const directory = await createTemporaryDirectory('referrers')
    afterwards(directory.remove)
    root = directory.path
  })

  it('are all found, also where a directory was changed again within the resolution of its time', async () => {
    const subject = index()
    const [first, second] = [index(subject, 'first'), index(subject, 'second')]
    const [reader, writer] = [open(), open()]
    const revisions = join(root, 'docker/registry/v2/repositories', REPOSITORY, '_manifests/revisions/sha256')
    // Of the time of the directory nothing is known but that it was changed just now: it says the same before and after the second change.
    const now = new Date(Date.now() + 60_000)
    await writer.writeManifest(REPOSITORY, subject.digest, subject)
    await writer.writeManifest(REPOSITORY, first.digest, first)
    await utimes(revisions, now, now)
    const found = async () => (await reader.listReferrers(REPOSITORY, subject.digest)).map(({digest}) => digest)
    assert.deepEqual(await found(), [first.digest])
    await writer.writeManifest(REPOSITORY, second.digest, second)
    await utimes(revisions, now, now)
    assert.deepEqual(await found(), [first.digest, second.digest].sort())
  })
})
