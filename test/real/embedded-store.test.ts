/** The embedded store needs no other server, and its bytes are those of a genuine docker-registry, in both directions. */
import assert from 'node:assert/strict'
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {cacheImage} from '../support/cache-image.ts'
import {spawnChild} from '../support/child-process.ts'
import {type ContainerClients, createContainerClients} from '../support/clients.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, HOLDFAST_LAUNCHER, type Holdfast} from '../support/holdfast.ts'
import {createImage, createIndex, createLayer, type SampleImage} from '../support/images.ts'
import {fetchManifest, fetchTags, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../support/temporary-directory.ts'

describe('the embedded store', function () {
  this.timeout(180_000)
  needs('docker-registry', 'skopeo', 'podman')
  const afterwards = cleanUpAfterwards()
  const sample = createIndex({
    'linux/amd64': createImage([createLayer('a', 'amd64', 200_000)]),
    'linux/arm64': createImage([createLayer('a', 'arm64')], {architecture: 'arm64'}),
  })
  let directory: TemporaryDirectory
  let origin: DockerRegistry
  let holdfast: Holdfast
  let registryRoot: string

  const clientsFor = (host: string, name: string): Promise<ContainerClients> =>
    createContainerClients(join(directory.path, name), {insecure: [host]})
  /** Starts `holdfast serve` on a free port; answers its address. */
  const serve = async (): Promise<{readonly host: string; readonly url: string}> => {
    const args = [HOLDFAST_LAUNCHER, 'serve', '--listen', '127.0.0.1:0']
    const child = spawnChild(process.execPath, args, {env: holdfast.env, stdio: ['ignore', 'pipe', 'pipe']})
    afterwards(
      () =>
        new Promise<void>((resolve) => {
          if (child.exitCode !== null) return resolve()
          child.once('exit', () => resolve())
          child.kill('SIGTERM')
        }),
    )
    const said: string[] = []
    return new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`holdfast serve ended with ${code}: ${said.join('\n')}`)))
      for (const input of [child.stdout, child.stderr]) {
        createInterface({input}).on('line', (line) => {
          said.push(line)
          const host = /127\.0\.0\.1:[1-9][0-9]*/.exec(line)?.[0]
          if (host !== undefined) resolve({host, url: `http://${host}`})
        })
      }
    })
  }
  const givesItAll = async (url: string, repository: string, image: SampleImage): Promise<void> => {
    for (const {digest, bytes} of [image, ...image.children])
      assert.deepEqual(Buffer.from((await fetchManifest(url, repository, digest))?.bytes ?? []), Buffer.from(bytes))
  }

  before(async () => {
    directory = await createTemporaryDirectory('embedded')
    afterwards(directory.remove)
    origin = await startDockerRegistry()
    afterwards(origin.stop)
    await pushImage(origin.url, 'multi', 'v1', sample)
    holdfast = await createHoldfast(directory.path)
    registryRoot = join(holdfast.dataDirectory, 'registry')
  })

  it('takes images where no registry is declared, and docker-registry serves what is in it', async () => {
    const cached = await cacheImage(holdfast, [`${origin.host}/multi:v1`])
    assert.equal(cached.digest, sample.digest)
    const genuine = await startDockerRegistry({root: registryRoot})
    afterwards(genuine.stop)
    assert.deepEqual(await fetchTags(genuine.url, cached.repository), ['latest'])
    await givesItAll(genuine.url, cached.repository, sample)
    const clients = await clientsFor(genuine.host, 'a')
    const folder = join(directory.path, 'pulled')
    const copied = await clients.skopeo('copy', '--all', `docker://${genuine.host}/${cached.repository}:latest`, `dir:${folder}`)
    assert.equal(copied.exitCode, 0, copied.stderr)
    assert.deepEqual(await readFile(join(folder, 'manifest.json')), Buffer.from(sample.bytes))
  })

  it('is served by holdfast serve with the references that cache-image printed, also to podman', async () => {
    const served = await serve()
    const cached = await cacheImage(holdfast, [`${origin.host}/multi:v1`, '--new'], {env: {HOLDFAST_LISTEN: served.host}})
    assert.ok(cached.pinnedReference.startsWith(`${served.host}/`))
    await givesItAll(served.url, cached.repository, sample)
    const clients = await clientsFor(served.host, 'b')
    const pulled = await clients.podman('pull', '-q', cached.pinnedReference)
    assert.equal(pulled.exitCode, 0, pulled.stderr)
  })

  it('serves what docker-registry stored in the same directory', async () => {
    const genuine = await startDockerRegistry({root: registryRoot})
    await pushImage(genuine.url, 'from/docker-registry', 'v1', sample)
    await genuine.stop()
    const served = await serve()
    assert.deepEqual(await fetchTags(served.url, 'from/docker-registry'), ['v1'])
    await givesItAll(served.url, 'from/docker-registry', sample)
  })

  it('takes pushes of skopeo, which docker-registry serves afterwards', async () => {
    const served = await serve()
    const clients = await clientsFor(served.host, 'c')
    const source = `docker://${origin.host}/multi:v1`
    const pushed = await clients.skopeo('copy', '--all', '--src-tls-verify=false', source, `docker://${served.host}/from/skopeo:v1`)
    assert.equal(pushed.exitCode, 0, pushed.stderr)
    const genuine = await startDockerRegistry({root: registryRoot})
    afterwards(genuine.stop)
    await givesItAll(genuine.url, 'from/skopeo', sample)
  })
})
