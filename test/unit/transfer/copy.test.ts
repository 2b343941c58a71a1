import assert from 'node:assert/strict'
import {setTimeout as wait} from 'node:timers/promises'
import {HoldfastError, hasCode, TransferError} from '../../../src/lib/core/errors.ts'
import {parsePlatform} from '../../../src/lib/oci/platform.ts'
import {parseReference, type RepositoryName, type Tag} from '../../../src/lib/oci/reference.ts'
import {CopyRun} from '../../../src/lib/transfer/copy.ts'
import type {CopyJob} from '../../../src/lib/transfer/copy-job.ts'
import type {TransferEvent} from '../../../src/lib/transfer/events.ts'
import {addImage, addIndex, linesOf, referTo} from '../../support/memory-images.ts'
import {MemoryStore} from '../../support/memory-store.ts'

function job(
  source: MemoryStore,
  from: string,
  target: MemoryStore,
  to: string,
  extra: Partial<CopyJob> & {readonly isFresh?: boolean} = {},
): CopyJob {
  const {isFresh, ...rest} = extra
  return {
    source: {store: source, reference: parseReference(from)},
    target: {store: target, reference: parseReference(to), ...(isFresh ? {isFresh} : {})},
    ...rest,
  }
}

describe('copying an image', () => {
  let source: MemoryStore
  let target: MemoryStore

  beforeEach(() => {
    source = new MemoryStore()
    target = new MemoryStore()
  })

  it('keeps the digest, writes blobs before their manifest and the tag last', async () => {
    const raw = addImage(source, 'a.test/app:v1', ['one', 'two'])
    const report = await new CopyRun().copy(job(source, 'a.test/app:v1', target, 'b.test/app:v1'))
    assert.equal(report.digest, raw.digest)
    assert.equal(report.sourceDigest, raw.digest)
    assert.equal(report.uploadedBlobs, 3)
    assert.equal(target.log.at(-1), 'put-manifest app v1')
    assert.deepEqual(target.repository('app' as RepositoryName).manifests.get(raw.digest)?.bytes, raw.bytes)
  })

  it('asks one HEAD at each end and nothing else when the target has the same digest under the tag', async () => {
    addImage(source, 'a.test/app:v1', ['one'])
    await new CopyRun().copy(job(source, 'a.test/app:v1', target, 'b.test/app:v1'))
    source.log.length = 0
    target.log.length = 0
    const report = await new CopyRun().copy(job(source, 'a.test/app:v1', target, 'b.test/app:v1'))
    assert.equal(report.unchanged, true)
    assert.deepEqual(source.log, ['head-manifest app v1'])
    assert.deepEqual(target.log, ['head-manifest app v1'])
  })

  it('pulls nothing at all when only the tag is missing at the target', async () => {
    const raw = addImage(source, 'a.test/app:v1', ['one'])
    await new CopyRun().copy(job(source, 'a.test/app:v1', target, 'b.test/app:v1'))
    source.log.length = 0
    const report = await new CopyRun({referrers: false}).copy(job(source, 'a.test/app:v1', target, 'b.test/app:v2'))
    assert.equal(report.digest, raw.digest)
    assert.deepEqual(source.log, ['head-manifest app v1'])
    assert.equal(target.repository('app' as RepositoryName).tags.get('v2' as Tag), raw.digest)
  })

  it('copies every platform of an index, children before the index, and a shared layer once', async () => {
    const {index, children} = addIndex(source, 'a.test/app:v1', ['amd64', 'arm64'])
    const report = await new CopyRun().copy(job(source, 'a.test/app:v1', target, 'b.test/app:v1', {isFresh: true}))
    assert.equal(report.digest, index.digest)
    assert.deepEqual(report.platforms, ['linux/amd64', 'linux/arm64'])
    const written = linesOf(target.log, 'put-manifest')
    assert.deepEqual([...written.slice(0, 2)].sort(), children.map((child) => `put-manifest app ${child.digest}`).sort())
    assert.equal(written.at(-1), 'put-manifest app v1')
    assert.equal(linesOf(source.log, 'get-blob').length, 5)
  })

  it('copies the one chosen platform as its own manifest', async () => {
    const {children} = addIndex(source, 'a.test/app:v1', ['amd64', 'arm64'])
    const report = await new CopyRun().copy(
      job(source, 'a.test/app:v1', target, 'b.test/app:v1', {platforms: [parsePlatform('linux/arm64')]}),
    )
    assert.equal(report.digest, children[1]?.digest)
    assert.notEqual(report.digest, report.sourceDigest)
  })

  it('writes a smaller index for several chosen platforms, and says that the digest changed', async () => {
    const {index} = addIndex(source, 'a.test/app:v1', ['amd64', 'arm64', 's390x'])
    const platforms = [parsePlatform('linux/amd64'), parsePlatform('linux/s390x')]
    const report = await new CopyRun().copy(job(source, 'a.test/app:v1', target, 'b.test/app:v1', {platforms}))
    assert.deepEqual(report.platforms, ['linux/amd64', 'linux/s390x'])
    assert.equal(report.sourceDigest, index.digest)
    assert.notEqual(report.digest, index.digest)
    assert.equal(linesOf(source.log, 'get-blob').length, 5)
  })

  it('names the platforms there are when the chosen one is not among them', async () => {
    addIndex(source, 'a.test/app:v1', ['amd64'])
    const copied = new CopyRun().copy(job(source, 'a.test/app:v1', target, 'b.test/app:v1', {platforms: [parsePlatform('linux/arm64')]}))
    await assert.rejects(copied, (error) => hasCode(error, 'PLATFORM_NOT_FOUND') && error.message.includes('linux/amd64'))
  })

  it('checks the platform of an image that is no index against its config', async () => {
    addImage(source, 'a.test/app:v1', ['one'], {architecture: 'arm64'})
    const copied = new CopyRun().copy(job(source, 'a.test/app:v1', target, 'b.test/app:v1', {platforms: [parsePlatform('linux/amd64')]}))
    await assert.rejects(copied, (error) => hasCode(error, 'PLATFORM_NOT_FOUND'))
    assert.deepEqual(linesOf(target.log, 'put-'), [])
  })

  it('brings along referrers, what refers to those, and cosign tags', async () => {
    const image = addImage(source, 'a.test/app:v1', ['one'])
    const sbom = addImage(source, 'a.test/app', ['sbom'], {tagged: false, subject: referTo(image), artifactType: 'application/spdx+json'})
    const signature = addImage(source, 'a.test/app', ['signature of the sbom'], {tagged: false, subject: referTo(sbom)})
    const tag = `sha256-${image.digest.slice(7)}.sig`
    const cosign = addImage(source, `a.test/app:${tag}`, ['cosign'])
    const report = await new CopyRun().copy(job(source, 'a.test/app:v1', target, 'b.test/app:v1'))
    const {manifests, tags} = target.repository('app' as RepositoryName)
    assert.equal(report.referrers, 3)
    for (const raw of [image, sbom, signature, cosign]) assert.ok(manifests.has(raw.digest))
    assert.equal(tags.get(tag as Tag), cosign.digest)
    assert.equal(target.log.at(-1), 'put-manifest app v1')
  })

  it('takes no manifest for a referrer that does not say so itself', async () => {
    addImage(source, 'a.test/app:v1', ['one'])
    const stranger = addImage(source, 'a.test/app', ['stranger'], {tagged: false})
    source.listReferrers = async () => [referTo(stranger)]
    const report = await new CopyRun().copy(job(source, 'a.test/app:v1', target, 'b.test/app:v1'))
    assert.equal(report.referrers, 0)
    assert.equal(target.repository('app' as RepositoryName).manifests.has(stranger.digest), false)
  })

  it('leaves referrers away when asked to', async () => {
    const image = addImage(source, 'a.test/app:v1', ['one'])
    addImage(source, 'a.test/app', ['sbom'], {tagged: false, subject: referTo(image)})
    const report = await new CopyRun({referrers: false}).copy(job(source, 'a.test/app:v1', target, 'b.test/app:v1'))
    assert.equal(report.referrers, 0)
    assert.equal(target.repository('app' as RepositoryName).manifests.size, 1)
  })

  it('says which side failed, leaves no tag, and stops the other blobs', async () => {
    addImage(source, 'a.test/app:v1', ['good', 'bad'])
    let stopped = false
    source.beforeRead = async (digest) => {
      const bytes = source.repository('app' as RepositoryName).blobs.get(digest)
      if (Buffer.from(bytes ?? []).toString() === 'bad') throw new HoldfastError('NETWORK', 'the origin went away')
      await wait(20)
      stopped = true
    }
    const copied = new CopyRun().copy(job(source, 'a.test/app:v1', target, 'b.test/app:v1'))
    await assert.rejects(
      copied,
      (error) =>
        error instanceof TransferError && error.side === 'source' && error.code === 'NETWORK' && /"a\.test\/app:v1"/.test(error.message),
    )
    assert.equal(stopped, true)
    assert.deepEqual(linesOf(target.log, 'put-'), [])
  })

  it('says that the image is not there, with the name that was asked for', async () => {
    const copied = new CopyRun().copy(job(source, 'a.test/none:v1', target, 'b.test/none:v1'))
    await assert.rejects(copied, (error) => {
      assert.ok(error instanceof TransferError && error.side === 'source' && error.code === 'MANIFEST_NOT_FOUND')
      assert.equal(error.message.split('a.test/none:v1').length, 2, `the name stands once: ${error.message}`)
      return true
    })
  })

  it('stops when the signal fires, before the tag', async () => {
    addImage(source, 'a.test/app:v1', ['one'])
    const abort = new AbortController()
    source.beforeRead = () => abort.abort()
    const copied = new CopyRun({signal: abort.signal}).copy(job(source, 'a.test/app:v1', target, 'b.test/app:v1'))
    await assert.rejects(copied, (error) => hasCode(error, 'INTERRUPTED'))
    assert.deepEqual(linesOf(target.log, 'put-manifest'), [])
  })
})

