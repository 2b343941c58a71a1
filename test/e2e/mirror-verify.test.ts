/** `holdfast mirror verify` over the folder of a mirror: no server runs, and the upstream does not exist. */
import assert from 'node:assert/strict'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {createFilesystemStore, type FilesystemStore} from '../../src/lib/content/filesystem/store.ts'
import {parseDigest} from '../../src/lib/oci/digest.ts'
import {parseRepositoryName} from '../../src/lib/oci/reference.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createIndex, createLayer} from '../support/images.ts'
import {keepImage} from '../support/kept-image.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const UPSTREAM = 'upstream.invalid'
const base = createLayer('base', 'of both', 4000)
const complete = createImage([base, createLayer('app', 'one')])
const partial = createImage([base, createLayer('app', 'two')])
const moved = createImage([createLayer('app', 'three')])
const index = createIndex({'linux/amd64': moved, 'linux/arm64': createImage([createLayer('b', 'arm64')], {architecture: 'arm64'})})

describe('mirror verify', function () {
  this.timeout(180_000)
  let folder: string
  let remove: () => Promise<void>
  let user: Holdfast
  let kept: FilesystemStore

  beforeEach(async () => {
    const temporary = await createTemporaryDirectory('mirror-verify')
    folder = temporary.path
    remove = temporary.remove
    user = await createHoldfast(folder)
    kept = createFilesystemStore({root: join(user.dataDirectory, 'mirror', UPSTREAM)})
  })

  afterEach(async () => {
    await kept.close()
    await remove()
  })

  const verify = (...args: readonly string[]) => user.json(['mirror', 'verify', '--upstream', UPSTREAM, ...args])
  const imagesOf = (result: unknown) =>
    (result as {images: {image: string; outcome: string}[]}).images.map(({image, outcome}) => `${outcome} ${image.replace(UPSTREAM, '')}`)

  it('is an error when the mirror has no image: nothing was verified', async () => {
    const {exitCode, envelope} = await verify()
    assert.deepEqual([exitCode, envelope.ok, envelope.error?.code], [3, false, 'MANIFEST_NOT_FOUND'])
    assert.equal(envelope.error?.message, `cannot verify "${UPSTREAM}": the mirror has no image of it`)
  })

  it('is an error when a list or a log names no image of the mirror', async () => {
    await keepImage(kept, 'shop/web', complete, {tag: 'v1'})
    const list = join(folder, 'images.txt')
    await writeFile(list, '# nothing but a remark\n')
    assert.equal((await verify(list)).exitCode, 3)
    await writeFile(list, 'elsewhere.example.com/shop/web:v1\n')
    const {exitCode, envelope} = await verify(list)
    assert.equal(exitCode, 3)
    assert.deepEqual(envelope.error?.hints, ['holdfast mirror verify --upstream elsewhere.example.com'])
    await writeFile(list, '')
    assert.equal((await verify('--access-log', list)).exitCode, 3)
    await writeFile(list, `${UPSTREAM}/shop/web:v1\n`)
    assert.equal((await verify(list)).exitCode, 0)
  })

  it('names images that no tag names, and images that lack a layer', async () => {
    await keepImage(kept, 'shop/web', complete, {tag: 'v1'})
    await keepImage(kept, 'shop/by-digest', index)
    await keepImage(kept, 'shop/partial', partial, {without: [base.blob.digest]})
    const {exitCode, envelope} = await verify()
    assert.equal(exitCode, 9)
    assert.deepEqual(imagesOf(envelope.result), [
      `served /shop/by-digest@${index.digest}`,
      `broken /shop/partial@${partial.digest}`,
      'served /shop/web:v1',
    ])
  })

  it('is no use of an image: what no client pulls stays what is evicted first', async () => {
    await keepImage(kept, 'shop/web', complete, {tag: 'v1'})
    const repository = parseRepositoryName('shop/web')
    const digests = [complete.digest, ...complete.blobs.map(({digest}) => digest)].map(parseDigest)
    for (const digest of digests) await kept.keptContent.markUsed(repository, digest, 1_000_000_000_000)
    assert.equal((await verify()).exitCode, 0)
    for (const digest of digests) assert.equal(await kept.keptContent.lastUsedMs(repository, digest), 1_000_000_000_000)
  })

  it('is still called by its former name', async () => {
    await keepImage(kept, 'shop/web', complete, {tag: 'v1'})
    const {exitCode, envelope} = await user.json(['mirror', 'drill', '--upstream', UPSTREAM])
    assert.equal(exitCode, 0)
    assert.deepEqual(imagesOf(envelope.result), ['served /shop/web:v1'])
  })
})
