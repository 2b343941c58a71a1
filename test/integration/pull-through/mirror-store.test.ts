/** What a mirror promises, over an upstream that fails in every way: in a folder and in a registry. */
import assert from 'node:assert/strict'
import {readdir, stat, truncate, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {UpstreamUnavailableError} from '../../../src/lib/content/pull-through/upstream.ts'
import {readBlobBytes} from '../../../src/lib/content/read-bytes.ts'
import {HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import type {Digest} from '../../../src/lib/oci/digest.ts'
import {childManifests, createRawManifest, parseManifest, type RawManifest, requiredBlobs} from '../../../src/lib/oci/manifest.ts'
import {parseRepositoryName, type RepositoryName, type Tag} from '../../../src/lib/oci/reference.ts'
import {answered, unreachable} from '../../support/faulty-upstream.ts'
import {addImage, addIndex} from '../../support/memory-images.ts'
import {type CacheKind, type MirrorOptions, openMirror, type TestMirror} from '../../support/pull-through.ts'
import {until} from '../../support/until.ts'

const WEB = parseRepositoryName('shop/web')
const V1 = 'v1' as Tag
const TICK_MS = 50
const MIB = 1024 * 1024

/** Pulls an image or index as containerd and dockerd do: HEAD by tag, then all by digest. */
async function pullAsContainerd({store}: TestMirror, repository: RepositoryName, tag: Tag): Promise<Digest> {
  const found = await store.statManifest(repository, tag)
  assert.ok(found, 'the tag is unknown')
  await pullDigest(store, repository, found.digest)
  return found.digest
}

async function pullDigest(store: TestMirror['store'], repository: RepositoryName, digest: Digest): Promise<void> {
  const raw = await store.readManifest(repository, digest)
  assert.ok(raw, `${digest} is unknown`)
  await pullParts(store, repository, raw)
}

async function pullParts(store: TestMirror['store'], repository: RepositoryName, raw: RawManifest): Promise<void> {
  const manifest = parseManifest(raw)
  if (manifest.kind === 'index') {
    const [first] = childManifests(manifest)
    if (first !== undefined) await pullDigest(store, repository, first.digest)
    return
  }
  for (const blob of requiredBlobs(manifest)) await readBlobBytes(store, repository, blob, 100 * MIB)
}

for (const kind of ['a disk', 'a registry'] as const)
  describe(`the store of a mirror that keeps what it has in ${kind}`, function () {
    this.timeout(180_000)
    describeStore(kind)
  })

function describeStore(kind: CacheKind): void {
  let mirror: TestMirror

  const open = async (options: MirrorOptions = {}): Promise<TestMirror> => {
    mirror = await openMirror({kind, ...options})
    return mirror
  }

  const cut = (): void => {
    mirror.upstream.before = () => {
      throw unreachable()
    }
  }

  afterEach(() => mirror.close())

  it('serves a tag that was looked up by HEAD and pulled by digest, with the upstream cut and after a restart', async () => {
    const {upstream} = await open()
    const image = addImage(upstream.content, 'upstream.test/shop/web:v1', ['base', 'app'])
    const {index} = addIndex(upstream.content, 'upstream.test/shop/web:many', ['amd64', 'arm64'])
    assert.equal(await pullAsContainerd(mirror, WEB, V1), image.digest)
    assert.equal(await pullAsContainerd(mirror, WEB, 'many' as Tag), index.digest)
    cut()
    for (const _ of ['running', 'restarted']) {
      assert.equal(await pullAsContainerd(mirror, WEB, V1), image.digest)
      assert.equal(await pullAsContainerd(mirror, WEB, 'many' as Tag), index.digest)
      await mirror.restart()
    }
  })

  it('records a tag across a restart between the look and the pull', async () => {
    const {upstream} = await open()
    const image = addImage(upstream.content, 'upstream.test/shop/web:v1', ['base', 'app'])
    await mirror.store.statManifest(WEB, V1)
    await mirror.restart()
    await pullDigest(mirror.store, WEB, image.digest)
    cut()
    assert.equal((await mirror.store.statManifest(WEB, V1))?.digest, image.digest)
  })

  it('fetches nothing for a look, by tag or by digest, and knows what it looked at', async () => {
    const {upstream, store} = await open({revalidate: '**=1h', completionDelayMs: 0})
    const image = addImage(upstream.content, 'upstream.test/shop/web:v1', ['base'])
    for (let looks = 0; looks < 3; looks++) assert.equal((await store.statManifest(WEB, V1))?.digest, image.digest)
    assert.equal((await store.statManifest(WEB, image.digest))?.size, image.bytes.length)
    assert.deepEqual(upstream.takeAsked(), [`stat-manifest ${WEB} v1`, `stat-manifest ${WEB} ${image.digest}`])
  })

  it('records by a look what is complete here already', async () => {
    const {upstream, store} = await open()
    const image = addImage(upstream.content, 'upstream.test/shop/web:v1', ['base'])
    await pullDigest(store, WEB, image.digest)
    await store.statManifest(WEB, V1)
    cut()
    assert.equal((await store.statManifest(WEB, V1))?.digest, image.digest)
  })

  it('follows a tag that moves and moves back to the image that it names, whatever is completed later', async () => {
    const {upstream, store} = await open()
    const first = addImage(upstream.content, 'upstream.test/shop/web:v1', ['base', 'first'])
    await pullAsContainerd(mirror, WEB, V1)
    const second = addImage(upstream.content, 'upstream.test/shop/web:v1', ['base', 'second'])
    assert.equal((await store.statManifest(WEB, V1))?.digest, second.digest)
    upstream.content.repository(WEB).tags.set(V1, first.digest)
    assert.equal((await store.statManifest(WEB, V1))?.digest, first.digest)
    await pullDigest(store, WEB, second.digest)
    cut()
    assert.equal((await store.statManifest(WEB, V1))?.digest, first.digest)
  })

  it('keeps a tag for the platform that was pulled whole although another one was only begun, and gives up nothing whole for that', async () => {
    const {upstream, store} = await open()
    const {index, children} = addIndex(upstream.content, 'upstream.test/shop/web:v1', ['amd64', 'arm64'])
    const [amd64, arm64] = children
    assert.ok(amd64 && arm64)
    await store.readManifest(WEB, V1)
    await store.readManifest(WEB, arm64.digest)
    await pullDigest(store, WEB, amd64.digest)
    const healthy = upstream.before
    cut()
    assert.equal((await store.readManifest(WEB, V1))?.digest, index.digest)
    upstream.before = healthy
    mirror.laterMs += 60_000
    const {index: newer, children: later} = addIndex(upstream.content, 'upstream.test/shop/web:v1', ['s390x', 'ppc64le'])
    const [s390x, ppc64le] = later
    assert.ok(s390x && ppc64le)
    assert.equal((await store.readManifest(WEB, V1))?.digest, newer.digest)
    await store.readManifest(WEB, ppc64le.digest)
    await pullDigest(store, WEB, s390x.digest)
    cut()
    assert.equal((await store.readManifest(WEB, V1))?.digest, index.digest)
  })

  describe('completing images', () => {
    it('fetches the layers that a client had already, of its platform only, and counts no pull', async () => {
      const {upstream, store} = await open({completionDelayMs: 0})
      const {index, children} = addIndex(upstream.content, 'upstream.test/shop/web:v1', ['amd64', 'arm64'])
      const amd64 = children[0]
      assert.ok(amd64)
      await store.readManifest(WEB, V1)
      await store.readManifest(WEB, amd64.digest)
      await until(() => mirror.events.some(({type}) => type === 'completed'))
      const asked = upstream.takeAsked()
      assert.equal(asked.filter((line) => line.startsWith('read-manifest')).length, 2)
      assert.equal(asked.filter((line) => line.startsWith('read-blob')).length, requiredBlobs(parseManifest(amd64)).length)
      cut()
      assert.equal(await pullAsContainerd(mirror, WEB, V1), index.digest)
    })

    it('goes on after a restart, and after the upstream was gone', async () => {
      const {upstream, store} = await open({completionDelayMs: 200})
      const image = addImage(upstream.content, 'upstream.test/shop/web:v1', ['base', 'app'])
      await store.readManifest(WEB, V1)
      const healthy = upstream.before
      cut()
      await mirror.restart()
      await until(() => upstream.asked.some(({what}) => what === 'read-blob'))
      upstream.before = healthy
      await until(() => mirror.events.some(({type}) => type === 'completed'))
      cut()
      assert.equal(await pullAsContainerd(mirror, WEB, V1), image.digest)
    })

    it('waits for clients, and for a quota of which a fifth is left', async () => {
      const {upstream, store} = await open({completionDelayMs: 50})
      addImage(upstream.content, 'upstream.test/shop/web:v1', ['base', 'app'])
      const other = addImage(upstream.content, 'upstream.test/shop/api:v1', ['other'])
      const API = parseRepositoryName('shop/api')
      const [held] = requiredBlobs(parseManifest(other))
      assert.ok(held)
      const {promise, resolve} = Promise.withResolvers<void>()
      upstream.before = ({what, reference}) => (what === 'read-blob' && reference === held.digest ? promise : undefined)
      upstream.rateLimit = {limit: 100, remaining: 19}
      await store.readManifest(WEB, V1)
      const client = readBlobBytes(store, API, held, MIB)
      const blobsOfWeb = () => upstream.asked.filter(({what, repository}) => what === 'read-blob' && repository === WEB).length
      await new Promise((done) => setTimeout(done, 400))
      assert.equal(blobsOfWeb(), 0)
      resolve()
      await client
      await new Promise((done) => setTimeout(done, 400))
      assert.equal(blobsOfWeb(), 0, 'the quota is for clients')
      upstream.rateLimit = {limit: 100, remaining: 21}
      await until(() => mirror.events.some(({type}) => type === 'completed'))
    })

    it('does not happen when it is not wanted', async () => {
      const {upstream, store} = await open()
      addImage(upstream.content, 'upstream.test/shop/web:v1', ['base'])
      await store.readManifest(WEB, V1)
      await mirror.restart()
      await new Promise((done) => setTimeout(done, 300))
      assert.deepEqual(
        upstream.takeAsked().filter((line) => line.startsWith('read-blob')),
        [],
      )
    })
  })

  describe('faults of the upstream', () => {
    const names = Array.from({length: 6}, (_, index) => parseRepositoryName(`shop/r${index}`))
    const seed = (): void => {
      for (const name of names) addImage(mirror.upstream.content, `upstream.test/${name}:v1`, [`layer of ${name}`])
    }
    const pullAll = async (some: readonly RepositoryName[]): Promise<void> => {
      for (const name of some) await pullAsContainerd(mirror, name, V1)
    }

    for (const [name, fault] of [
      ['answers 500', () => answered(500)],
      ['answers 503 and wants to be left alone for an hour', () => answered(503, {retryAfterMs: 3_600_000})],
      ['breaks its connections', () => new HoldfastError('NETWORK', 'the connection broke')],
      ['never ends', () => new HoldfastError('TIMEOUT', 'no answer in 60 s')],
      ['sends truncated blobs', () => new HoldfastError('INTEGRITY', 'it ends after 5 of 10 bytes')],
    ] as const)
      it(`stop no other repository when one ${name}`, async () => {
        const {upstream} = await open()
        seed()
        upstream.before = ({repository}) => {
          if (repository === names[0]) throw fault()
        }
        const [bad, ...others] = names
        assert.ok(bad)
        for (let tries = 0; tries < 10; tries++) await assert.rejects(mirror.store.readManifest(bad, V1))
        await pullAll(others)
      })

    it('stop all requests when no connection can be made, and one finds out when it is back', async () => {
      const {upstream, store} = await open()
      seed()
      cut()
      const [one, other, third] = names
      assert.ok(one && other && third)
      await assert.rejects(store.statManifest(one, V1), UpstreamUnavailableError)
      for (const name of names) await assert.rejects(store.statManifest(name, V1))
      assert.equal(upstream.takeAsked().length, 1)
      mirror.laterMs += 11_000
      const held = Promise.withResolvers<void>()
      upstream.before = () => held.promise
      const probe = store.statManifest(one, V1)
      await until(() => upstream.asked.length === 1)
      await assert.rejects(store.statManifest(other, V1), UpstreamUnavailableError)
      held.resolve()
      await probe
      await pullAll(names)
    })

    it('stop all requests when three repositories fail and nothing is answered in between', async () => {
      const {upstream, store} = await open()
      seed()
      const failing = new Set<RepositoryName>(names.slice(0, 3))
      upstream.before = ({repository}) => {
        if (failing.has(repository)) throw answered(500)
      }
      const [a, b, c, healthy] = names
      assert.ok(a && b && c && healthy)
      for (const name of [a, b]) await assert.rejects(store.statManifest(name, V1))
      await store.statManifest(healthy, V1)
      await assert.rejects(store.statManifest(c, V1))
      await store.statManifest(healthy, V1)
      for (const name of [a, b, c]) await assert.rejects(store.statManifest(name, V1))
      await assert.rejects(store.statManifest(healthy, V1), UpstreamUnavailableError)
      mirror.laterMs += 11_000
      await store.statManifest(healthy, V1)
    })

    it('stop manifests alone when one is answered with 429, until a minute is over or the quota is back', async () => {
      const {upstream, store} = await open()
      seed()
      let isLimited = true
      upstream.before = ({what}) => {
        if (what === 'read-manifest' && isLimited) throw answered(429, {retryAfterMs: 3_600_000})
      }
      const [a, b, c] = names
      assert.ok(a && b && c)
      await assert.rejects(store.readManifest(a, V1), (error) => {
        assert.ok(error instanceof UpstreamUnavailableError && error.isRateLimited)
        assert.equal(error.retryAfterSeconds, 3600)
        return true
      })
      await assert.rejects(store.readManifest(b, V1))
      assert.equal(upstream.takeAsked().filter((line) => line.startsWith('read-manifest')).length, 1)
      const image = await upstream.content.readManifest(b, V1)
      assert.ok(image)
      const [blob] = requiredBlobs(parseManifest(image))
      assert.ok(blob)
      assert.equal((await store.statManifest(c, V1))?.digest, (await upstream.content.statManifest(c, V1))?.digest)
      await readBlobBytes(store, b, blob, MIB)
      upstream.takeAsked()
      mirror.laterMs += 60_000
      await assert.rejects(store.readManifest(a, V1))
      assert.equal(upstream.takeAsked().filter((line) => line.startsWith('read-manifest')).length, 1)
      isLimited = false
      await assert.rejects(store.readManifest(a, V1))
      upstream.rateLimit = {limit: 100, remaining: 1}
      await store.statManifest(c, V1)
      await pullAll(names)
    })

    it('hold back what is cached for a few seconds once, and other tags not at all', async () => {
      const {upstream, store} = await open()
      seed()
      await pullAll(names)
      const [hung, ...others] = names
      assert.ok(hung)
      const {promise, resolve} = Promise.withResolvers<void>()
      upstream.before = ({repository}) => (repository === hung ? promise : undefined)
      const stale = await store.statManifest(hung, V1)
      assert.ok(stale && store.warningOf(stale))
      const startedAt = performance.now()
      assert.ok(await store.statManifest(hung, V1))
      assert.ok(performance.now() - startedAt < 2_000, 'it waits again for the question that hangs')
      for (const name of others) {
        const found = await store.statManifest(name, V1)
        assert.ok(found)
        assert.equal(store.warningOf(found), undefined)
      }
      resolve()
    })

    const forgeries: readonly (readonly [string, (raw: RawManifest) => RawManifest])[] = [
      ['an empty object', ({mediaType}) => createRawManifest(mediaType, Buffer.from('{}'))],
      ['nothing', ({mediaType}) => createRawManifest(mediaType, Buffer.alloc(0))],
      ['half of it', ({mediaType, bytes}) => createRawManifest(mediaType, bytes.subarray(0, bytes.length / 2))],
      ['a web page', () => createRawManifest('text/html', Buffer.from('<html>log in</html>'))],
      ['an object of another kind', () => createRawManifest('application/json', Buffer.from('{"error":"log in"}'))],
    ]
    for (const [name, forge] of forgeries)
      it(`are no manifest: ${name} with status 200 is neither passed on nor kept, and what is cached is served with a warning`, async () => {
        const {upstream, store} = await open()
        const first = addImage(upstream.content, 'upstream.test/shop/web:v1', ['first'])
        await pullAsContainerd(mirror, WEB, V1)
        const real = upstream.content.readManifest.bind(upstream.content)
        const second = addImage(upstream.content, 'upstream.test/shop/web:v1', ['second'])
        const forged = forge(second)
        // Its digest is that of what comes, as where the registry is asked by tag.
        upstream.content.statManifest = async () => ({mediaType: forged.mediaType, digest: forged.digest, size: forged.bytes.length})
        upstream.content.readManifest = async () => forged
        if (!forged.mediaType.includes('manifest')) {
          const looked = await store.statManifest(WEB, V1)
          assert.equal(looked?.digest, first.digest)
          assert.match(store.warningOf(looked) ?? '', /^110 /)
        }
        const answer = await store.readManifest(WEB, V1)
        assert.equal(answer?.digest, first.digest)
        assert.match(store.warningOf(answer) ?? '', /^110 /)
        await assert.rejects(store.readManifest(parseRepositoryName('shop/new'), V1), UpstreamUnavailableError)
        upstream.content.readManifest = real
        cut()
        assert.equal((await store.readManifest(WEB, V1))?.digest, first.digest)
        await assert.rejects(store.readManifest(WEB, forged.digest))
      })
  })

  if (kind === 'a disk')
    describe('damage on the disk', () => {
      const fileOf = (digest: Digest): string => blobFile(mirror.root, digest)
      const large = Buffer.alloc(17 * MIB, 'large')
      const layers = ['small layer', large]
      const damages: readonly (readonly [string, (path: string) => Promise<void>])[] = [
        ['zeroed', async (path) => writeFile(path, Buffer.alloc((await stat(path)).size))],
        ['truncated', async (path) => truncate(path, (await stat(path)).size - 1)],
        ['emptied', (path) => truncate(path, 0)],
      ]
      const damaged = (): number => mirror.events.filter(({type}) => type === 'damaged').length
      /** Clients have all bytes a moment before the disk has; and what changes within a tick of the file system's clock has the same time as before. */
      const isFilled = async (count: number): Promise<void> => {
        await until(() => mirror.events.filter(({type}) => type === 'filled').length >= count)
        await sleep(TICK_MS)
      }

      for (const [name, damage] of damages)
        it(`is never served as it is: what was ${name}, while the mirror ran or before it started, is fetched again and counted`, async () => {
          const {upstream} = await open()
          const image = addImage(upstream.content, 'upstream.test/shop/web:v1', layers)
          await pullAsContainerd(mirror, WEB, V1)
          const digests = [image.digest, ...requiredBlobs(parseManifest(image)).map(({digest}) => digest)]
          await isFilled(digests.length - 1)
          for (const [round, restarts] of [false, true].entries()) {
            for (const digest of digests) await damage(fileOf(digest))
            if (restarts) await mirror.restart()
            // A large layer is cut off before its end, and the client asks again.
            await pullAsContainerd(mirror, WEB, V1).catch((error: unknown) => assert.ok(hasCode(error, 'INTEGRITY'), String(error)))
            await until(() => damaged() >= digests.length * (round + 1))
            await pullAsContainerd(mirror, WEB, V1)
            await isFilled((digests.length - 1) * (round + 2))
          }
          await mirror.restart()
          cut()
          assert.equal(await pullAsContainerd(mirror, WEB, V1), image.digest)
          const kept = await readdir(join(mirror.root, 'docker/registry/v2/_holdfast/tmp'))
          assert.equal(kept.filter((file) => file.endsWith('-damaged')).length, 2 * digests.length)
        })

      it('is fetched again once an upstream that was gone is back, though no client asks', async () => {
        const {upstream, store} = await open({healWaitMs: 20})
        const image = addImage(upstream.content, 'upstream.test/shop/web:v1', layers)
        await pullAsContainerd(mirror, WEB, V1)
        const [blob] = requiredBlobs(parseManifest(image))
        assert.ok(blob)
        await isFilled(requiredBlobs(parseManifest(image)).length)
        await writeFile(fileOf(blob.digest), Buffer.alloc(blob.size))
        cut()
        await assert.rejects(readBlobBytes(store, WEB, blob, MIB))
        await sleep(TICK_MS)
        assert.equal(await stat(fileOf(blob.digest)).catch(() => undefined), undefined)
        mirror.upstream.before = () => {}
        // The pause of the upstream is over.
        mirror.laterMs += 60_000
        await until(async () => (await stat(fileOf(blob.digest)).catch(() => undefined)) !== undefined)
      })

      it('is found by a slow walk and mended while the upstream is there, though no client asks', async () => {
        const {upstream} = await open({pace: {pauseMs: 50, bytesPerSecond: 1e9}})
        const image = addImage(upstream.content, 'upstream.test/shop/web:v1', layers)
        await pullAsContainerd(mirror, WEB, V1)
        const blobs = requiredBlobs(parseManifest(image))
        await isFilled(blobs.length)
        for (const {digest, size} of blobs) await writeFile(fileOf(digest), Buffer.alloc(size))
        await until(() => damaged() >= blobs.length)
        await until(async () =>
          (await Promise.all(blobs.map(({digest}) => stat(fileOf(digest)).catch(() => undefined)))).every((found) => found !== undefined),
        )
        cut()
        assert.equal(await pullAsContainerd(mirror, WEB, V1), image.digest)
      })
    })

  if (kind === 'a registry')
    it('passes on nothing that is damaged in the registry, and serves what the upstream has instead', async () => {
      const {upstream} = await open()
      const image = addImage(upstream.content, 'upstream.test/shop/web:v1', ['base', Buffer.alloc(3 * MIB, 'large')])
      await pullAsContainerd(mirror, WEB, V1)
      const parts = requiredBlobs(parseManifest(image))
      await until(() => mirror.events.filter(({type}) => type === 'filled').length === parts.length)
      await mirror.restart()
      for (const {digest, size} of parts) await writeFile(blobFile(mirror.registryRoot, digest), Buffer.alloc(size))
      // The first client of each blob is cut off.
      for (const blob of parts)
        await readBlobBytes(mirror.store, WEB, blob, 100 * MIB).catch((error: unknown) => assert.ok(hasCode(error, 'INTEGRITY')))
      assert.equal(mirror.events.filter(({type}) => type === 'damaged').length, parts.length)
      assert.equal(await pullAsContainerd(mirror, WEB, V1), image.digest)
    })
}

/** Where the bytes of a blob are below the folder of a registry. */
function blobFile(root: string, digest: Digest): string {
  const hex = digest.replace('sha256:', '')
  return join(root, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data')
}
