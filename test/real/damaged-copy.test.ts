/** `holdfast cache-image` on a copy of which a genuine registry has lost a part. */
import assert from 'node:assert/strict'
import {readFile, rm, truncate, writeFile} from 'node:fs/promises'
import {join, relative} from 'node:path'
import {DatabaseSync} from 'node:sqlite'
import {uploadedBlobs} from '../support/access-log.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {cachedImages, cacheImage} from '../support/cache-image.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createIndex, createLayer, layerDigests} from '../support/images.ts'
import {fetchBlob, fetchManifest, fetchRepositories, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {startCommand} from '../support/started-command.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

describe('a damaged copy in a genuine registry', function () {
  this.timeout(180_000)
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

  const dataFile = (root: string, digest: string) => {
    const hex = digest.slice('sha256:'.length)
    return join(root, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data')
  }
  /** Other bytes of the same number: a HEAD does not tell. */
  const alter = async (file: string) => {
    const {length} = await readFile(file)
    await writeFile(file, Buffer.alloc(length))
  }

  it('in the embedded registry is read by --verify, and mended under its GUID', async () => {
    const first = await cacheImage(holdfast, [`${origin.host}/app:v1`])
    const file = dataFile(join(holdfast.dataDirectory, 'registry'), layer)
    const bytes = await readFile(file)
    await alter(file)
    const {stdout, stderr, exitCode} = await holdfast.run(['cache-image', `${origin.host}/app:v1`, '--verify'])
    assert.equal(exitCode, 0, stderr)
    assert.equal(stdout, `${first.pinnedReference}\n`)
    assert.ok(stderr.includes(`has other bytes under ${layer}`), stderr)
    assert.match(stderr, /was healed and is whole/)
    assert.deepEqual(await readFile(file), bytes)
    await alter(dataFile(join(holdfast.dataDirectory, 'registry'), sample.digest))
    const [again] = cachedImages(await holdfast.json(['cache-image', `${origin.host}/app:v1`]))
    assert.deepEqual([again?.pinnedReference, again?.healed], [first.pinnedReference, [sample.digest]])
  })

  it('in a layout is mended by copy --verify', async () => {
    const folder = join(holdfast.home, 'layout')
    const copy = ['copy', `${origin.host}/app:v1`, `oci:${folder}:v1`]
    assert.equal((await holdfast.run(copy)).exitCode, 0)
    await alter(join(folder, 'blobs/sha256', layer.slice('sha256:'.length)))
    const {envelope, exitCode} = await holdfast.json([...copy, '--verify'])
    assert.deepEqual([exitCode, (envelope.result as {readonly healed?: unknown}).healed], [0, [layer]])
  })

  it('that docker-registry keeps whatever is sent is an error with the way out, and is healed after that', async () => {
    const copy = ['copy', `${origin.host}/app:v1`, `${target.host}/kept/app:v1`, '--verify']
    assert.equal((await holdfast.run(copy)).exitCode, 0)
    const file = dataFile(target.root, layer)
    await alter(file)
    const {envelope, exitCode} = await holdfast.json(copy)
    assert.deepEqual([envelope.error?.code, exitCode], ['INTEGRITY', 8])
    const hint = envelope.error?.hints[0] ?? ''
    assert.equal(hint.split(' ')[1], relative(target.root, file))
    await rm(file)
    const healed = await holdfast.json(copy)
    assert.equal(healed.exitCode, 0, healed.stdout)
    assert.ok(await fetchBlob(target.url, 'kept/app', layer))
  })

  it('that was cut short is seen by --recheck, and fails every later run until it is whole', async () => {
    const cut = createImage([createLayer('cut', 'of which a part is lost')])
    const [cutLayer = ''] = layerDigests(cut)
    await pushImage(origin.url, 'cut', 'v1', cut)
    const args = ['cache-image', `${origin.host}/cut:v1`, '--to', target.host]
    assert.equal((await holdfast.run(args)).exitCode, 0)
    const file = dataFile(target.root, cutLayer)
    await truncate(file, 10)
    for (const flags of [['--recheck'], []]) {
      const {envelope, exitCode} = await holdfast.json([...args, ...flags])
      assert.deepEqual([envelope.error?.code, exitCode], ['INTEGRITY', 8])
    }
    await rm(file)
    const {exitCode, stderr} = await holdfast.run(args)
    assert.equal(exitCode, 0, stderr)
    assert.match(stderr, /was healed and is whole/)
    assert.ok(await fetchBlob(target.url, cachedImages(await holdfast.json(args))[0]?.repository ?? '', cutLayer))
  })

  it('is healed from the mirror that HOLDFAST_MIRROR names when its source has lost it', async () => {
    const lost = createImage([createLayer('lost', 'which the origin loses')])
    await pushImage(origin.url, 'lost', 'v1', lost)
    const mirror = await startDockerRegistry()
    afterwards(() => mirror.stop())
    await pushImage(mirror.url, `${origin.host.replace(':', '_')}/lost`, 'v1', lost)
    const args = ['cache-image', `${origin.host}/lost@${lost.digest}`, '--to', target.host]
    const first = await cacheImage(holdfast, args.slice(1))
    const {status} = await fetch(`${origin.url}/v2/lost/manifests/${lost.digest}`, {method: 'DELETE'})
    assert.equal(status, 202)
    await remove(`${first.repository}/blobs/${layerDigests(lost)[0]}`)
    const alone = await holdfast.json([...args, '--recheck'])
    assert.deepEqual([alone.envelope.error?.code, alone.exitCode], ['MANIFEST_NOT_FOUND', 3])
    const {exitCode, stdout, stderr} = await holdfast.run([...args, '--recheck'], {env: {HOLDFAST_MIRROR: mirror.url}})
    assert.equal(exitCode, 0, stderr)
    assert.equal(stdout, `${first.pinnedReference}\n`)
    assert.ok(await fetchBlob(target.url, first.repository, layerDigests(lost)[0] ?? ''))
  })

  it('is looked at by warm once a day, and healed', async () => {
    const list = join(holdfast.home, 'list.txt')
    await writeFile(list, `${origin.host}/app:v1\n`)
    const to = ['--to', target.host]
    const warmed = await holdfast.run(['warm', list, ...to])
    assert.equal(warmed.exitCode, 0, warmed.stderr)
    const image = await cacheImage(holdfast, [`${origin.host}/app:v1`, ...to])
    await remove(`${image.repository}/blobs/${layer}`)
    assert.doesNotMatch((await holdfast.run(['warm', list, ...to])).stderr, /healed/)
    const database = new DatabaseSync(join(holdfast.dataDirectory, 'holdfast.db'))
    database.exec("UPDATE cached_image SET created_at = '2026-01-01T00:00:00.000Z', checked_at = NULL")
    database.close()
    assert.match((await holdfast.run(['warm', list, ...to])).stderr, /was healed and is whole/)
    assert.ok(await fetchBlob(target.url, image.repository, layer))
  })

  it('stays removed when it was removed on purpose: the same request gets a fresh GUID', async () => {
    const first = await cache('--app', 'removed')
    const {exitCode, stderr} = await holdfast.run(['tag', 'delete', first.reference])
    assert.equal(exitCode, 0, stderr)
    const second = await cache('--app', 'removed', '--recheck')
    assert.notEqual(second.repository, first.repository)
    assert.equal(await fetchManifest(target.url, first.repository, 'latest'), undefined)
    const listed = (await holdfast.run(['cached', 'removed'])).stdout.split('\n')
    const marked = (pinned: string) => listed.find((line) => line.includes(pinned))?.endsWith('(removed)')
    assert.deepEqual(
      [first, second].map((image) => marked(image.pinnedReference)),
      [true, false],
    )
    const {envelope} = await holdfast.json(['cached', 'removed'])
    const {images} = envelope.result as {readonly images: readonly {readonly repository: string; readonly removedAt?: string}[]}
    assert.deepEqual(
      images.filter(({removedAt}) => removedAt !== undefined).map(({repository}) => repository),
      [first.repository],
    )
  })

  it('stays removed when another client removed it through serve, by tag or by digest', async () => {
    const server = startCommand(holdfast, ['serve', '--listen', '127.0.0.1:0', '--json'])
    const url = `http://127.0.0.1:${await server.listening()}`
    const args = [`${origin.host}/app:v1`, '--app', 'served']
    let image = await cacheImage(holdfast, args)
    for (const reference of ['latest', sample.digest]) {
      assert.ok(await fetchManifest(url, image.repository, reference))
      const {status} = await fetch(`${url}/v2/${image.repository}/manifests/${reference}`, {method: 'DELETE'})
      assert.equal(status, 202)
      const next = await cacheImage(holdfast, [...args, '--recheck'])
      assert.notEqual(next.repository, image.repository)
      assert.equal(await fetchManifest(url, image.repository, reference), undefined)
      image = next
    }
    server.kill('SIGTERM')
    assert.equal((await server.ended()).exitCode, 0)
  })

  it('stays removed under the name that it was cached with, wherever serve listens when a client or tag delete removes it', async () => {
    const recorded = {HOLDFAST_LISTEN: '127.0.0.1:5999'}
    const removed = async (app: string, remove: (repository: string, port: number) => Promise<void>) => {
      const cached = async () => (await cacheImage(holdfast, [`${origin.host}/app:v1`, '--app', app], {env: recorded})).repository
      const first = await cached()
      const server = startCommand(holdfast, ['serve', '--listen', '127.0.0.1:0', '--json'])
      await remove(first, await server.listening())
      server.kill('SIGTERM')
      assert.equal((await server.ended()).exitCode, 0)
      assert.notEqual(await cached(), first)
    }
    await removed('elsewhere', async (repository, port) => {
      const {status} = await fetch(`http://127.0.0.1:${port}/v2/${repository}/manifests/${sample.digest}`, {method: 'DELETE'})
      assert.equal(status, 202)
    })
    await removed('deleted', async (repository, port) => {
      const {exitCode, stderr} = await holdfast.run(['tag', 'delete', `127.0.0.1:${port}/${repository}:latest`])
      assert.equal(exitCode, 0, stderr)
    })
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
