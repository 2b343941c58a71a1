/** What every content store does, whatever it is made of. Each adapter's test calls `describeContentStore` with a way to get an empty store. */
import assert from 'node:assert/strict'
import {createHash, randomBytes} from 'node:crypto'
import {readBlobBytes} from '../../src/lib/content/read-bytes.ts'
import type {BlobSource, ContentDeleter, RepositoryLister, SourceStore, TargetStore} from '../../src/lib/content/store.ts'
import type {ByteSink} from '../../src/lib/core/byte-sink.ts'
import {hasCode} from '../../src/lib/core/errors.ts'
import type {BlobDescriptor} from '../../src/lib/oci/descriptor.ts'
import {digestOf, parseDigest} from '../../src/lib/oci/digest.ts'
import {createRawManifest, describeManifest, type RawManifest} from '../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../src/lib/oci/media-types.ts'
import {parseRepositoryName, parseTag} from '../../src/lib/oci/reference.ts'

export type StoreUnderContract = SourceStore & TargetStore & Partial<ContentDeleter & RepositoryLister>

export interface ContractFactory {
  /** An empty store. */
  readonly open: () => Promise<StoreUnderContract>
  /** Ends what `open` started. */
  readonly close: (store: StoreUnderContract) => Promise<void>
  /** Whether repositories are name spaces of their own; unless false. */
  readonly hasRepositories?: boolean
  /** Whether it knows sha512; unless false. */
  readonly hasSha512?: boolean
}

const repository = parseRepositoryName('team/app')
const elsewhere = parseRepositoryName('team/other')
/** More than any buffer or inline limit on the way. */
const LARGE_BYTES = 9 * 1024 * 1024 + 17
const SLICE_BYTES = 100_000

