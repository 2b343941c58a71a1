import assert from 'node:assert/strict'
import {readBlobBytes} from '../../../src/lib/content/read-bytes.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {type Digest, digestOf} from '../../../src/lib/oci/digest.ts'
import {createRawManifest, type RawManifest} from '../../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {startDockerRegistry} from '../../support/docker-registry.ts'
import {needs} from '../../support/required-program.ts'
import {
  type Answer,
  OTHER,
  REPOSITORY,
  reply,
  type ScriptedRegistry,
  sourceOf,
  startScriptedRegistry,
  storeFor,
  TAG,
} from './scripted-registry.ts'

const CONFIG = Buffer.from('{"architecture":"amd64","os":"linux"}')
const BLOB = {digest: digestOf(CONFIG), size: CONFIG.length}
const PAGE = '<!doctype html><title>Sign in to go on</title>'
const codes =
  (...expected: Parameters<typeof hasCode> extends [unknown, ...infer Codes] ? Codes : never) =>
  (error: unknown) =>
    hasCode(error, ...expected)

function manifestOf(algorithm: 'sha256' | 'sha512' = 'sha256', config: {digest: Digest; size: number} = BLOB): RawManifest {
  const json = {schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config: {mediaType: MEDIA_TYPE.ociConfig, ...config}, layers: []}
  return createRawManifest(MEDIA_TYPE.ociManifest, Buffer.from(JSON.stringify(json)), algorithm)
}

const MANIFEST = manifestOf()
const headersOf = (digest: string) => ({'content-type': MEDIA_TYPE.ociManifest, 'docker-content-digest': digest})

