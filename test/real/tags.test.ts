/** Tags of genuine registries and of the embedded one: listed with what they name, and deleted without their siblings. */
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {createServer, request as forward} from 'node:http'
import type {AddressInfo} from 'node:net'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type DockerRegistry, type DockerRegistryOptions, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createIndex, createLayer} from '../support/images.ts'
import {fetchManifest, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

interface ListedTag {
  readonly tag: string
  readonly digest: string
  readonly platforms: readonly string[]
  readonly sizeBytes: number
  readonly createdAt: string
  readonly siblings: readonly string[]
}

describe('tags', function () {
  this.timeout(180_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  const amd64 = createImage([createLayer('app', 'amd64')])
  const image = createIndex({'linux/amd64': amd64, 'linux/arm64': createImage([createLayer('app', 'arm64')], {architecture: 'arm64'})})
  const other = createImage([createLayer('app', 'other')])
  let holdfast: Holdfast

  before(async () => {
    const directory = await createTemporaryDirectory('tags')
    afterwards(directory.remove)
    holdfast = await createHoldfast(directory.path)
  })

  /** A registry with `v1`, `latest` and `stable` of one image, and `other`. */
  async function start(options: DockerRegistryOptions = {}): Promise<DockerRegistry> {
    const registry = await startDockerRegistry(options)
    afterwards(registry.stop)
    for (const tag of ['v1', 'latest', 'stable']) await pushImage(registry.url, 'shop/web', tag, image)
    await pushImage(registry.url, 'shop/web', 'other', other)
    return registry
  }

  /** The same registry with tags that cannot be moved, as many hosted ones have them. */
  async function startFixedTags(registry: DockerRegistry): Promise<{readonly host: string; readonly stop: () => void}> {
    const server = createServer((request, response) => {
      if (request.method === 'PUT' && request.url?.includes('/manifests/')) {
        response.writeHead(409, {'content-type': 'application/json'})
        response.end(JSON.stringify({errors: [{code: 'TAG_INVALID', message: 'the tag is immutable'}]}))
        return
      }
      const {method = 'GET', url = '/', headers} = request
      const passed = forward(`${registry.url}${url}`, {method, headers}, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      })
      request.pipe(passed)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const stop = (): void => {
      server.close()
      server.closeAllConnections()
    }
    return {host: `127.0.0.1:${(server.address() as AddressInfo).port}`, stop}
  }

  const digestOf = async (registry: DockerRegistry, reference: string) => (await fetchManifest(registry.url, 'shop/web', reference))?.digest

  it('are listed with digest, platforms, size, age, and the tags that name the same', async () => {
    const {host} = await start()
    const {envelope, exitCode} = await holdfast.json(['tag', 'list', `${host}/shop/web`])
    assert.equal(exitCode, 0, JSON.stringify(envelope))
    const {repository, tags} = envelope.result as {repository: string; tags: readonly ListedTag[]}
    assert.equal(repository, `${host}/shop/web`)
    assert.deepEqual(
      tags.map(({tag}) => tag),
      ['latest', 'other', 'stable', 'v1'],
    )
    const [latest, alone] = tags
    assert.deepEqual(
      [latest?.digest, latest?.platforms, latest?.siblings],
      [image.digest, ['linux/amd64', 'linux/arm64'], ['stable', 'v1']],
    )
    assert.deepEqual([alone?.digest, alone?.siblings, alone?.createdAt], [other.digest, [], '2026-01-02T03:04:05Z'])
    const {stdout} = await holdfast.run(['tag', 'list', `${host}/shop/web`])
    assert.match(
      stdout,
      /^TAG +DIGEST +CREATED +SIZE +PLATFORMS +SAME AS\nlatest +sha256:[0-9a-f]{12} +2026-01-02 +\d+ B +linux\/amd64, linux\/arm64 +stable, v1\n/,
    )
  })

  it('are deleted alone, at a registry that deletes manifests only, and their siblings still name the image', async () => {
    const registry = await start()
    const deleted = await holdfast.json(['tag', 'delete', `${registry.host}/shop/web:v1`])
    assert.equal(deleted.exitCode, 0, deleted.stdout)
    assert.deepEqual(deleted.envelope.result, {
      deleted: [{reference: `${registry.host}/shop/web:v1`, digest: image.digest, manifestDeleted: false, siblings: []}],
      failures: [],
    })
    assert.equal(await digestOf(registry, 'v1'), undefined)
    for (const reference of ['latest', 'stable', image.digest]) assert.equal(await digestOf(registry, reference), image.digest)
  })

  it('stay where deleting is switched off, with nothing changed', async () => {
    const registry = await start({delete: false})
    const {envelope, exitCode} = await holdfast.json(['tag', 'delete', `${registry.host}/shop/web:v1`])
    assert.deepEqual([envelope.error?.code, exitCode], ['UNSUPPORTED', 5])
    assert.equal(await digestOf(registry, 'v1'), image.digest)
    const writes = (await registry.accessLog()).filter(
      ({method, userAgent}) => !['GET', 'HEAD', 'DELETE'].includes(method) && userAgent.startsWith('holdfast/'),
    )
    assert.deepEqual(writes, [])
  })

  it('stay when they are not there, or no tags at all, and several failures are told each', async () => {
    const registry = await start()
    const missing = await holdfast.json(['tag', 'delete', `${registry.host}/shop/web:v9`])
    assert.deepEqual([missing.envelope.error?.code, missing.exitCode], ['MANIFEST_NOT_FOUND', 3])
    const digest = await holdfast.json(['tag', 'delete', `${registry.host}/shop/web@${image.digest}`])
    assert.deepEqual([digest.envelope.error?.code, digest.exitCode], ['USAGE', 2])
    const unnamed = await holdfast.json(['tag', 'delete', `${registry.host}/shop/web`])
    assert.deepEqual([unnamed.envelope.error?.code, unnamed.exitCode], ['INPUT_REQUIRED', 2])
    const some = await holdfast.json(['tag', 'delete', `${registry.host}/shop/web:other`, `${registry.host}/shop/web:v9`])
    assert.deepEqual([some.envelope.error?.code, some.exitCode], ['PARTIAL', 9])
    assert.equal((some.envelope.result as {deleted: unknown[]; failures: unknown[]}).failures.length, 1)
    assert.equal(await digestOf(registry, 'other'), undefined)
  })

  it('go with their siblings only when these were named and agreed to, where a registry lets no tag be moved', async () => {
    const registry = await start()
    const fixed = await startFixedTags(registry)
    afterwards(fixed.stop)
    const refused = await holdfast.json(['tag', 'delete', `${fixed.host}/shop/web:v1`])
    assert.deepEqual([refused.envelope.error?.code, refused.exitCode], ['CONFLICT', 6])
    assert.deepEqual(refused.envelope.error?.details?.siblings, ['latest', 'stable'])
    for (const tag of ['v1', 'latest', 'stable']) assert.equal(await digestOf(registry, tag), image.digest)
    const alone = await holdfast.json(['tag', 'delete', `${fixed.host}/shop/web:other`])
    assert.partialDeepStrictEqual(alone.envelope.result, {deleted: [{manifestDeleted: true, siblings: []}]})
    const agreed = await holdfast.json(['tag', 'delete', `${fixed.host}/shop/web:v1`, '--include-siblings'])
    assert.partialDeepStrictEqual(agreed.envelope.result, {deleted: [{manifestDeleted: true, siblings: ['latest', 'stable']}]})
    for (const tag of ['v1', 'latest', 'stable']) assert.equal(await digestOf(registry, tag), undefined)
  })

  it('of the embedded registry are listed and deleted on the disk, while nobody serves it', async () => {
    const registry = await start()
    const cached = await holdfast.json(['cache-image', `${registry.host}/shop/web:v1`, '--repository', 'kept'])
    assert.equal(cached.exitCode, 0, cached.stdout)
    const [{reference}] = (cached.envelope.result as {images: [{reference: string}]}).images
    const repository = reference.replace(/:latest$/, '')
    const listed = await holdfast.json(['tag', 'list', repository])
    assert.deepEqual(
      (listed.envelope.result as {tags: ListedTag[]}).tags.map(({tag}) => tag),
      ['latest'],
    )
    assert.equal((await holdfast.json(['tag', 'delete', reference])).exitCode, 0)
    assert.equal((await holdfast.json(['inspect', `${repository}@${image.digest}`])).exitCode, 0)
  })
})