export function describeContentStore(name: string, factory: ContractFactory): void {
  describe(`${name} as a content store`, () => {
    let store: StoreUnderContract

    beforeEach(async () => {
      store = await factory.open()
    })

    afterEach(async () => {
      await factory.close(store)
    })

    for (const size of [0, 1, 4096, LARGE_BYTES]) {
      it(`gives back a blob of ${size} bytes as it was written`, async () => {
        const bytes = randomBytes(size)
        const blob = describeBlob(bytes)
        assert.equal(await store.statBlob(repository, blob.digest), undefined)
        assert.equal(await store.writeBlob(repository, blob, sourceOf(bytes)), 'uploaded')
        assert.equal(await store.statBlob(repository, blob.digest), size)
        assert.deepEqual(await readBlobBytes(store, repository, blob, size), bytes)
      })
    }

    it('asks for no byte of a blob that it has', async () => {
      const bytes = randomBytes(1000)
      await store.writeBlob(repository, describeBlob(bytes), sourceOf(bytes))
      const outcome = await store.writeBlob(repository, describeBlob(bytes), () => assert.fail('the source was asked'))
      assert.equal(outcome, 'present')
    })

    it('writes a blob again that is there and said to be damaged', async () => {
      const bytes = randomBytes(10_000)
      const blob = describeBlob(bytes)
      await store.writeBlob(repository, blob, sourceOf(bytes))
      assert.equal(await store.writeBlob(repository, blob, sourceOf(bytes), {isDamaged: true, mountFrom: repository}), 'uploaded')
      assert.equal(await store.statBlob(repository, blob.digest), bytes.length)
    })

    it('reads ranges: from the middle, to the end, and a single byte', async () => {
      const bytes = randomBytes(3_000_000)
      const blob = describeBlob(bytes)
      await store.writeBlob(repository, blob, sourceOf(bytes))
      for (const [range, expected] of [
        [{start: 10, end: 19}, bytes.subarray(10, 20)],
        [{start: 2_999_990}, bytes.subarray(2_999_990)],
        [{start: 0, end: 0}, bytes.subarray(0, 1)],
        [{start: 5, end: 2_500_000}, bytes.subarray(5, 2_500_001)],
      ] as const) {
        assert.deepEqual(await readSlowly(store, blob, range), Buffer.from(expected))
      }
    })

    it('waits for a sink that is slow to give its slices back', async () => {
      const bytes = randomBytes(LARGE_BYTES)
      const blob = describeBlob(bytes)
      await store.writeBlob(repository, blob, sourceOf(bytes))
      assert.equal((await readSlowly(store, blob)).equals(bytes), true)
    })

    it('refuses bytes that are not the blob, and shows nothing of them', async () => {
      const wanted = describeBlob(randomBytes(5000))
      await rejectsWith(store.writeBlob(repository, wanted, sourceOf(randomBytes(5000))), 'INTEGRITY')
      assert.equal(await store.statBlob(repository, wanted.digest), undefined)
    })

    for (const [what, change] of [
      ['fewer', -1],
      ['more', 1],
    ] as const) {
      it(`refuses ${what} bytes than the descriptor says`, async () => {
        const bytes = randomBytes(5000)
        const blob = {...describeBlob(bytes), size: bytes.length - change}
        await assert.rejects(store.writeBlob(repository, blob, sourceOf(bytes)))
        assert.equal(await store.statBlob(repository, blob.digest), undefined)
      })
    }

    it('passes on the failure of a source, shows nothing, and takes the blob the next time', async () => {
      const bytes = randomBytes(500_000)
      const blob = describeBlob(bytes)
      await assert.rejects(
        store.writeBlob(repository, blob, async (sink) => {
          await push(sink, bytes.subarray(0, 200_000))
          throw new Error('the cable was pulled')
        }),
        /the cable was pulled/,
      )
      assert.equal(await store.statBlob(repository, blob.digest), undefined)
      assert.equal(await store.writeBlob(repository, blob, sourceOf(bytes)), 'uploaded')
    })

    it('has one whole blob after two wrote it at once', async () => {
      const bytes = randomBytes(600_000)
      const blob = describeBlob(bytes)
      await Promise.all([store.writeBlob(repository, blob, sourceOf(bytes)), store.writeBlob(repository, blob, sourceOf(bytes))])
      assert.deepEqual(await readBlobBytes(store, repository, blob, bytes.length), bytes)
    })

    it('reports a blob that is not there', async () => {
      await rejectsWith(store.readBlob(repository, describeBlob(randomBytes(10)), neverSink()), 'BLOB_NOT_FOUND')
    })

    it('reports a descriptor whose size is not that of the blob', async () => {
      const bytes = randomBytes(10)
      await store.writeBlob(repository, describeBlob(bytes), sourceOf(bytes))
      const {digest} = describeBlob(bytes)
      await rejectsWith(store.readBlob(repository, {digest, size: 11}, neverSink()), 'INTEGRITY')
    })

    it('stops reading when the signal fires', async () => {
      const bytes = randomBytes(LARGE_BYTES)
      const blob = describeBlob(bytes)
      await store.writeBlob(repository, blob, sourceOf(bytes))
      const abort = new AbortController()
      const sink: ByteSink = {
        write: (_, release) => {
          abort.abort()
          release()
          return true
        },
      }
      await rejectsWith(store.readBlob(repository, blob, sink, {signal: abort.signal}), 'INTERRUPTED')
    })

    it('gives back a manifest bit for bit, by tag and by digest', async () => {
      const manifest = await writeImage(store, {indent: 3})
      for (const reference of [parseTag('v1'), manifest.digest]) {
        assert.deepEqual(await store.statManifest(repository, reference), describeManifest(manifest))
        const read = await store.readManifest(repository, reference)
        assert.equal(read?.mediaType, manifest.mediaType)
        assert.equal(read.digest, manifest.digest)
        assert.deepEqual(Buffer.from(read.bytes), Buffer.from(manifest.bytes))
      }
    })

    it('knows nothing of tags and digests that were never written', async () => {
      await writeImage(store)
      assert.equal(await store.statManifest(repository, parseTag('v2')), undefined)
      assert.equal(await store.readManifest(repository, digestOf(Buffer.from('nothing'))), undefined)
    })

    it('tells the media type of a manifest that does not declare one', async () => {
      const blob = await writeRandomBlob(store)
      const config = {mediaType: MEDIA_TYPE.ociConfig, ...blob}
      const manifest = rawManifest(MEDIA_TYPE.ociManifest, {schemaVersion: 2, config, layers: []})
      await store.writeManifest(repository, parseTag('bare'), manifest)
      assert.equal((await store.statManifest(repository, parseTag('bare')))?.mediaType, MEDIA_TYPE.ociManifest)
    })

    it('refuses a manifest whose bytes do not have the digest that it is stored under', async () => {
      const manifest = await writeImage(store)
      const other = digestOf(Buffer.from('other'))
      await rejectsWith(store.writeManifest(repository, other, manifest), 'INTEGRITY')
      assert.equal(await store.statManifest(repository, other), undefined)
    })

    it('refuses a manifest whose layer is missing, and leaves the tag as it was', async () => {
      const before = await writeImage(store)
      const layer = {mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...describeBlob(randomBytes(7))}
      const config = {mediaType: MEDIA_TYPE.ociConfig, ...(await writeRandomBlob(store))}
      const manifest = rawManifest(MEDIA_TYPE.ociManifest, {schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers: [layer]})
      await rejectsWith(store.writeManifest(repository, parseTag('v1'), manifest), 'BLOB_NOT_FOUND')
      assert.equal((await store.statManifest(repository, parseTag('v1')))?.digest, before.digest)
      assert.equal(await store.statManifest(repository, manifest.digest), undefined)
    })

    it('stores an index after the manifests that it names, not before', async () => {
      const unwritten = await writeImage(store, {tag: 'x', annotations: {written: 'first'}})
      const child = {...describeManifest(unwritten), platform: {os: 'linux', architecture: 'amd64'}}
      const missing = {...child, digest: digestOf(Buffer.from('missing'))}
      await rejectsWith(store.writeManifest(repository, parseTag('multi'), indexOf([child, missing])), 'BLOB_NOT_FOUND')
      const index = indexOf([child])
      await store.writeManifest(repository, parseTag('multi'), index)
      assert.deepEqual(await store.statManifest(repository, parseTag('multi')), describeManifest(index))
      assert.equal((await store.readManifest(repository, unwritten.digest))?.digest, unwritten.digest)
    })

    it('moves a tag, and keeps the manifest that had it', async () => {
      const before = await writeImage(store)
      const after = await writeImage(store, {annotations: {version: '2'}})
      assert.equal((await store.statManifest(repository, parseTag('v1')))?.digest, after.digest)
      assert.equal((await store.statManifest(repository, before.digest))?.digest, before.digest)
    })

    it('lists tags in lexical order, in pages', async () => {
      for (const tag of ['b', 'A', 'a', '10', '9']) await writeImage(store, {tag})
      assert.deepEqual(await collect(store.listTags(repository)), ['10', '9', 'A', 'a', 'b'])
      assert.deepEqual(await collect(store.listTags(repository, {last: '9', limit: 2})), ['A', 'a'])
    })

    it('lists what refers to a manifest, also when the referrer came first', async () => {
      const subject = await writeImage(store)
      const [signature, sbom] = [
        await writeReferrer(store, subject, 'application/x-signature'),
        await writeReferrer(store, subject, 'application/x-sbom'),
      ]
      const found = await store.listReferrers(repository, subject.digest)
      assert.deepEqual(
        found.map(({digest, artifactType, size}) => ({digest, artifactType, size})).sort((a, b) => (a.digest < b.digest ? -1 : 1)),
        [
          {digest: signature.digest, artifactType: 'application/x-signature', size: signature.bytes.length},
          {digest: sbom.digest, artifactType: 'application/x-sbom', size: sbom.bytes.length},
        ].sort((a, b) => (a.digest < b.digest ? -1 : 1)),
      )
      const future = createRawManifest(MEDIA_TYPE.ociManifest, Buffer.from('not yet written'))
      const early = await writeReferrer(store, future, 'application/x-early')
      assert.deepEqual(
        (await store.listReferrers(repository, future.digest)).map(({digest}) => digest),
        [early.digest],
      )
      assert.deepEqual(await store.listReferrers(repository, signature.digest), [])
    })

    if (factory.hasSha512 !== false) {
      it('takes sha512 digests for blobs and manifests', async () => {
        const bytes = randomBytes(100)
        const blob = {digest: digestOf(bytes, 'sha512'), size: bytes.length}
        assert.equal(await store.writeBlob(repository, blob, sourceOf(bytes)), 'uploaded')
        assert.deepEqual(await readBlobBytes(store, repository, blob, 100), bytes)
        await rejectsWith(
          store.writeBlob(repository, {...blob, digest: parseDigest(`sha512:${'0'.repeat(128)}`)}, sourceOf(bytes)),
          'INTEGRITY',
        )
        const {bytes: json} = await writeImage(store)
        const manifest = createRawManifest(MEDIA_TYPE.ociManifest, json, 'sha512')
        await store.writeManifest(repository, manifest.digest, manifest)
        assert.equal((await store.readManifest(repository, manifest.digest))?.digest, manifest.digest)
      })

      it('has a manifest that is written by tag under its sha512 digest as well', async () => {
        const {bytes} = await writeImage(store)
        const manifest = createRawManifest(MEDIA_TYPE.ociManifest, bytes, 'sha512')
        await store.writeManifest(repository, parseTag('v2'), manifest)
        assert.deepEqual(await store.statManifest(repository, manifest.digest), describeManifest(manifest))
        assert.deepEqual(await store.statManifest(repository, parseTag('v2')), describeManifest(manifest))
      })
    }

    if (factory.hasRepositories !== false) describeRepositories()

    function describeRepositories(): void {
      it('keeps repositories apart: a digest alone gives no access to a blob of another', async () => {
        const bytes = randomBytes(2000)
        const blob = describeBlob(bytes)
        await store.writeBlob(repository, blob, sourceOf(bytes))
        assert.equal(await store.statBlob(elsewhere, blob.digest), undefined)
        assert.equal(await store.writeBlob(elsewhere, blob, sourceOf(bytes)), 'uploaded')
        const manifest = await writeImage(store)
        assert.equal(await store.statManifest(elsewhere, manifest.digest), undefined)
      })

      it('mounts a blob from the repository that has it, and uploads when that one has it not', async () => {
        const bytes = randomBytes(2000)
        const blob = describeBlob(bytes)
        assert.equal(await store.writeBlob(repository, blob, sourceOf(bytes), {mountFrom: elsewhere}), 'uploaded')
        assert.equal(await store.writeBlob(elsewhere, blob, () => assert.fail('the source was asked'), {mountFrom: repository}), 'mounted')
        assert.deepEqual(await readBlobBytes(store, elsewhere, blob, bytes.length), bytes)
      })

      it('lists repositories in lexical order, in pages', async function () {
        if (store.listRepositories === undefined) return this.skip()
        for (const name of ['b', 'a/b', 'a', 'a-c']) await writeRandomBlob(store, name)
        const names = await collect(store.listRepositories())
        assert.deepEqual([...names].sort(), ['a', 'a-c', 'a/b', 'b'])
        assert.deepEqual(await collect(store.listRepositories({limit: 3})), names.slice(0, 3))
        assert.deepEqual(await collect(store.listRepositories({last: names[0] ?? '', limit: 2})), names.slice(1, 3))
      })

      it('deletes one tag and leaves its siblings and the manifest', async function () {
        if (store.deleteTag === undefined) return this.skip()
        const manifest = await writeImage(store, {tag: 'v1'})
        await store.writeManifest(repository, parseTag('v2'), manifest)
        assert.equal(await store.deleteTag(repository, parseTag('v1')), true)
        assert.equal(await store.deleteTag(repository, parseTag('v1')), false)
        assert.deepEqual(await collect(store.listTags(repository)), ['v2'])
        assert.equal((await store.statManifest(repository, manifest.digest))?.digest, manifest.digest)
      })

      it('deletes a manifest with the tags that name it, and no other', async function () {
        if (store.deleteManifest === undefined) return this.skip()
        const kept = await writeImage(store, {tag: 'kept'})
        const doomed = await writeImage(store, {tag: 'doomed', annotations: {doomed: 'yes'}})
        assert.equal(await store.deleteManifest(repository, doomed.digest), true)
        assert.equal(await store.deleteManifest(repository, doomed.digest), false)
        assert.equal(await store.statManifest(repository, doomed.digest), undefined)
        assert.equal(await store.statManifest(repository, parseTag('doomed')), undefined)
        assert.equal((await store.statManifest(repository, parseTag('kept')))?.digest, kept.digest)
      })

      it('deletes a blob from one repository only', async function () {
        if (store.deleteBlob === undefined) return this.skip()
        const bytes = randomBytes(300)
        const blob = describeBlob(bytes)
        await store.writeBlob(repository, blob, sourceOf(bytes))
        await store.writeBlob(elsewhere, blob, sourceOf(bytes), {mountFrom: repository})
        assert.equal(await store.deleteBlob(repository, blob.digest), true)
        assert.equal(await store.deleteBlob(repository, blob.digest), false)
        assert.equal(await store.statBlob(repository, blob.digest), undefined)
        assert.deepEqual(await readBlobBytes(store, elsewhere, blob, 300), bytes)
      })
    }
  })
}

