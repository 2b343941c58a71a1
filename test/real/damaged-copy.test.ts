/** `holdfast cache-image` on a copy of which a genuine registry has lost a part. */
import assert from 'node:assert/strict'
import {uploadedBlobs} from '../support/access-log.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {cachedImages, cacheImage} from '../support/cache-image.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createIndex, createLayer, layerDigests} from '../support/images.ts'
import {fetchBlob, fetchManifest, fetchRepositories, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

describe('a damaged copy in a genuine registry', function () {
  this.timeout(60_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  const amd64 = createImage([createLayer('amd64', 'for amd64')], {architecture: 'amd64'})
  const arm64 = createImage([createLayer('arm64', 'for arm64')], {architecture: 'arm64'})
  const sample = createIndex({'linux/amd64': amd64, 'linux/arm64': arm64})
  const [layer = ''] = layerDigests(amd64)
  let origin: DockerRegistry
  let target: DockerRegistry
  let holdfast: Holdfast

  before(async () => {
    const directory = await createTemporaryDirectory('damaged')
    afterwards(directory.remove)
    origin = await startDockerRegistry()
    afterwards(() => origin.stop())
    target = await startDockerRegistry()
    afterwards(() => target.stop())
    holdfast = await createHoldfast(directory.path)
    await pushImage(origin.url, 'app', 'v1', sample)
  })

  const cache = (...flags: readonly string[]) => cacheImage(holdfast, [`${origin.host}/app:v1`, '--to', target.host, ...flags])
  const remove = async (path: string) => {
    const {status} = await fetch(`${target.url}/v2/${path}`, {method: 'DELETE'})
    assert.equal(status, 202)
  }

  it('is answered from one HEAD while no check is due, and healed under its GUID by a check, layer and child manifest', async () => {
    const first = await cache()
    await remove(`${first.repository}/blobs/${layer}`)
    await remove(`${first.repository}/manifests/${arm64.digest}`)
    await target.forgetAccessLog()
    assert.equal((await cache()).unchanged, true)
    assert.equal((await target.accessLog()).filter(({path}) => path !== '/v2/').length, 1)
    const {stdout, stderr, exitCode} = await holdfast.run(['cache-image', `${origin.host}/app:v1`, '--to', target.host, '--recheck'])
    assert.equal(exitCode, 0, stderr)
    assert.equal(stdout, `${first.pinnedReference}\n`)
    assert.match(stderr, /lacks 2 parts.*\n(?:.*\n)*.*was healed and is whole/)
    assert.ok(await fetchBlob(target.url, first.repository, layer))
    assert.ok(await fetchManifest(target.url, first.repository, arm64.digest))
    assert.equal(uploadedBlobs(await target.accessLog()).length, 1)
    assert.deepEqual(await fetchRepositories(target.url), [first.repository])
  })

  it('is healed by copy --recheck, which else answers from one HEAD at each end', async () => {
    const copy = ['copy', `${origin.host}/app:v1`, `${target.host}/named/app:v1`]
    assert.equal((await holdfast.run(copy)).exitCode, 0)
    await remove(`named/app/blobs/${layer}`)
    await remove(`named/app/manifests/${arm64.digest}`)
    const answers = [await holdfast.json(copy), await holdfast.json([...copy, '--recheck']), await holdfast.json([...copy, '--recheck'])]
    assert.deepEqual(
      answers.map(({envelope}) => (envelope.result as {readonly healed?: readonly string[]}).healed?.length ?? 0),
      [0, 2, 0],
    )
    assert.ok(await fetchBlob(target.url, 'named/app', layer))
    assert.ok(await fetchManifest(target.url, 'named/app', arm64.digest))
  })

  it('stays removed when it was removed on purpose: the same request gets a fresh GUID', async () => {
    const first = await cache('--app', 'removed')
    const {exitCode, stderr} = await holdfast.run(['tag', 'delete', first.reference])
    assert.equal(exitCode, 0, stderr)
    const second = await cache('--app', 'removed', '--recheck')
    assert.notEqual(second.repository, first.repository)
    assert.equal(await fetchManifest(target.url, first.repository, 'latest'), undefined)
  })

  it('is healed when the time of --recheck-every has passed, and said in --json', async () => {
    const first = await cache()
    await remove(`${first.repository}/blobs/${layer}`)
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    const answer = await holdfast.json(['cache-image', `${origin.host}/app:v1`, '--to', target.host, '--recheck-every', '1s'])
    const [image] = cachedImages(answer)
    assert.equal(image?.pinnedReference, first.pinnedReference)
    assert.deepEqual(image?.healed, [layer])
    assert.equal(answer.envelope.warnings?.length, 2)
  })
})
