/** `holdfast cache-image` that is stopped, and several of them at once: what the next run finds, and what moves a second time. */
import assert from 'node:assert/strict'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {downloadedBlobs, uploadedBlobs} from '../support/access-log.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {cacheImage} from '../support/cache-image.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {type HeldBlobs, startHeldBlobs} from '../support/held-blobs.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer, layerDigests} from '../support/images.ts'
import {fetchRepositories, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {startCommand} from '../support/started-command.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'

const PATIENCE_MS = 30_000

describe('holdfast cache-image that is interrupted', function () {
  this.timeout(180_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  const layers = ['one', 'two', 'held'].map((name) => createLayer(name, `the layer ${name}`, 100_000))
  const sample = createImage(layers)
  const held = layerDigests(sample)[2] ?? ''
  let origin: DockerRegistry
  let target: DockerRegistry
  let front: HeldBlobs
  let holdfast: Holdfast

  before(async () => {
    origin = await startDockerRegistry()
    afterwards(() => origin.stop())
    await pushImage(origin.url, 'app', 'v1', sample)
    await pushImage(origin.url, 'small', 'v1', createImage([createLayer('small', 'small')]))
  })
  beforeEach(async () => {
    const directory = await createTemporaryDirectory('interrupted')
    afterwards(directory.remove)
    holdfast = await createHoldfast(directory.path)
    target = await startDockerRegistry()
    front = await startHeldBlobs(origin.url, [held])
  })
  afterEach(async () => {
    await front.stop()
    await target.stop()
  })

  /** Settles when the target has every blob but the held one. */
  const othersArrived = (count: number) => until(async () => uploadedBlobs(await target.accessLog()).length >= count, PATIENCE_MS)

  it('goes on under the same GUID after kill -9, and moves no blob a second time', async () => {
    const first = startCommand(holdfast, ['cache-image', `${front.host}/app:v1`, '--to', target.host])
    await othersArrived(3)
    await until(() => front.asked() > 0, PATIENCE_MS)
    first.kill('SIGKILL')
    await first.ended()
    const [begun, ...others] = await fetchRepositories(target.url)
    assert.deepEqual(others, [])
    await Promise.all([origin.forgetAccessLog(), target.forgetAccessLog()])
    front.release()
    const image = await cacheImage(holdfast, [`${front.host}/app:v1`, '--to', target.host])
    assert.equal(image.repository, begun)
    assert.deepEqual(downloadedBlobs(await origin.accessLog()), [held])
    assert.equal(uploadedBlobs(await target.accessLog()).length, 1)
    assert.deepEqual(await fetchRepositories(target.url), [begun])
  })

  it('prints each reference when its image is done, and answers a signal with an envelope of what is done', async () => {
    const args = ['cache-image', `${front.host}/app:v1`, `${front.host}/small:v1`, '--to', target.host]
    const plain = startCommand(holdfast, args)
    await plain.says(`${front.host}/small:v1: `)
    plain.kill('SIGINT')
    const {stdout, exitCode} = await plain.ended()
    assert.equal(exitCode, 130)
    assert.match(stdout, /^127\.0\.0\.1:\d+\/[0-9a-f-]{36}@sha256:[0-9a-f]{64}\n$/)
    const command = startCommand(holdfast, [...args, '--new', '--json'])
    const {length} = await fetchRepositories(target.url)
    await until(async () => (await fetchRepositories(target.url)).length >= length + 2, PATIENCE_MS)
    await until(
      async () => (await holdfast.json(['cached', `${front.host}/small:v1`])).stdout.split('"pinnedReference"').length > 2,
      PATIENCE_MS,
    )
    command.kill('SIGINT')
    const ended = await command.ended()
    const envelope = JSON.parse(ended.stdout)
    assert.equal(ended.exitCode, 130)
    assert.equal(envelope.error.code, 'INTERRUPTED')
    assert.deepEqual(
      envelope.result.images.map((image: {readonly source: string}) => image.source),
      [`${front.host}/small:v1`],
    )
    assert.deepEqual(
      envelope.result.failures.map((failure: {readonly source: string}) => failure.source),
      [`${front.host}/app:v1`],
    )
  })

  it('names the command that goes on with all its flags, after a signal and after a failure', async () => {
    const flags = ['--to', target.host, '--app', 'my shop', '--platform', 'linux/amd64', '--no-referrers']
    const stopped = startCommand(holdfast, ['cache-image', `${front.host}/app:v1`, ...flags, '--json'])
    await until(() => front.asked() > 0, PATIENCE_MS)
    stopped.kill('SIGINT')
    const words = `--to ${target.host} --app 'my shop' --platform linux/amd64 --no-referrers`
    const {error} = JSON.parse((await stopped.ended()).stdout)
    assert.deepEqual([error.code, error.hints], ['INTERRUPTED', [`holdfast cache-image ${front.host}/app:v1 ${words}`]])
    const partial = await holdfast.json(['cache-image', `${front.host}/small:v1`, `${front.host}/none:v1`, ...flags])
    const {code, hints} = partial.envelope.error ?? {}
    assert.deepEqual([code, hints], ['PARTIAL', [`holdfast cache-image ${front.host}/none:v1 ${words}`]])
  })

  it('is told by the commands that cache as well: warm says how many it has, stage that the app runs what it ran', async () => {
    const list = join(holdfast.home, 'list.txt')
    await writeFile(list, `${front.host}/small:v1\n${front.host}/app:v1\n`)
    const warm = startCommand(holdfast, ['warm', list, '--to', target.host, '--json'])
    const known = async () => (await holdfast.json(['cached', `${front.host}/small:v1`])).stdout.includes('"pinnedReference"')
    await until(async () => front.asked() > 0 && (await known()), PATIENCE_MS)
    warm.kill('SIGINT')
    const warmed = await warm.ended()
    const {error, result} = JSON.parse(warmed.stdout)
    assert.equal(warmed.exitCode, 130)
    assert.equal(error.message, 'stopped by a signal: 1 image fetched; what has arrived of others is used by the next run')
    assert.equal(result.images.length, 1)
    assert.equal((await holdfast.run(['set-env', 'shop', 'DIEGO_DOCKER_CACHE', 'true', '--no-cf'])).exitCode, 0)
    const asked = front.asked()
    const stage = startCommand(holdfast, ['stage', 'shop', '--image', `${front.host}/app:v1`, '--to', target.host, '--no-cf'])
    await until(() => front.asked() > asked, PATIENCE_MS)
    stage.kill('SIGINT')
    const staged = await stage.ended()
    assert.equal(staged.exitCode, 130)
    assert.match(
      staged.stderr,
      /^Error: stopped by a signal: app "shop" runs what it ran; what has arrived in the cache is used by the next run; the same command again goes on \(INTERRUPTED\)$/m,
    )
  })

  it('makes one GUID of three processes that are asked for the same at once', async () => {
    const commands = [0, 1, 2].map(() => startCommand(holdfast, ['cache-image', `${front.host}/app:v1`, '--to', target.host]))
    await until(() => front.asked() >= 3, PATIENCE_MS)
    front.release()
    const ended = await Promise.all(commands.map((command) => command.ended()))
    for (const {exitCode, stderr} of ended) assert.equal(exitCode, 0, stderr)
    assert.equal(new Set(ended.map(({stdout}) => stdout)).size, 1)
    assert.equal((await fetchRepositories(target.url)).length, 1)
  })
})
