/** A mirror of a registry of which one object fails, over HTTP: all others are pulled as before. */
import assert from 'node:assert/strict'
import type {ServerResponse} from 'node:http'
import {createRemoteStore} from '../../../src/lib/content/remote/store.ts'
import type {HttpClient} from '../../../src/lib/http/client.ts'
import {createWireClient} from '../../../src/lib/http/wire/client.ts'
import type {Digest} from '../../../src/lib/oci/digest.ts'
import {parseManifest, type RawManifest, requiredBlobs} from '../../../src/lib/oci/manifest.ts'
import {parseRegistryHost, parseRepositoryName, type RepositoryName, type Tag} from '../../../src/lib/oci/reference.ts'
import {type ServedMirror, serveMirror} from '../../../src/lib/server/mirror.ts'
import {addImage} from '../../support/memory-images.ts'
import {MemoryStore} from '../../support/memory-store.ts'
import {type CachePlace, createCachePlace} from '../../support/pull-through.ts'
import {reply, type ScriptedRegistry, type Seen, startScriptedRegistry} from '../remote/scripted-registry.ts'

const REPOSITORIES = Array.from({length: 12}, (_, index) => parseRepositoryName(`shop/r${index}`))
const V1 = 'v1' as Tag

/** Answers with a failure. */
function refuse(...answer: Parameters<typeof reply>): true {
  reply(...answer)
  return true
}

describe('a mirror of a registry of which one object fails', function () {
  this.timeout(180_000)
  let content: MemoryStore
  let registry: ScriptedRegistry
  let http: HttpClient
  let place: CachePlace
  let mirror: ServedMirror
  /** Answers instead of the registry; undefined for what is answered as usual. */
  let fault: (seen: Seen, response: ServerResponse) => true | undefined

  beforeEach(async () => {
    content = new MemoryStore()
    for (const name of REPOSITORIES) addImage(content, `registry.test/${name}:v1`, [`layer of ${name}`])
    fault = () => undefined
    registry = await startScriptedRegistry((seen, response) => {
      if (fault(seen, response) !== true) answer(seen, response)
    })
    http = createWireClient()
    place = await createCachePlace('a disk')
    const endpoint = {registry: parseRegistryHost(registry.host), plainHttp: 'always', tls: {}, capabilities: {}} as const
    mirror = await serveMirror({
      host: '127.0.0.1',
      port: 0,
      rules: [],
      upstreams: [
        {
          name: 'registry.test',
          path: parseRepositoryName('registry.test'),
          store: createRemoteStore({http, endpoint, rateLimitWaitMs: 0}),
          openCache: async () => place.openCache(),
        },
      ],
    })
  })

  afterEach(async () => {
    await mirror.stop({graceMs: 0})
    await registry.close()
    http.close()
    await place.remove()
  })

  function answer({method, url}: Seen, response: ServerResponse): void {
    const [, name, kind, reference] = /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(url) ?? []
    const repository = content.repositories.get(name as RepositoryName)
    const digest = (kind === 'manifests' ? repository?.tags.get(reference as Tag) : undefined) ?? (reference as Digest)
    const raw: RawManifest | undefined = repository?.manifests.get(digest)
    const bytes = kind === 'blobs' ? repository?.blobs.get(digest) : raw?.bytes
    if (bytes === undefined) {
      reply(response, 404)
      return
    }
    const headers = {
      'content-length': String(bytes.length),
      'docker-content-digest': digest,
      ...(raw === undefined ? {} : {'content-type': raw.mediaType}),
    }
    response.writeHead(200, headers).end(method === 'HEAD' ? undefined : bytes)
  }

  const get = (path: string, init: RequestInit = {}) => fetch(`http://127.0.0.1:${mirror.address.port}/v2/${path}`, init)

  /** Pulls as containerd does; returns the first status that is not 200. */
  async function pull(name: RepositoryName): Promise<number> {
    const found = await get(`${name}/manifests/v1`, {method: 'HEAD'})
    if (found.status !== 200) return found.status
    const digest = found.headers.get('docker-content-digest') as Digest
    const manifest = await get(`${name}/manifests/${digest}`)
    if (manifest.status !== 200) return manifest.status
    const raw = {mediaType: manifest.headers.get('content-type') ?? '', digest, bytes: Buffer.from(await manifest.arrayBuffer())}
    for (const blob of requiredBlobs(parseManifest(raw))) {
      const answered = await get(`${name}/blobs/${blob.digest}`)
      if (answered.status !== 200) return answered.status
      if ((await answered.arrayBuffer().catch(() => undefined))?.byteLength !== blob.size) return 0
    }
    return 200
  }

  const [BAD = REPOSITORIES[0], ...OTHERS] = REPOSITORIES
  const isOf = (seen: Seen, kind: 'manifests' | 'blobs'): boolean => seen.url.startsWith(`/v2/${BAD}/${kind}/`)
  const faults: readonly (readonly [string, (seen: Seen, response: ServerResponse) => true | undefined])[] = [
    ['answers 500', (seen, response) => (seen.url.startsWith(`/v2/${BAD}/`) ? refuse(response, 500) : undefined)],
    [
      'is a truncated blob',
      (seen, response) => {
        if (!isOf(seen, 'blobs') || seen.method === 'HEAD') return undefined
        response.writeHead(200, {'content-length': '100000'}).write('short')
        response.destroy()
        return true
      },
    ],
    ['is a HEAD that is never answered', (seen) => (isOf(seen, 'manifests') && seen.method === 'HEAD' ? true : undefined)],
    [
      'is a blob that is answered with 429 and wants a pause of 34 years',
      (seen, response) => (isOf(seen, 'blobs') ? refuse(response, 429, {'retry-after': '999999999'}) : undefined),
    ],
    [
      'is answered with 503 and wants a pause of an hour',
      (seen, response) => (isOf(seen, 'manifests') ? refuse(response, 503, {'retry-after': '3600'}) : undefined),
    ],
  ]
  for (const [name, what] of faults)
    it(`pulls all others when one ${name}`, async () => {
      fault = what
      const bad = pull(BAD as RepositoryName).catch(() => 0)
      for (const one of OTHERS) assert.equal(await pull(one), 200, one)
      await registry.close()
      assert.notEqual(await bad, 200)
    })

  it('tells clients the pause that a registry wants, up to an hour, and goes on with HEAD requests and blobs', async () => {
    const [first, second] = OTHERS
    assert.ok(first && second)
    fault = (seen, response) =>
      /\/manifests\//.test(seen.url) && seen.method === 'GET' ? refuse(response, 429, {'retry-after': '999999999'}) : undefined
    const refused = await get(`${first}/manifests/v1`)
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '3600'])
    assert.doesNotMatch(await refused.text(), /999999999/)
    assert.equal((await get(`${second}/manifests/v1`, {method: 'HEAD'})).status, 200)
    const image = await content.readManifest(second, V1)
    const [blob] = image === undefined ? [] : requiredBlobs(parseManifest(image))
    assert.equal((await get(`${second}/blobs/${blob?.digest}`)).status, 200)
    assert.equal(registry.seen.filter(({method, url}) => method === 'GET' && url.includes('/manifests/')).length, 1)
  })
})
