import assert from 'node:assert/strict'
import {randomBytes} from 'node:crypto'
import {once} from 'node:events'
import {type AddressInfo, connect, createServer} from 'node:net'
import {CollectingSink, readBlobBytes} from '../../../src/lib/content/read-bytes.ts'
import {proveSelfMount} from '../../../src/lib/content/remote/self-mount.ts'
import {RegistrySession} from '../../../src/lib/content/remote/session.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {createWireClient} from '../../../src/lib/http/wire/client.ts'
import {type Digest, digestOf} from '../../../src/lib/oci/digest.ts'
import {createRawManifest, type RawManifest} from '../../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'
import type {RegistryHost, RepositoryName, Tag} from '../../../src/lib/oci/reference.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {type DockerRegistry, startDockerRegistry} from '../../support/docker-registry.ts'
import {needs} from '../../support/required-program.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {startTokenServer, type TokenServer} from '../../support/token-server.ts'
import {OTHER, REPOSITORY, sourceOf, storeFor, TAG} from './scripted-registry.ts'

const CONFIG = Buffer.from('{"architecture":"amd64","os":"linux"}')
const LAYER = randomBytes(3 * 1024 * 1024 + 17)
const blobOf = (bytes: Uint8Array) => ({digest: digestOf(bytes), size: bytes.length})

function imageOf(subject?: RawManifest): RawManifest {
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: {mediaType: MEDIA_TYPE.ociConfig, ...blobOf(CONFIG)},
    layers: [{mediaType: 'application/vnd.oci.image.layer.v1.tar', ...blobOf(LAYER)}],
    ...(subject === undefined
      ? {}
      : {
          artifactType: 'application/vnd.example.sbom',
          subject: {mediaType: subject.mediaType, digest: subject.digest, size: subject.bytes.length},
        }),
  }
  return createRawManifest(MEDIA_TYPE.ociManifest, Buffer.from(JSON.stringify(manifest)))
}

async function collect<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

