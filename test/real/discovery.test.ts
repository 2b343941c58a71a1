/** Sweeps of a genuine registry. */
import assert from 'node:assert/strict'
import {cp, rm} from 'node:fs/promises'
import {createServer, request as forward} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {RegistrySession} from '../../src/lib/content/remote/session.ts'
import {SYSTEM_CLOCK} from '../../src/lib/core/retry.ts'
import {createRegistrySource} from '../../src/lib/discovery/registry-source.ts'
import {sweepRegistry} from '../../src/lib/discovery/sweep.ts'
import type {SweepSource} from '../../src/lib/discovery/sweep-ports.ts'
import {createWireClient} from '../../src/lib/http/wire/client.ts'
import {parseRegistryHost} from '../../src/lib/oci/reference.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {cosignTag, createImage, createLayer} from '../support/images.ts'
import {MemoryIndex} from '../support/memory-index.ts'
import {fetchRepositories, fetchTags, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'

/** No multiple of the page sizes; docker-registry 2.8.2 shows a thousand at once at most. */
const REPOSITORIES = 999
const PAGE_SIZE = 40
/** What is asked for after a refusal. */
const LARGEST_PAGE = 100

describe('discovery', function () {
  this.timeout(180_000)
  needs('docker-registry', 'htpasswd')
  const afterwards = cleanUpAfterwards()
  const image = createImage([createLayer('app', 'one')])
  const other = createImage([createLayer('app', 'other')])
  const name = (position: number): string => `team/r${String(position).padStart(3, '0')}`
  const folder = (position: number): string => join(registry.root, 'docker/registry/v2/repositories', name(position))
  let registry: DockerRegistry

  before(async () => {
    registry = await startDockerRegistry()
    afterwards(registry.stop)
    await pushImage(registry.url, name(0), 'v1', image)
    for (let position = 1; position < REPOSITORIES; position++) await cp(folder(0), folder(position), {recursive: true})
    assert.equal((await fetchRepositories(registry.url)).length, REPOSITORIES)
  })

  function sourceOf(host: string, pageSize = PAGE_SIZE): SweepSource {
    const http = createWireClient()
    afterwards(() => http.close())
    const endpoint = {registry: parseRegistryHost(host), plainHttp: 'always' as const, tls: {}, capabilities: {}}
    return createRegistrySource(new RegistrySession({endpoint, http, clock: {...SYSTEM_CLOCK, sleep: async () => {}}}), {pageSize})
  }

  async function requests(method: string, path: RegExp): Promise<number> {
    return (await registry.accessLog()).filter((entry) => entry.method === method && path.test(entry.path)).length
  }

  /** The registry behind a door that answers 500 to every page but the first. */
  async function startBrokenDoor(): Promise<string> {
    const server = createServer((incoming, response) => {
      if (incoming.url?.startsWith('/v2/_catalog') && incoming.url.includes('last=')) {
        response.writeHead(500).end()
        return
      }
      const {method, url, headers} = incoming
      incoming.pipe(
        forward(`${registry.url}${url}`, {method: method ?? 'GET', headers}, (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(response)
        }),
      )
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    afterwards(() => {
      server.close()
      server.closeAllConnections()
    })
    return `127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  it('finds a thousand repositories over several pages, and asks for no tag twice', async () => {
    const index = new MemoryIndex()
    await registry.forgetAccessLog()
    const first = await sweepRegistry(sourceOf(registry.host), index)
    assert.ok(first.complete, JSON.stringify(first))
    assert.equal(first.repositories, REPOSITORIES)
    assert.equal(Object.keys(index.content).length, REPOSITORIES)
    assert.ok(Object.values(index.content).every((digest) => digest === image.digest))
    assert.equal(await requests('GET', /_catalog/), Math.ceil(REPOSITORIES / PAGE_SIZE))
    assert.equal(await requests('HEAD', /manifests/), REPOSITORIES)
    const second = await sweepRegistry(sourceOf(registry.host), index)
    assert.ok(second.complete)
    assert.equal(await requests('HEAD', /manifests/), REPOSITORIES)
    assert.equal(await requests('GET', /tags\/list/), 2 * REPOSITORIES)
    assert.deepEqual(second.purged, {repositories: 0, tags: 0})
  })

  it('asks with the page size that the registry allows when ours is refused', async () => {
    const index = new MemoryIndex()
    await registry.forgetAccessLog()
    assert.ok((await sweepRegistry(sourceOf(registry.host, 5000), index)).complete)
    assert.equal(Object.keys(index.content).length, REPOSITORIES)
    const catalog = (await registry.accessLog()).filter(({path}) => path.endsWith('_catalog'))
    assert.deepEqual(
      catalog.map(({status}) => status),
      [400, ...Array.from({length: Math.ceil(REPOSITORIES / LARGEST_PAGE)}, () => 200)],
    )
  })

  it('purges nothing when page 2 of the catalog is an error, and what it saw of page 1 is kept', async () => {
    const index = new MemoryIndex()
    assert.ok((await sweepRegistry(sourceOf(registry.host), index)).complete)
    await pushImage(registry.url, name(0), 'v2', image)
    const result = await sweepRegistry(sourceOf(await startBrokenDoor()), index)
    assert.ok(!result.complete)
    assert.equal(result.reason.code, 'REGISTRY_UNAVAILABLE')
    assert.equal(Object.keys(index.content).length, REPOSITORIES + 1)
    assert.equal(index.content[`${name(0)}:v2`], image.digest)
    assert.equal(index.purges.length, 1)
  })

  it('purges nothing when the registry asks for credentials that it does not get', async () => {
    const closed = await startDockerRegistry({root: registry.root, htpasswd: {username: 'alice', password: 'of-alice'}})
    afterwards(closed.stop)
    const index = new MemoryIndex()
    assert.ok((await sweepRegistry(sourceOf(registry.host), index)).complete)
    const before = index.content
    const result = await sweepRegistry(sourceOf(closed.host), index)
    assert.ok(!result.complete)
    assert.equal(result.reason.code, 'UNAUTHENTICATED')
    assert.deepEqual(index.content, before)
    assert.equal(index.purges.length, 1)
  })

  it('keeps a repository that has lost its tags, forgets one that is gone, and labels a signature', async () => {
    const index = new MemoryIndex()
    await pushImage(registry.url, name(3), cosignTag(image), other)
    assert.ok((await sweepRegistry(sourceOf(registry.host), index)).complete)
    assert.deepEqual(index.attachment(name(3), cosignTag(image)), {kind: 'signature', subject: image.digest})
    assert.equal((await fetch(`${registry.url}/v2/${name(1)}/manifests/${image.digest}`, {method: 'DELETE'})).status, 202)
    assert.deepEqual(await fetchTags(registry.url, name(1)), [])
    await rm(folder(2), {recursive: true})
    const result = await sweepRegistry(sourceOf(registry.host), index)
    assert.ok(result.complete)
    assert.deepEqual(result.purged, {repositories: 1, tags: 2})
    assert.equal(index.content[name(1)], '')
    assert.equal(index.repositories.has(name(2)), false)
    assert.equal(index.repositories.size, REPOSITORIES - 1)
  })
})