export function describeBlob(bytes: Uint8Array): BlobDescriptor {
  return {digest: digestOf(bytes), size: bytes.length}
}

/** A source that reuses one buffer, as a socket does: it waits for each slice to come back and then overwrites it. */
export function sourceOf(bytes: Uint8Array): BlobSource {
  return async (sink, start) => await push(sink, bytes.subarray(start))
}

async function push(sink: ByteSink, bytes: Uint8Array): Promise<void> {
  const buffer = Buffer.alloc(SLICE_BYTES)
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    const slice = bytes.subarray(at, at + SLICE_BYTES)
    buffer.set(slice)
    await new Promise<void>((resolve) => {
      sink.write(buffer.subarray(0, slice.length), resolve)
    })
    buffer.fill(0xee)
  }
}

/** Reads through a sink that takes one slice at a time, holds it for a turn, and notices when a slice changes meanwhile. */
async function readSlowly(
  store: SourceStore,
  blob: BlobDescriptor,
  range?: {readonly start: number; readonly end?: number},
): Promise<Buffer> {
  const chunks: Buffer[] = []
  let held = 0
  const sink: ByteSink = {
    write: (chunk, release) => {
      assert.equal(held, 0, 'a slice came before the last one was given back')
      held += 1
      const seen = createHash('sha256').update(chunk).digest('hex')
      setTimeout(() => {
        assert.equal(createHash('sha256').update(chunk).digest('hex'), seen, 'a slice changed while it was held')
        chunks.push(Buffer.from(chunk))
        held -= 1
        release()
      }, 1)
      return false
    },
  }
  await store.readBlob(repository, blob, sink, range === undefined ? {} : {range})
  assert.equal(held, 0)
  return Buffer.concat(chunks)
}