describe('the remote store believes only what a registry confirms', () => {
  const afterwards = cleanUpAfterwards()
  const start = async (answer: Answer): Promise<ScriptedRegistry> => {
    const registry = await startScriptedRegistry(answer)
    afterwards(registry.close)
    return registry
  }
  const open = (registry: {readonly host: string}) => {
    const opened = storeFor(registry.host)
    afterwards(opened.close)
    return opened.store
  }
  /** Answers a HEAD of a manifest with the head of `raw`, or 404. */
  const show = (response: Parameters<Answer>[1], raw: RawManifest | undefined): void => {
    if (raw === undefined) reply(response, 404)
    else response.writeHead(200, {...headersOf(raw.digest), 'content-length': raw.bytes.length}).end()
  }

  describe('about a manifest', () => {
    it('after a 201 that names its digest, with no further request', async () => {
      const registry = await start((_seen, response) => reply(response, 201, headersOf(MANIFEST.digest)))
      await open(registry).writeManifest(REPOSITORY, TAG, MANIFEST)
      assert.deepEqual(registry.lines(), [`PUT /v2/${REPOSITORY}/manifests/${TAG}`])
    })

    it('after another success once HEAD shows the digest', async () => {
      const registry = await start(({method}, response) => (method === 'PUT' ? reply(response, 201) : show(response, MANIFEST)))
      await open(registry).writeManifest(REPOSITORY, TAG, MANIFEST)
      assert.deepEqual(registry.lines(), [`PUT /v2/${REPOSITORY}/manifests/${TAG}`, `HEAD /v2/${REPOSITORY}/manifests/${TAG}`])
    })

    for (const status of [200, 202, 204])
      it(`and takes the ${status} of a proxy that passed nothing on for a failure`, async () => {
        const registry = await start(({method}, response) => reply(response, method === 'PUT' ? status : 404))
        await assert.rejects(open(registry).writeManifest(REPOSITORY, TAG, MANIFEST), codes('UNSUPPORTED'))
      })

    it('and takes a page with 200 for every request for a failure', async () => {
      const registry = await start((_seen, response) => reply(response, 200, {'content-type': 'text/html'}, PAGE))
      await assert.rejects(open(registry).writeManifest(REPOSITORY, TAG, MANIFEST), codes('UNSUPPORTED'))
      await assert.rejects(open(registry).writeManifest(REPOSITORY, MANIFEST.digest, MANIFEST), codes('UNSUPPORTED'))
    })

    it('and says which manifest the tag still names', async () => {
      const before = manifestOf('sha256', {...BLOB, size: BLOB.size + 1})
      const registry = await start(({method}, response) => (method === 'PUT' ? reply(response, 200) : show(response, before)))
      await assert.rejects(
        open(registry).writeManifest(REPOSITORY, TAG, MANIFEST),
        (error) => hasCode(error, 'CONFLICT') && error.message.includes(before.digest),
      )
    })

    it('and gives a replica that is behind time to catch up', async () => {
      let looks = 0
      const registry = await start(({method}, response) =>
        method === 'PUT'
          ? reply(response, 201)
          : method === 'HEAD'
            ? show(response, ++looks < 3 ? undefined : MANIFEST)
            : reply(response, 404),
      )
      await open(registry).writeManifest(REPOSITORY, TAG, MANIFEST)
      assert.equal(looks, 3)
    })
  })

  describe('about a sha512 digest', () => {
    const raw = manifestOf('sha512')
    const sha256 = digestOf(raw.bytes)

    it('and writes by digest first, and the tag in the same request where the registry can', async () => {
      const registry = await start((_seen, response) => reply(response, 201, {...headersOf(raw.digest), 'oci-tag': TAG}))
      await open(registry).writeManifest(REPOSITORY, TAG, raw)
      assert.deepEqual(registry.lines(), [`PUT /v2/${REPOSITORY}/manifests/${raw.digest}?tag=${TAG}`])
    })

    it('and writes the tag after the digest where it must', async () => {
      const registry = await start(({method, url}, response) => {
        const isByDigest = url.includes(raw.digest)
        if (method === 'PUT') return reply(response, 201, headersOf(isByDigest ? raw.digest : sha256))
        show(response, isByDigest ? raw : {...raw, digest: sha256})
      })
      await open(registry).writeManifest(REPOSITORY, TAG, raw)
      assert.deepEqual(
        registry.seen.filter(({method}) => method === 'PUT').map(({url}) => url),
        [`/v2/${REPOSITORY}/manifests/${raw.digest}?tag=${TAG}`, `/v2/${REPOSITORY}/manifests/${TAG}`],
      )
    })

    it('which a registry that answers 201 has under sha256 only', async () => {
      const registry = await start(({method, url}, response) => {
        if (method === 'PUT') return reply(response, 201, headersOf(sha256))
        if (url.includes(raw.digest)) return reply(response, 404)
        show(response, {...raw, digest: sha256})
      })
      await assert.rejects(open(registry).writeManifest(REPOSITORY, TAG, raw), codes('UNSUPPORTED'))
    })

    describe('at docker-registry', () => {
      needs('docker-registry')

      it('which it keeps of blobs, and cannot keep of manifests', async () => {
        const registry = await startDockerRegistry()
        afterwards(registry.stop)
        const store = open(registry)
        await store.writeBlob(REPOSITORY, BLOB, sourceOf(CONFIG).source)
        for (const reference of [TAG, raw.digest])
          await assert.rejects(store.writeManifest(REPOSITORY, reference, raw), (error) => {
            assert.ok(hasCode(error, 'UNSUPPORTED'), String(error))
            assert.match(error.message, /cannot keep sha512 digests$/)
            return true
          })
        assert.equal(await store.statManifest(REPOSITORY, TAG), undefined)
        const blob = {digest: digestOf(CONFIG, 'sha512'), size: CONFIG.length}
        assert.equal(await store.writeBlob(OTHER, blob, sourceOf(CONFIG).source), 'uploaded')
        assert.deepEqual(await readBlobBytes(store, OTHER, blob, blob.size), CONFIG)
      })
    })
  })

  describe('about a blob', () => {
    it('which a registry that answers 201 has under sha256 only', async () => {
      const blob = {digest: digestOf(CONFIG, 'sha512'), size: CONFIG.length}
      const registry = await start(({method}, response) =>
        reply(response, method === 'POST' ? 202 : method === 'PUT' ? 201 : 404, {location: '/up', 'docker-content-digest': BLOB.digest}),
      )
      await assert.rejects(
        open(registry).writeBlob(REPOSITORY, blob, sourceOf(CONFIG).source),
        (error) => hasCode(error, 'UNSUPPORTED') && error.message.endsWith('cannot keep sha512 digests'),
      )
    })

    it('of which HEAD shows another size: it is sent again', async () => {
      const registry = await start(({method}, response) => {
        if (method === 'HEAD') return void response.writeHead(200, {'content-length': PAGE.length, 'content-type': 'text/html'}).end()
        reply(response, method === 'POST' ? 202 : 201, {location: '/up'})
      })
      assert.equal(await open(registry).writeBlob(REPOSITORY, BLOB, sourceOf(CONFIG).source), 'uploaded')
    })

    for (const status of [200, 202, 204]) {
      it(`that a PUT with ${status} has not stored`, async () => {
        const registry = await start(({method}, response) =>
          reply(response, method === 'POST' ? 202 : method === 'PUT' ? status : 404, {location: '/up'}),
        )
        await assert.rejects(open(registry).writeBlob(REPOSITORY, BLOB, sourceOf(CONFIG).source), codes('UNSUPPORTED'))
      })

      it(`that a PUT with ${status} has stored`, async () => {
        let isThere = false
        const registry = await start(({method}, response) => {
          if (method === 'HEAD') return void response.writeHead(isThere ? 200 : 404, isThere ? {'content-length': BLOB.size} : {}).end()
          isThere ||= method === 'PUT'
          reply(response, method === 'POST' ? 202 : status, {location: '/up'})
        })
        assert.equal(await open(registry).writeBlob(REPOSITORY, BLOB, sourceOf(CONFIG).source), 'uploaded')
      })
    }

    it('and not an empty 201 for a mounted one', async () => {
      const registry = await start(({method, url}, response) => {
        if (url.includes('mount=')) return reply(response, 201)
        reply(response, method === 'HEAD' ? 404 : method === 'POST' ? 202 : 201, {location: '/up'})
      })
      assert.equal(await open(registry).writeBlob(REPOSITORY, BLOB, sourceOf(CONFIG).source, {mountFrom: OTHER}), 'uploaded')
    })

    it('and not a page for an upload session', async () => {
      const registry = await start(({method}, response) =>
        method === 'HEAD' ? reply(response, 404) : reply(response, 200, {'content-type': 'text/html'}, PAGE),
      )
      await assert.rejects(open(registry).writeBlob(REPOSITORY, BLOB, sourceOf(CONFIG).source), codes('UNSUPPORTED'))
    })
  })

  it('about a deletion: after 202, or once HEAD finds nothing', async () => {
    const registry = await start(({method}, response) => (method === 'DELETE' ? reply(response, 200) : show(response, MANIFEST)))
    const store = open(registry)
    await assert.rejects(store.deleteManifest(REPOSITORY, MANIFEST.digest), codes('UNSUPPORTED'))
    registry.answer = ({method}, response) => reply(response, method === 'DELETE' ? 204 : 404)
    assert.equal(await store.deleteManifest(REPOSITORY, MANIFEST.digest), true)
  })
})

