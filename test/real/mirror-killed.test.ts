/** A mirror that is killed during pulls, again and again, and whose files are damaged in between. */
import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import {readdir, stat, truncate, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {randomOf} from '../support/copy-campaign.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer, OCI_MANIFEST, type SampleImage} from '../support/images.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {type ServedMirror, serveMirror} from '../support/served-mirror.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const ROUNDS = 5
const SEED = 20_26
const MAX_DELAY_MS = 1_500
/** What breaks off is asked for again. */
const TRIES = 5

const base = createLayer('base', 'of all', 2_000_000)
const images = Array.from({length: 6}, (_, index) => createImage([base, createLayer('app', `image ${index}`, 3_000_000)]))

describe('a mirror that is killed again and again', function () {
  this.timeout(300_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  const random = randomOf(SEED)
  let origin: DockerRegistry
  let user: Holdfast
  let mirror: ServedMirror
  let data: string

  before(async () => {
    const temporary = await createTemporaryDirectory('mirror-killed')
    afterwards(temporary.remove)
    data = temporary.path
    origin = await startDockerRegistry()
    afterwards(() => origin.stop())
    for (const [index, image] of images.entries()) await pushImage(origin.url, `shop/r${index}`, 'v1', image)
    user = await createHoldfast(temporary.path)
  })

  const start = async (): Promise<void> => {
    mirror = await serveMirror(user, ['--upstream', origin.url, '--revalidate', '**=always'])
    afterwards(() => mirror.stop())
  }

  /** Each answer of 200 has the bytes that were asked for, or breaks off. */
  const get = async (path: string, digest: string): Promise<void> => {
    const answer = await fetch(`${mirror.url}/v2/${path}`, {headers: {accept: OCI_MANIFEST}})
    const bytes = Buffer.from(await answer.arrayBuffer())
    assert.equal(answer.status, 200, `${path}: ${bytes.toString().slice(0, 300)}`)
    assert.equal(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, digest, path)
  }

  const isWrongByte = (error: unknown): boolean => error instanceof assert.AssertionError && error.expected !== 200

  const pull = async (index: number, image: SampleImage): Promise<void> => {
    await get(`shop/r${index}/manifests/v1`, image.digest)
    await Promise.all(image.blobs.map(({digest}) => get(`shop/r${index}/blobs/${digest}`, digest)))
  }

  const pullPatiently = async (index: number, image: SampleImage): Promise<void> => {
    for (let tries = 1; ; tries++) {
      try {
        return await pull(index, image)
      } catch (error) {
        if (isWrongByte(error) || tries === TRIES) throw error
        await sleep(100)
      }
    }
  }

  /** One file of a blob, zeroed or cut short. */
  const damage = async (): Promise<boolean> => {
    const files = (await readdir(data, {recursive: true, withFileTypes: true}))
      .filter(({name, parentPath}) => name === 'data' && parentPath.includes('blobs'))
      .map(({name, parentPath}) => join(parentPath, name))
      .sort()
    const file = files[Math.floor(random() * files.length)]
    if (file === undefined) return false
    const {size} = await stat(file)
    if (random() < 0.5) await writeFile(file, Buffer.alloc(size))
    else await truncate(file, Math.floor(size / 2))
    return true
  }

  it('serves no wrong byte, and has everything with its upstream gone once it was pulled whole', async () => {
    let damages = 0
    for (let round = 0; round < ROUNDS; round++) {
      await start()
      const pulls = Promise.allSettled(images.map((image, index) => pull(index, image)))
      await sleep(random() * MAX_DELAY_MS)
      await mirror.kill()
      for (const outcome of await pulls) if (outcome.status === 'rejected') assert.ok(!isWrongByte(outcome.reason), String(outcome.reason))
      if (await damage()) damages++
    }
    assert.ok(damages > 0)
    await start()
    for (const [index, image] of images.entries()) await pullPatiently(index, image)
    await mirror.stop()
    await origin.kill()
    await start()
    for (const [index, image] of images.entries()) await pullPatiently(index, image)
  })
})