describe('copying many images in one run', () => {
  let source: MemoryStore
  let target: MemoryStore

  beforeEach(() => {
    source = new MemoryStore()
    target = new MemoryStore()
  })

  it('pulls a shared layer once and mounts it everywhere else', async () => {
    for (const name of ['one', 'two', 'three']) addImage(source, `a.test/${name}:v1`, ['shared', `own ${name}`])
    const run = new CopyRun()
    const reports = await Promise.all(
      ['one', 'two', 'three'].map((name) => run.copy(job(source, `a.test/${name}:v1`, target, `b.test/${name}:v1`, {isFresh: true}))),
    )
    assert.equal(linesOf(source.log, 'get-blob').length, 1 + 1 + 3)
    assert.equal(
      reports.reduce((sum, report) => sum + report.mountedBlobs, 0),
      4,
    )
  })

  it('uploads a shared layer itself when the image that was to bring it failed', async () => {
    addImage(source, 'a.test/one:v1', ['shared'])
    addImage(source, 'a.test/two:v1', ['shared'])
    let calls = 0
    source.beforeRead = async () => {
      await wait(5)
      if (++calls <= 2) throw new HoldfastError('NETWORK', 'once')
    }
    const run = new CopyRun()
    const settled = await Promise.allSettled([
      run.copy(job(source, 'a.test/one:v1', target, 'b.test/one:v1')),
      run.copy(job(source, 'a.test/two:v1', target, 'b.test/two:v1')),
    ])
    assert.deepEqual(
      settled.map((result) => result.status),
      ['rejected', 'fulfilled'],
    )
  })

  it('mounts what an earlier run is remembered to have brought, from another repository', async () => {
    addImage(source, 'a.test/one:v1', ['shared'])
    addImage(source, 'a.test/two:v1', ['shared', 'new'])
    await new CopyRun().copy(job(source, 'a.test/one:v1', target, 'b.test/one:v1'))
    source.log.length = 0
    const findBlobLocation = async () => 'one' as RepositoryName
    await new CopyRun({findBlobLocation}).copy(job(source, 'a.test/two:v1', target, 'b.test/two:v1', {isFresh: true}))
    assert.equal(linesOf(source.log, 'get-blob').length, 1)
  })

  it('starts the biggest blobs first', async () => {
    target.blobConcurrency = 1
    addImage(source, 'a.test/app:v1', ['small', 'x'.repeat(5000), 'x'.repeat(900)])
    await new CopyRun({blobConcurrency: 1}).copy(job(source, 'a.test/app:v1', target, 'b.test/app:v1'))
    const pulled = linesOf(source.log, 'get-blob').map(
      (line) => source.repository('app' as RepositoryName).blobs.get(line.split(' ')[2] as never)?.length ?? 0,
    )
    assert.deepEqual(
      pulled.slice(1),
      [...pulled.slice(1)].sort((a, b) => b - a),
    )
  })

  it('tells each blob and each byte once', async () => {
    for (const name of ['one', 'two']) addImage(source, `a.test/${name}:v1`, ['shared', `own ${name}`])
    const events: TransferEvent[] = []
    const run = new CopyRun({listener: (event) => events.push(event)})
    await Promise.all(['one', 'two'].map((name) => run.copy(job(source, `a.test/${name}:v1`, target, `b.test/${name}:v1`))))
    const found = events.flatMap((event) => (event.type === 'blobs-found' ? event.blobs : []))
    const moved = events.reduce((sum, event) => sum + (event.type === 'bytes-moved' ? event.bytes : 0), 0)
    assert.equal(new Set(found.map((blob) => blob.digest)).size, found.length)
    assert.equal(
      moved,
      found.reduce((sum, blob) => sum + blob.size, 0),
    )
  })
})