describe('the remote store asks with GET what HEAD does not tell', () => {
  const afterwards = cleanUpAfterwards()
  const start = async (headStatus: number) => {
    const registry = await startScriptedRegistry(({method, url, headers}, response) => {
      if (method === 'HEAD') return reply(response, headStatus)
      if (url.includes('/blobs/'))
        return headers.range === 'bytes=0-0'
          ? reply(response, 206, {'content-range': `bytes 0-0/${BLOB.size}`}, CONFIG.subarray(0, 1))
          : reply(response, 200, {}, CONFIG)
      reply(response, 200, headersOf(MANIFEST.digest), Buffer.from(MANIFEST.bytes))
    })
    afterwards(registry.close)
    const opened = storeFor(registry.host)
    afterwards(opened.close)
    return {registry, store: opened.store}
  }

  for (const status of [404, 403, 405, 400, 501]) {
    it(`where HEAD is answered with ${status}`, async () => {
      const {registry, store} = await start(status)
      assert.equal((await store.statManifest(REPOSITORY, TAG))?.digest, MANIFEST.digest)
      assert.equal((await store.statManifest(REPOSITORY, MANIFEST.digest))?.size, MANIFEST.bytes.length)
      assert.equal(await store.statBlob(REPOSITORY, BLOB.digest), BLOB.size)
      assert.deepEqual(
        registry.seen.map(({method}) => method),
        ['HEAD', 'GET', 'HEAD', 'GET', 'HEAD', 'GET'],
      )
    })
  }

  it('and takes the size out of the head where a registry sends the whole blob', async () => {
    const registry = await startScriptedRegistry(({method}, response) => {
      if (method === 'HEAD') return reply(response, 403)
      response.writeHead(200, {'content-length': String(10_000_000_000)}).write(CONFIG)
    })
    afterwards(registry.close)
    const {store, close} = storeFor(registry.host)
    afterwards(close)
    assert.equal(await store.statBlob(REPOSITORY, BLOB.digest), 10_000_000_000)
  })

  it('but not where nothing is expected to be', async () => {
    const {registry, store} = await start(404)
    assert.equal(await store.statManifest(REPOSITORY, TAG, {isLikelyAbsent: true}), undefined)
    assert.equal(await store.statBlob(REPOSITORY, BLOB.digest, {isLikelyAbsent: true}), undefined)
    assert.equal(registry.seen.length, 2)
  })

  it('and says that it may not be read where GET is refused as well', async () => {
    const registry = await startScriptedRegistry((_seen, response) => reply(response, 403))
    afterwards(registry.close)
    const {store, close} = storeFor(registry.host)
    afterwards(close)
    await assert.rejects(store.statManifest(REPOSITORY, TAG), codes('UNAUTHENTICATED', 'DENIED'))
    await assert.rejects(store.statBlob(REPOSITORY, BLOB.digest), codes('UNAUTHENTICATED', 'DENIED'))
  })
})