describe('the remote store against docker-registry', () => {
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  let registry: DockerRegistry
  let remote: ReturnType<typeof storeFor>
  const image = imageOf()

  before(async () => {
    registry = await startDockerRegistry()
    afterwards(registry.stop)
    remote = storeFor(registry.host)
    afterwards(remote.close)
  })

  it('uploads a blob once, and then finds it', async () => {
    const {store} = remote
    assert.equal(await store.statBlob(REPOSITORY, digestOf(LAYER)), undefined)
    assert.equal(await store.writeBlob(REPOSITORY, blobOf(LAYER), sourceOf(LAYER).source), 'uploaded')
    assert.equal(await store.writeBlob(REPOSITORY, blobOf(LAYER), sourceOf(LAYER).source), 'present')
    assert.equal(await store.statBlob(REPOSITORY, digestOf(LAYER)), LAYER.length)
    assert.equal(await store.writeBlob(REPOSITORY, blobOf(CONFIG), sourceOf(CONFIG).source), 'uploaded')
  })

  it('reads the blob back, whole and in part', async () => {
    const {store} = remote
    assert.ok((await readBlobBytes(store, REPOSITORY, blobOf(LAYER), 2 ** 30)).equals(LAYER))
    const sink = new CollectingSink()
    await store.readBlob(REPOSITORY, blobOf(LAYER), sink, {range: {start: 1000, end: 70_000}})
    assert.ok(sink.bytes().equals(LAYER.subarray(1000, 70_001)))
  })

  it('puts an empty blob', async () => {
    const empty = new Uint8Array(0)
    assert.equal(await remote.store.writeBlob(REPOSITORY, blobOf(empty), sourceOf(empty).source), 'uploaded')
    assert.equal(await remote.store.statBlob(REPOSITORY, digestOf(empty)), 0)
  })

  it('mounts from another repository without a byte', async () => {
    const {source, starts} = sourceOf(LAYER)
    assert.equal(await remote.store.writeBlob(OTHER, blobOf(LAYER), source, {mountFrom: REPOSITORY}), 'mounted')
    assert.deepEqual(starts, [])
  })

  it('uploads in the session that a refused mount left, in one POST and one PUT', async () => {
    const bytes = randomBytes(1000)
    await registry.forgetAccessLog()
    assert.equal(await remote.store.writeBlob(OTHER, blobOf(bytes), sourceOf(bytes).source, {mountFrom: REPOSITORY}), 'uploaded')
    assert.deepEqual(
      (await registry.accessLog()).map(({method, status}) => [method, status]),
      [
        ['POST', 202],
        ['PUT', 201],
      ],
    )
  })

  it('takes one request for a blob that is there, once mounting from itself is proven', async () => {
    const http = createWireClient()
    afterwards(() => http.close())
    const endpoint = {registry: registry.host as RegistryHost, plainHttp: 'always' as const, tls: {}, capabilities: {}}
    assert.equal(await proveSelfMount(new RegistrySession({endpoint, http}), 'holdfast-check' as RepositoryName), true)
    const proven = storeFor(registry.host, {}, {capabilities: {mountsFromItself: true}})
    afterwards(proven.close)
    await registry.forgetAccessLog()
    assert.equal(await proven.store.writeBlob(REPOSITORY, blobOf(LAYER), sourceOf(LAYER).source), 'present')
    assert.deepEqual(
      (await registry.accessLog()).map(({method, status}) => [method, status]),
      [['POST', 201]],
    )
  })

  it('writes a manifest and reads it back bit for bit', async () => {
    const {store} = remote
    await store.writeManifest(REPOSITORY, TAG, image)
    const read = await store.readManifest(REPOSITORY, TAG)
    assert.deepEqual(
      [read?.digest, read?.mediaType, Buffer.from(read?.bytes ?? []).equals(image.bytes)],
      [image.digest, image.mediaType, true],
    )
    assert.deepEqual(await store.statManifest(REPOSITORY, image.digest), {
      digest: image.digest,
      mediaType: image.mediaType,
      size: image.bytes.length,
    })
    assert.equal(await store.readManifest(REPOSITORY, 'absent' as Tag), undefined)
    assert.equal(await store.statManifest('no/such' as RepositoryName, TAG), undefined)
  })

  it('says BLOB_NOT_FOUND when a manifest comes before its blobs', async () => {
    await assert.rejects(remote.store.writeManifest('empty/one' as RepositoryName, TAG, image), (error) => hasCode(error, 'BLOB_NOT_FOUND'))
  })

  it('keeps referrers in the fallback tag, each once, also when they are written at the same time', async () => {
    const {store} = remote
    const first = imageOf(image)
    const second = createRawManifest(MEDIA_TYPE.ociManifest, Buffer.from(`${Buffer.from(first.bytes).toString()}\n`))
    await Promise.all([first, second].map((raw) => store.writeManifest(REPOSITORY, raw.digest, raw)))
    await store.writeManifest(REPOSITORY, first.digest, first)
    const referrers = await store.listReferrers(REPOSITORY, image.digest)
    assert.deepEqual(referrers.map(({digest}) => digest).sort(), [first.digest, second.digest].sort())
    assert.equal(referrers[0]?.artifactType, 'application/vnd.example.sbom')
    assert.deepEqual(await store.listReferrers(REPOSITORY, first.digest), [])
  })

  it('lists tags and repositories', async () => {
    const {store} = remote
    for (const tag of ['a', 'b', 'c']) await store.writeManifest(REPOSITORY, tag as Tag, image)
    const tags = (await collect(store.listTags(REPOSITORY))).filter((tag) => !tag.startsWith('sha256-'))
    assert.deepEqual(tags.sort(), ['a', 'b', 'c', 'v1'])
    assert.deepEqual(await collect(store.listTags(REPOSITORY, {limit: 1})), ['a'])
    assert.deepEqual((await collect(store.listTags(REPOSITORY, {last: 'b'}))).includes('a' as Tag), false)
    assert.ok((await collect(store.listRepositories())).includes(OTHER))
    await assert.rejects(collect(store.listTags('no/such' as RepositoryName)), (error) => hasCode(error, 'REPOSITORY_NOT_FOUND'))
  })

  it('says that this registry deletes no tag by its name, and leaves it', async () => {
    await assert.rejects(remote.store.deleteTag(REPOSITORY, TAG), (error) => hasCode(error, 'UNSUPPORTED'))
    assert.equal((await remote.store.statManifest(REPOSITORY, TAG))?.digest, image.digest)
  })

  it('deletes a manifest and a blob, and says when there was none', async () => {
    const {store} = remote
    const doomed = createRawManifest(MEDIA_TYPE.ociManifest, Buffer.from(`${Buffer.from(image.bytes).toString()}   `))
    await store.writeManifest(REPOSITORY, doomed.digest, doomed)
    assert.equal(await store.deleteManifest(REPOSITORY, doomed.digest), true)
    assert.equal(await store.deleteManifest(REPOSITORY, doomed.digest), false)
    assert.equal(await store.readManifest(REPOSITORY, doomed.digest), undefined)
    assert.equal(await store.deleteBlob(OTHER, digestOf(LAYER)), true)
    assert.equal(await store.deleteBlob(OTHER, digestOf(LAYER)), false)
  })

  it('leaves nothing when the bytes are not the blob, whoever notices', async () => {
    const claimed = randomBytes(200_000)
    const actual = randomBytes(200_000)
    const trusting = storeFor(registry.host, {}, {capabilities: {refusesWrongDigest: true}})
    afterwards(trusting.close)
    for (const {store} of [remote, trusting]) {
      await assert.rejects(store.writeBlob(REPOSITORY, blobOf(claimed), sourceOf(actual).source), (error) => {
        assert.ok(hasCode(error, 'INTEGRITY'))
        assert.deepEqual([error.details.expected, error.details.actual], [digestOf(claimed), digestOf(actual)])
        return true
      })
      assert.equal(await store.statBlob(REPOSITORY, digestOf(claimed)), undefined)
    }
  })

  it('finds out by itself that a loopback registry speaks plain HTTP', async () => {
    const unknown = storeFor(registry.host, {}, {plainHttp: 'fallback'})
    afterwards(unknown.close)
    assert.equal((await unknown.store.statManifest(REPOSITORY, TAG))?.digest, image.digest)
  })

  it('finds out that a loopback registry speaks plain HTTP, too, when it breaks off on a TLS hello', async () => {
    const relay = createServer((client) => {
      client.on('error', () => {})
      client.once('data', (first) => {
        // The first byte of a TLS record that begins a handshake.
        if (first[0] === 0x16) return void client.destroy()
        const {hostname, port} = new URL(registry.url)
        const server = connect({host: hostname, port: Number(port)}).on('error', () => client.destroy())
        server.write(first)
        client.pipe(server).pipe(client)
      })
    })
    relay.listen(0, '127.0.0.1')
    await once(relay, 'listening')
    afterwards(() => void relay.close())
    const unknown = storeFor(`127.0.0.1:${(relay.address() as AddressInfo).port}`, {}, {plainHttp: 'fallback'})
    afterwards(unknown.close)
    assert.equal((await unknown.store.statManifest(REPOSITORY, TAG))?.digest, image.digest)
  })

  it('never tries plain HTTP where TLS is asked for', async () => {
    const strict = storeFor(registry.host, {}, {plainHttp: 'never'})
    afterwards(strict.close)
    await assert.rejects(strict.store.statManifest(REPOSITORY, TAG), (error) => hasCode(error, 'PLAIN_HTTP'))
  })
})