function neverSink(): ByteSink {
  return {write: () => assert.fail('bytes came')}
}

async function collect<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

async function rejectsWith(promise: Promise<unknown>, code: Parameters<typeof hasCode>[1]): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(hasCode(error, code), `expected ${code}, got ${String(error)}`)
    return true
  })
}

async function writeRandomBlob(store: StoreUnderContract, name: string = repository): Promise<BlobDescriptor> {
  const bytes = randomBytes(64)
  await store.writeBlob(parseRepositoryName(name), describeBlob(bytes), sourceOf(bytes))
  return describeBlob(bytes)
}

function rawManifest(mediaType: string, json: unknown, indent = 0): RawManifest {
  return createRawManifest(mediaType, Buffer.from(JSON.stringify(json, null, indent)))
}

function indexOf(manifests: readonly unknown[]): RawManifest {
  return rawManifest(MEDIA_TYPE.ociIndex, {schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests})
}

/** Writes an image of one config and one layer under a tag. */
async function writeImage(
  store: StoreUnderContract,
  options: {readonly tag?: string; readonly annotations?: Readonly<Record<string, string>>; readonly indent?: number} = {},
): Promise<RawManifest> {
  const config = {mediaType: MEDIA_TYPE.ociConfig, ...(await writeRandomBlob(store))}
  const layer = {mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...(await writeRandomBlob(store))}
  const {annotations = {}, indent, tag = 'v1'} = options
  const json = {schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers: [layer], annotations}
  const manifest = rawManifest(MEDIA_TYPE.ociManifest, json, indent)
  await store.writeManifest(repository, parseTag(tag), manifest)
  return manifest
}

async function writeReferrer(store: StoreUnderContract, subject: RawManifest, artifactType: string): Promise<RawManifest> {
  const config = {mediaType: MEDIA_TYPE.ociEmpty, ...(await writeRandomBlob(store))}
  const json = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    artifactType,
    config,
    layers: [],
    subject: describeManifest(subject),
  }
  const manifest = rawManifest(MEDIA_TYPE.ociManifest, json)
  await store.writeManifest(repository, manifest.digest, manifest)
  return manifest
}
