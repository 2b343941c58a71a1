/** Mirrors that share a registry, behind nginx as rendered: restarted one after the other under load; and hosts of a network of their own, which reach nginx and nothing behind it. */
import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {freePort, freePorts} from '../support/free-port.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {createNetworkHost, type NetworkHost} from '../support/network-host.ts'
import {startNginx} from '../support/nginx.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {type ServedMirror, serveMirror} from '../support/served-mirror.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'

const LOADS = 6
const COLD_IMAGES = 12
const PULLS_BETWEEN = 40
/** nginx leaves a mirror that did not answer alone for a second, and counts in whole ones. */
const FAIL_TIMEOUT_MS = 2_500

describe('mirrors behind nginx', function () {
  this.timeout(180_000)
  needs('docker-registry', 'nginx', 'ip')
  const afterwards = cleanUpAfterwards()
  const image = createImage([createLayer('app', 'app', 200_000)])
  const cold = Array.from({length: COLD_IMAGES}, (_, index) => createImage([createLayer('cold', `cold ${index}`, 300_000)]))
  let directory: string
  let origin: DockerRegistry
  let store: DockerRegistry
  let user: Holdfast

  before(async () => {
    const temporary = await createTemporaryDirectory('mirror-replicas')
    afterwards(temporary.remove)
    directory = temporary.path
    ;[origin, store] = await Promise.all([startDockerRegistry(), startDockerRegistry()])
    for (const {stop} of [origin, store]) afterwards(stop)
    await pushImage(origin.url, 'shop/web', 'v1', image)
    for (const [index, one] of cold.entries()) await pushImage(origin.url, 'shop/cold', `v${index}`, one)
    user = await createHoldfast(join(directory, 'user'))
  })

  async function render(name: string, flags: readonly string[]): Promise<string> {
    const folder = join(directory, name)
    const args = ['mirror', 'render', '--url', 'http://mirror.example.com', '--upstream', 'docker.io', '--directory', folder, ...flags]
    const {exitCode, stdout} = await user.json(args)
    assert.equal(exitCode, 0, stdout)
    return folder
  }

  it('fail no request while they are restarted one after the other, whether what is asked for is there or still to come', async () => {
    const port = await freePorts(2)
    const front = `127.0.0.1:${await freePort()}`
    const folder = await render('rolling', [
      ...['--listen', `127.0.0.1:${port}`, '--instances', '2', '--store', store.url, '--nginx-listen', front, '--allow', '127.0.0.0/8'],
    ])
    assert.match(await readFile(join(folder, 'holdfast-mirror@.service'), 'utf8'), /--listen 127\.0\.0\.1:%i /)
    const nginx = await startNginx({directory: folder, include: join(folder, 'nginx.conf'), url: `http://${front}/healthz`})
    afterwards(nginx.stop)
    const start = (index: number) =>
      serveMirror(user, ['--upstream', origin.url, '--store', store.url, '--listen', `127.0.0.1:${port + index}`, '--allow', '127.0.0.1'])
    const mirrors: ServedMirror[] = [await start(0), await start(1)]
    afterwards(() => Promise.all(mirrors.map(({stop}) => stop())))
    // It was looked at before they were there.
    await sleep(FAIL_TIMEOUT_MS)
    const failures: string[] = []
    let [pulls, isOver] = [0, false]
    const get = async (path: string, digest: string): Promise<void> => {
      const answer = await fetch(`http://${front}/v2/${path}`)
      const hash = createHash('sha256').update(Buffer.from(await answer.arrayBuffer()))
      if (answer.status !== 200 || `sha256:${hash.digest('hex')}` !== digest) failures.push(`${path}: ${answer.status}`)
    }
    const loops = Array.from({length: LOADS}, async (_, loop) => {
      for (let turn = 0; !isOver; turn++) {
        const index = (turn * LOADS + loop) % (COLD_IMAGES + 1)
        const [name, tag, one] = index === COLD_IMAGES ? ['shop/web', 'v1', image] : ['shop/cold', `v${index}`, cold[index] ?? image]
        await get(`${name}/manifests/${tag}`, one.digest).catch((error: unknown) => failures.push(String(error)))
        for (const {digest} of one.blobs)
          await get(`${name}/blobs/${digest}`, digest).catch((error: unknown) => failures.push(String(error)))
        pulls++
      }
    })
    for (const round of [0, 1])
      for (const index of [0, 1]) {
        const before = pulls
        await until(async () => pulls > before + (round === 0 ? LOADS : PULLS_BETWEEN), 20_000)
        assert.equal(await mirrors[index]?.stop(), 0)
        mirrors[index] = await start(index)
        await sleep(FAIL_TIMEOUT_MS)
      }
    isOver = true
    await Promise.all(loops)
    assert.deepEqual(failures, [])
    assert.ok(pulls > 2 * PULLS_BETWEEN)
  })

  describe('on a network', () => {
    let friend: NetworkHost
    let stranger: NetworkHost

    before(async function () {
      if (process.getuid?.() !== 0) {
        process.stderr.write('\n    SKIPPED: hosts of their own can be made by root alone\n')
        this.skip()
      }
      friend = await createNetworkHost(1)
      afterwards(friend.remove)
      stranger = await createNetworkHost(2)
      afterwards(stranger.remove)
    })

    it('are reached by those that nginx lets in, through it, and by nobody else or otherwise', async () => {
      const front = await freePort()
      const port = await freePort()
      const folder = await render('network', [
        '--listen',
        `127.0.0.1:${port}`,
        '--nginx-listen',
        `0.0.0.0:${front}`,
        '--allow',
        friend.address,
      ])
      const mirror = await serveMirror(user, ['--upstream', origin.url, '--listen', `127.0.0.1:${port}`, '--allow', '127.0.0.1'])
      afterwards(() => mirror.stop())
      const nginx = await startNginx({directory: folder, include: join(folder, 'nginx.conf'), url: `http://127.0.0.1:${front}/healthz`})
      afterwards(nginx.stop)
      const path = '/v2/shop/web/manifests/v1'
      assert.equal(await friend.ask(`http://${friend.gateway}:${front}${path}`), '200')
      assert.equal(await stranger.ask(`http://${stranger.gateway}:${front}${path}`), '403')
      assert.equal(await stranger.ask(`http://${stranger.gateway}:${front}${path}`, {'x-forwarded-for': friend.address}), '403')
      for (const host of [friend, stranger])
        assert.equal(await host.ask(`http://${host.gateway}:${port}${path}`), 'ECONNREFUSED', 'past nginx')
    })

    it('answer nginx alone where they listen to a network, too', async () => {
      const port = await freePort()
      const mirror = await serveMirror(user, ['--upstream', origin.url, '--listen', `0.0.0.0:${port}`, '--allow', friend.address])
      afterwards(() => mirror.stop())
      const path = '/v2/shop/web/manifests/v1'
      assert.equal(await friend.ask(`http://${friend.gateway}:${port}${path}`), '200')
      assert.equal(await stranger.ask(`http://${stranger.gateway}:${port}${path}`, {'x-forwarded-for': friend.address}), '403')
    })
  })
})