describe('the remote store against docker-registry with htpasswd', () => {
  needs('docker-registry', 'htpasswd')
  const afterwards = cleanUpAfterwards()
  let registry: DockerRegistry

  before(async () => {
    registry = await startDockerRegistry({htpasswd: {username: 'alice', password: 'pw-canary'}})
    afterwards(registry.stop)
  })

  it('gets in with the right password and says what is wrong without one', async () => {
    const open = (password?: string) => {
      const remote = storeFor(registry.host, {
        credentials: async () => (password === undefined ? undefined : {kind: 'basic', username: 'alice', password}),
      })
      afterwards(remote.close)
      return remote.store
    }
    assert.equal(await open('pw-canary').writeBlob(REPOSITORY, blobOf(CONFIG), sourceOf(CONFIG).source), 'uploaded')
    for (const [password, expected] of [
      [undefined, /no credentials/],
      ['wrong-canary', /are refused/],
    ] as const)
      await assert.rejects(open(password).statBlob(REPOSITORY, digestOf(CONFIG)), (error) => {
        assert.ok(hasCode(error, 'UNAUTHENTICATED'))
        assert.match(error.message, expected)
        assert.ok(error.hints.includes(`docker login ${registry.host}`))
        assert.ok(!JSON.stringify([error.message, error.hints, error.details]).includes('canary'))
        return true
      })
  })
})

