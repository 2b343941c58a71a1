import assert from 'node:assert/strict'
import {join} from 'node:path'
import {type ServedRegistry, serveRegistry} from '../../src/lib/server/serve.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type ContainerClients, createContainerClients} from '../support/clients.ts'
import {startDockerRegistry} from '../support/docker-registry.ts'
import {createImage, createIndex, createLayer} from '../support/images.ts'
import {fetchBlob, fetchManifest, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import type {ProgramResult} from '../support/run-program.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../support/temporary-directory.ts'

const LAYER_BYTES = 3 * 1024 * 1024

describe('genuine clients of the embedded registry', () => {
  needs('skopeo', 'podman', 'docker-registry')
  const afterwards = cleanUpAfterwards()
  const shared = createLayer('shared', 'in both images', LAYER_BYTES)
  const image = createImage([shared, createLayer('one', 'amd64')])
  const index = createIndex({'linux/amd64': image, 'linux/arm64': createImage([shared, createLayer('two', 'arm64')])})
  let directory: TemporaryDirectory
  let served: ServedRegistry
  let clients: ContainerClients
  let host: string

  before(async () => {
    directory = await createTemporaryDirectory('clients')
    afterwards(directory.remove)
    served = await serveRegistry({dataDirectory: join(directory.path, 'store'), host: '127.0.0.1', port: 0})
    afterwards(() => served.stop({graceMs: 0}))
    host = `127.0.0.1:${served.address.port}`
    clients = await createContainerClients(directory.path, {insecure: [host]})
  })

  it('skopeo pushes every platform from a directory, and pulls it back bit for bit', async () => {
    const layout = `oci:${join(directory.path, 'layout')}:v1`
    await pushImage(`http://${host}`, 'seed/app', 'v1', index)
    succeeded(await clients.skopeo('copy', '--all', '--src-tls-verify=false', `docker://${host}/seed/app:v1`, layout))
    succeeded(await clients.skopeo('copy', '--all', '--dest-tls-verify=false', layout, `docker://${host}/pushed/app:v1`))
    const pushed = await fetchManifest(`http://${host}`, 'pushed/app', 'v1')
    assert.equal(pushed?.digest, index.digest)
    for (const {digest, bytes} of image.blobs) {
      const got = await fetchBlob(`http://${host}`, 'pushed/app', digest)
      assert.ok(got !== undefined && Buffer.from(got).equals(bytes))
    }
  })

  it('skopeo copies between repositories, lists tags, inspects and deletes', async () => {
    const from = `docker://${host}/seed/app:v1`
    succeeded(
      await clients.skopeo('copy', '--all', '--src-tls-verify=false', '--dest-tls-verify=false', from, `docker://${host}/copied/app:v2`),
    )
    const listed = succeeded(await clients.skopeo('list-tags', '--tls-verify=false', `docker://${host}/copied/app`))
    assert.deepEqual(JSON.parse(listed).Tags, ['v2'])
    const inspected = succeeded(await clients.skopeo('inspect', '--raw', '--tls-verify=false', `docker://${host}/copied/app:v2`))
    assert.equal(inspected, Buffer.from(index.bytes).toString())
    succeeded(await clients.skopeo('delete', '--tls-verify=false', `docker://${host}/copied/app:v2`))
    assert.equal(await fetchManifest(`http://${host}`, 'copied/app', 'v2'), undefined)
  })

  it('podman pulls an image and pushes it under another name', async () => {
    await pushImage(`http://${host}`, 'seed/single', 'v1', image)
    succeeded(await clients.podman('pull', '--quiet', `${host}/seed/single:v1`))
    succeeded(await clients.podman('push', '--quiet', `${host}/seed/single:v1`, `${host}/podman/single:v1`))
    assert.ok(await fetchManifest(`http://${host}`, 'podman/single', 'v1'))
  })

  it('docker-registry serves what they pushed, from the same directory', async () => {
    await pushImage(`http://${host}`, 'both/app', 'v1', index)
    const genuine = await startDockerRegistry({root: join(directory.path, 'store')})
    try {
      const served = await fetchManifest(genuine.url, 'both/app', 'v1')
      assert.equal(served?.digest, index.digest)
      const target = `dir:${join(directory.path, 'from-docker-registry')}`
      succeeded(await clients.skopeo('copy', '--all', '--src-tls-verify=false', `docker://${genuine.host}/both/app:v1`, target))
      await pushImage(genuine.url, 'genuine/app', 'v1', image)
    } finally {
      await genuine.stop()
    }
    succeeded(await clients.skopeo('inspect', '--tls-verify=false', `docker://${host}/genuine/app:v1`))
  })
})

function succeeded({exitCode, stdout, stderr}: ProgramResult): string {
  assert.equal(exitCode, 0, stderr)
  return stdout
}
