/** What containerd and dockerd pull through a mirror survives its upstream: they look a tag up by HEAD, fetch all else by digest, and skip the layers that they have. */
import assert from 'node:assert/strict'
import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast} from '../support/holdfast.ts'
import {createImage, createIndex, createLayer} from '../support/images.ts'
import {type MirroredClient, START_CLIENT} from '../support/mirrored-clients.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {type ServedMirror, serveMirror} from '../support/served-mirror.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'

const base = createLayer('base', 'of both', 300_000)
const baseImage = createImage([base])
const web = createIndex({
  'linux/amd64': createImage([base, createLayer('app', 'first')]),
  'linux/arm64': createImage([createLayer('app', 'of another platform')], {architecture: 'arm64'}),
})
const newer = createImage([base, createLayer('app', 'second')])

// The same over a disk: test/real/mirror-clients.test.ts.
for (const name of ['containerd', 'dockerd'] as const)
  describe(`${name} behind a mirror that keeps what it has in a registry`, function () {
    this.timeout(180_000)
    needs('docker-registry', name, name === 'containerd' ? 'ctr' : 'docker')
    const afterwards = cleanUpAfterwards()
    let folder: string
    let origin: DockerRegistry
    let mirror: ServedMirror
    let serve: (flags?: readonly string[]) => Promise<ServedMirror>
    let count = 0

    before(function () {
      if (process.getuid?.() !== 0) this.skip()
    })

    beforeEach(async () => {
      const temporary = await createTemporaryDirectory('daemons')
      afterwards(temporary.remove)
      folder = temporary.path
      origin = await startDockerRegistry()
      afterwards(() => origin.stop())
      await pushImage(origin.url, 'shop/base', 'v1', baseImage)
      await pushImage(origin.url, 'shop/web', 'v1', web)
      const backing = await startDockerRegistry()
      afterwards(backing.stop)
      const user = await createHoldfast(join(folder, 'user'))
      serve = (flags = []) => serveMirror(user, ['--upstream', origin.url, '--revalidate', '**=always', '--store', backing.url, ...flags])
      mirror = await serve()
      afterwards(() => mirror.stop())
    })

    /** One that has pulled nothing. */
    const start = async (): Promise<MirroredClient> => {
      const directory = join(folder, `d${count++}`)
      await mkdir(directory)
      const daemon = await START_CLIENT[name](directory, {mirror: mirror.host, hosts: [origin.host]})
      afterwards(daemon.stop)
      return daemon
    }

    const pull = (daemon: MirroredClient): Promise<string> => daemon.pull(origin.host, 'shop/web:v1')

    it('pulls a tag again with the upstream cut, and the last complete image of a tag that has moved', async () => {
      const daemon = await start()
      await pull(daemon)
      await pushImage(origin.url, 'shop/web', 'v1', newer)
      const moved = await fetch(`${mirror.url}/v2/shop/web/manifests/v1`, {method: 'HEAD'})
      assert.equal(moved.headers.get('docker-content-digest'), newer.digest)
      await origin.kill()
      await mirror.stop()
      mirror = await serve()
      const answer = await fetch(`${mirror.url}/v2/shop/web/manifests/v1`, {method: 'HEAD'})
      assert.deepEqual([answer.status, answer.headers.get('docker-content-digest')], [200, web.digest])
      await pull(await start())
    })

    it('pulls an image whose base layer another daemon had, with the upstream cut, once the mirror has completed it', async () => {
      const daemon = await start()
      await daemon.pullDirectly(origin.host, 'shop/base:v1')
      await origin.forgetAccessLog()
      await pull(daemon)
      const baseBlob = (path: string): boolean => path.endsWith(base.blob.digest)
      assert.ok(
        !(await origin.accessLog()).some(({method, path}) => method === 'GET' && baseBlob(path)),
        'it fetched the layer that it had',
      )
      // A restart forgets nothing.
      await mirror.stop()
      mirror = await serve()
      await until(async () => /holdfast_mirror_completed_total\{[^}]*\} 1/.test(await (await fetch(`${mirror.url}/metrics`)).text()))
      await origin.kill()
      await pull(await start())
    })
  })

describe('what a client had already, behind a mirror that is not to complete images', function () {
  this.timeout(180_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()

  it('is not fetched', async () => {
    const [origin, temporary] = await Promise.all([startDockerRegistry(), createTemporaryDirectory('no-complete')])
    afterwards(origin.stop)
    afterwards(temporary.remove)
    await pushImage(origin.url, 'shop/web', 'v1', newer)
    const mirror = await serveMirror(await createHoldfast(temporary.path), ['--upstream', origin.url, '--no-complete'])
    afterwards(() => mirror.stop())
    assert.equal((await fetch(`${mirror.url}/v2/shop/web/manifests/v1`)).status, 200)
    await new Promise((resolve) => setTimeout(resolve, 7_000))
    assert.ok(!(await origin.accessLog()).some(({method, path}) => method === 'GET' && path.includes('/blobs/')))
  })
})