describe('the remote store against docker-registry with tokens', () => {
  needs('docker-registry', 'openssl')
  const afterwards = cleanUpAfterwards()
  let registry: DockerRegistry
  let tokens: TokenServer

  before(async () => {
    const directory = await createTemporaryDirectory('tokens')
    afterwards(directory.remove)
    tokens = await startTokenServer({
      directory: directory.path,
      users: {alice: 'pw', reader: 'pw'},
      allow: (user, _repository, actions) =>
        user === 'alice' ? actions : user === 'reader' ? actions.filter((action) => action === 'pull') : [],
    })
    afterwards(tokens.stop)
    registry = await startDockerRegistry({token: tokens.registryOptions})
    afterwards(registry.stop)
  })

  const open = (username?: string) => {
    const remote = storeFor(registry.host, {
      credentials: async () => (username === undefined ? undefined : {kind: 'basic', username, password: 'pw'}),
    })
    afterwards(remote.close)
    return remote.store
  }

  it('asks for one token however many requests want it at once, and for the repository that is mounted from', async () => {
    const alice = open('alice')
    assert.equal(await alice.writeBlob(REPOSITORY, blobOf(LAYER), sourceOf(LAYER).source), 'uploaded')
    const before = tokens.requests.length
    const digests: readonly Digest[] = Array.from({length: 8}, () => digestOf(randomBytes(8)))
    await Promise.all(digests.map((digest) => alice.statBlob(OTHER, digest)))
    assert.equal(tokens.requests.length - before, 1)
    assert.equal(await alice.writeBlob(OTHER, blobOf(LAYER), sourceOf(LAYER).source, {mountFrom: REPOSITORY}), 'mounted')
    assert.deepEqual(tokens.requests.at(-1)?.scopes, [`repository:${REPOSITORY}:pull`, `repository:${OTHER}:pull,push`].sort())
  })

  it('tells who may not from who is not known', async () => {
    const push = (user?: string) => open(user).writeBlob(REPOSITORY, blobOf(CONFIG), sourceOf(CONFIG).source)
    await assert.rejects(push('reader'), (error) => hasCode(error, 'DENIED') && /may not do this/.test(error.message))
    await assert.rejects(push(), (error) => hasCode(error, 'UNAUTHENTICATED') && /no credentials/.test(error.message))
    await assert.rejects(push('mallory'), (error) => hasCode(error, 'UNAUTHENTICATED') && /token/.test(error.message))
    assert.equal(await open('reader').statBlob(REPOSITORY, digestOf(LAYER)), LAYER.length)
  })

  it('deletes and lists with the scopes that the registry names', async () => {
    const alice = open('alice')
    assert.equal(await alice.deleteBlob(REPOSITORY, digestOf(LAYER)), true)
    assert.deepEqual(await collect(alice.listRepositories()), [OTHER, REPOSITORY].sort())
  })
})
