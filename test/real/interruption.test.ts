/** A copy that dies half-way, against a genuine registry: nothing looks finished, and the next run goes through. */
import assert from 'node:assert/strict'
import {existsSync} from 'node:fs'
import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {downloadedBlobs} from '../support/access-log.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type ByteRelay, startByteRelay} from '../support/byte-relay.ts'
import {cacheImage} from '../support/cache-image.ts'
import {type DockerRegistry, type DockerRegistryOptions, startDockerRegistry} from '../support/docker-registry.ts'
import {type HeldRequests, startHeldRequests} from '../support/held-requests.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {fetchManifest, fetchRepositories, fetchTags, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {startCommand} from '../support/started-command.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'

const LARGE_BYTES = 48 * 1024 * 1024
const HALF_WAY_BYTES = LARGE_BYTES / 2

describe('a copy that is interrupted', function () {
  this.timeout(180_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  const sample = createImage([createLayer('small', 'small'), createLayer('large', 'large', LARGE_BYTES)])
  let directory: TemporaryDirectory
  let origin: DockerRegistry
  let holdfast: Holdfast
  let count = 0

  const start = async (options: DockerRegistryOptions = {}): Promise<DockerRegistry> => {
    const registry = await startDockerRegistry(options)
    afterwards(registry.stop)
    return registry
  }
  const relayTo = async (target: DockerRegistry, onHalfWay: () => void): Promise<ByteRelay> => {
    const relay = await startByteRelay({port: target.port, direction: 'to-server', bytes: HALF_WAY_BYTES, onReached: onHalfWay})
    afterwards(relay.stop)
    return relay
  }
  const tagsOf = async (registry: DockerRegistry): Promise<readonly string[]> =>
    (await Promise.all((await fetchRepositories(registry.url)).map((name) => fetchTags(registry.url, name)))).flat()
  const resultFile = (): string => join(directory.path, `results-${++count}`, 'result.json')

  before(async () => {
    directory = await createTemporaryDirectory('interrupted')
    afterwards(directory.remove)
    origin = await start()
    await pushImage(origin.url, 'large', 'v1', sample)
    holdfast = await createHoldfast(directory.path)
  })

  it('leaves no tag and no result when the target is killed, ends with an error, and works again when the target is back', async () => {
    const target = await start()
    const relay = await relayTo(target, () => void target.kill())
    const result = resultFile()
    const {envelope, exitCode} = await holdfast.json(['cache-image', `${origin.host}/large:v1`, '--to', relay.host, '--result', result])
    assert.ok(relay.wasReached())
    assert.equal(envelope.ok, false)
    assert.equal(exitCode, 7, JSON.stringify(envelope))
    assert.equal(envelope.error?.details?.side, 'target')
    assert.equal(existsSync(result), false)
    const listed = await holdfast.json(['cached'])
    assert.ok(!listed.stdout.includes('/large:v1'), listed.stdout)

    const revived = await start({root: target.root, port: target.port})
    assert.deepEqual(await tagsOf(revived), [])
    const cached = await cacheImage(holdfast, [`${origin.host}/large:v1`, '--to', relay.host, '--result', result])
    assert.equal((await fetchManifest(revived.url, cached.repository, 'latest'))?.digest, sample.digest)
    assert.equal(existsSync(result), true)
  })

  it('ends with 130 on Ctrl-C, with no tag, no result and no temporary file', async () => {
    const target = await start()
    let pid = 0
    const relay = await relayTo(target, () => process.kill(pid, 'SIGINT'))
    const result = resultFile()
    const {exitCode, signal, stdout} = await holdfast.run(
      ['cache-image', `${origin.host}/large:v1`, '--to', relay.host, '--result', result],
      {
        onStart: (id) => {
          pid = id
        },
      },
    )
    assert.ok(relay.wasReached())
    assert.deepEqual([exitCode, signal, stdout], [130, null, ''])
    assert.equal(existsSync(result), false)
    assert.deepEqual(await tagsOf(target), [])
    const left = (await readdir(holdfast.home, {recursive: true})).filter((name) => name.endsWith('.tmp'))
    assert.deepEqual(left, [])
  })

  it('says on Ctrl-C what the name at the target is worth: as before, or perhaps written already', async () => {
    const target = await start()
    const copied = `stopped by a signal: "${target.host}/large:v1"`
    const blobs = await startHeldRequests(origin.url, ({method, url}) => method === 'GET' && url?.includes('/blobs/') === true)
    afterwards(blobs.stop)
    const names = await startHeldRequests(target.url, ({method, url}) => method === 'PUT' && url === '/v2/large/manifests/v1')
    afterwards(names.stop)
    const stopCopy = async (front: HeldRequests, from: string, to: string): Promise<string> => {
      const command = startCommand(holdfast, ['copy', `${from}/large:v1`, `${to}/large:v1`])
      await until(() => front.asked() > 0)
      command.kill('SIGINT')
      const {exitCode, stderr} = await command.ended()
      assert.equal(exitCode, 130, stderr)
      return stderr
    }
    const early = await stopCopy(blobs, blobs.host, target.host)
    assert.ok(early.includes(`${copied} names what it named; blobs that arrived are used by the next run`), early)
    assert.deepEqual(await tagsOf(target), [])
    const late = await stopCopy(names, origin.host, names.host)
    assert.ok(late.includes(`stopped by a signal: "${names.host}/large:v1" may be written or not; the same command again makes sure`), late)
  })

  it('goes on with a download where it broke off', async () => {
    const target = await start()
    const relay = await startByteRelay({
      port: origin.port,
      direction: 'to-client',
      bytes: HALF_WAY_BYTES,
      onReached: () => relay.dropConnections(),
    })
    afterwards(relay.stop)
    await origin.forgetAccessLog()
    const cached = await cacheImage(holdfast, [`${relay.host}/large:v1`, '--to', target.host])
    assert.ok(relay.wasReached())
    assert.equal((await fetchManifest(target.url, cached.repository, 'latest'))?.digest, sample.digest)
    const large = sample.blobs.at(-1)?.digest ?? ''
    const resumed = (await origin.accessLog()).filter(({status, path}) => status === 206 && path.endsWith(large))
    assert.equal(resumed.length, 1)
    assert.ok((resumed[0]?.bytes ?? LARGE_BYTES) < LARGE_BYTES * 0.75)
    assert.equal(new Set(downloadedBlobs(await origin.accessLog())).size, sample.blobs.length)
  })
})
