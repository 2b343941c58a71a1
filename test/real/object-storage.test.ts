/** What `registry render --storage s3` writes, started as it is: replicas of a genuine docker-registry over Swift's S3, Redis and nginx; one dies, and a mirror stands over them. */
import assert from 'node:assert/strict'
import type {ChildProcess} from 'node:child_process'
import {createHash} from 'node:crypto'
import {once} from 'node:events'
import {chmod, readFile, stat, writeFile} from 'node:fs/promises'
import {createServer, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {AwsClient} from 'aws4fetch'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {spawnChild} from '../support/child-process.ts'
import {createContainerClients} from '../support/clients.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {freePort, freePorts} from '../support/free-port.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer, type SampleImage} from '../support/images.ts'
import {startNginx} from '../support/nginx.ts'
import {pushImage} from '../support/push-image.ts'
import {type Redis, startRedis} from '../support/redis.ts'
import {findProgram, needs} from '../support/required-program.ts'
import {run} from '../support/run-program.ts'
import {serveMirror} from '../support/served-mirror.ts'
import {SWIFT_PROGRAMS, type Swift, startSwift} from '../support/swift.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'

const BUCKET = 'acme-images'
const REDIS_PASSWORD = 'canary-of-redis'
const LARGE_BYTES = 12 * 1024 * 1024
const PULLERS = 4
const FAIL_TIMEOUT_MS = 2_500
const PULLS_AFTERWARDS = 20

interface Load {
  pulls(): number
  stop(): Promise<{readonly failed: readonly string[]; readonly pulls: number}>
}

describe('replicas of a registry over an object store', function () {
  this.timeout(180_000)
  needs('docker-registry', 'nginx', 'redis-server', 'redis-cli', 'skopeo', ...SWIFT_PROGRAMS)
  const afterwards = cleanUpAfterwards()
  const image = createImage([createLayer('base', 'base', 40_000), createLayer('app', 'app', 3000)])
  const large = createImage([createLayer('large', 'large', LARGE_BYTES)])
  let directory: string
  let folder: string
  let swift: Swift
  let redis: Redis
  let owner: Holdfast
  let front: string
  let firstPort: number
  const replicas = new Map<number, ChildProcess>()

  before(async () => {
    const temporary = await createTemporaryDirectory('object-storage')
    afterwards(temporary.remove)
    directory = temporary.path
    folder = join(directory, 'store')
    ;[swift, redis] = await Promise.all([startSwift(), startRedis(REDIS_PASSWORD)])
    afterwards(swift.stop)
    afterwards(redis.stop)
    owner = await createHoldfast(directory, {
      AWS_ACCESS_KEY_ID: swift.accessKeyId,
      AWS_SECRET_ACCESS_KEY: swift.secretAccessKey,
      HOLDFAST_REDIS_PASSWORD: REDIS_PASSWORD,
    })
    firstPort = await freePorts(2)
    front = `127.0.0.1:${await freePort()}`
    assert.equal((await render([])).bucket, 'created')
    for (const port of [firstPort, firstPort + 1]) startReplica(port)
    afterwards(async () => {
      for (const port of replicas.keys()) await endReplica(port, 'SIGTERM')
    })
    const nginx = await startNginx({directory: join(directory, 'nginx'), include: join(folder, 'nginx.conf'), url: `http://${front}/`})
    afterwards(nginx.stop)
    await until(async () => (await fetch(`http://${front}/v2/`)).status === 200, 10_000)
    await pushImage(`http://${front}`, 'shop/web', 'v1', image)
    await pushImage(`http://${front}`, 'shop/large', 'v1', large)
    const added = await owner.run(['registry', 'add', 'store', `http://${front}`, '--plain-http'])
    assert.equal(added.exitCode, 0, added.stderr)
  })

  async function render(flags: readonly string[]): Promise<{bucket: string; files: string[]}> {
    const {exitCode, envelope, stdout} = await owner.json([
      ...['registry', 'render', 'store', '--storage', 's3', '--bucket', BUCKET, '--s3-endpoint', swift.url, '--create-bucket'],
      ...['--replicas', '2', '--listen', `127.0.0.1:${firstPort}`, '--redis', redis.address, '--directory', folder],
      ...['--nginx-listen', front, '--allow', '127.0.0.0/8', ...flags],
    ])
    assert.equal(exitCode, 0, stdout)
    assert.ok(!stdout.includes(REDIS_PASSWORD) && !stdout.includes(`"${swift.secretAccessKey}"`))
    return envelope.result as {bucket: string; files: string[]}
  }

  /** As its unit does. */
  function startReplica(port: number): void {
    const child = spawnChild(findProgram('docker-registry') ?? '', ['serve', join(folder, 'current.yml')], {
      stdio: 'ignore',
      env: {PATH: process.env.PATH, REGISTRY_HTTP_ADDR: `127.0.0.1:${port}`},
    })
    replicas.set(port, child)
  }

  async function endReplica(port: number, signal: NodeJS.Signals): Promise<void> {
    const child = replicas.get(port)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }

  /** Starts it again; settles when nginx sees it, which leaves one that did not answer alone for a second. */
  async function revive(port: number): Promise<void> {
    startReplica(port)
    await until(async () => (await fetch(`http://127.0.0.1:${port}/v2/`).catch(() => undefined))?.status === 200, 10_000)
    await sleep(FAIL_TIMEOUT_MS)
  }

  /** The keys of all objects in the bucket. */
  async function objects(): Promise<readonly string[]> {
    const client = new AwsClient({
      accessKeyId: swift.accessKeyId,
      secretAccessKey: swift.secretAccessKey,
      service: 's3',
      region: 'us-east-1',
    })
    const answer = await client.fetch(`${swift.url}/${BUCKET}?max-keys=1000`)
    return [...(await answer.text()).matchAll(/<Key>([^<]+)<\/Key>/g)].map(([, key]) => key ?? '')
  }

  const holds = async (digest: string): Promise<boolean> =>
    (await objects()).some((key) => key.includes(`/${digest.replace('sha256:', '')}/data`))

  /**
   * Pulls over and over until told to stop; answers what failed, and how many did not. skopeo takes small images: of a layer that breaks off in its midst it asks for no rest,
   * as ours does.
   */
  async function pulling(host: string): Promise<Load> {
    const {skopeo} = await createContainerClients(join(directory, `c${Math.random()}`), {insecure: [host]})
    const failed: string[] = []
    let [pulls, isOver] = [0, false]
    const loops = Array.from({length: PULLERS}, async (_, index) => {
      while (!isOver) {
        const target = join(directory, `layout-${index}-${pulls}`)
        const {exitCode, stderr} = await (index % 2 === 0
          ? skopeo('copy', '--src-tls-verify=false', `docker://${host}/shop/web:v1`, `oci:${target}:v1`)
          : owner.run(['copy', `${host}/shop/large:v1`, `oci:${target}:v1`]))
        if (exitCode === 0) pulls++
        else failed.push(stderr)
      }
    })
    return {
      pulls: () => pulls,
      async stop() {
        isOver = true
        await Promise.all(loops)
        return {failed, pulls}
      },
    }
  }

  it('start as they were rendered, in a bucket that is made once, and keep secrets from others', async () => {
    for (const {digest} of [...image.blobs, image]) assert.ok(await holds(digest), digest)
    const again = await render([])
    assert.equal(again.bucket, 'there')
    for (const name of ['config.yml', 'config-readonly.yml']) assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name)
    for (const name of ['nginx.conf', 'store-registry@.service', 'garbage-collect.sh', 'store-garbage-collect.service'])
      assert.doesNotMatch(await readFile(join(folder, name), 'utf8'), /testing|canary-of-redis/)
    const script = await run('bash', ['-n', join(folder, 'garbage-collect.sh')])
    assert.equal(script.exitCode, 0, script.stderr)
    // Layers come through nginx: nobody is sent to the object store.
    const blob = await fetch(`http://${front}/v2/shop/web/blobs/${image.blobs[0]?.digest}`, {redirect: 'manual'})
    assert.equal(blob.status, 200)
    // Another secret ends uploads of before, so replicas take what was rendered together.
    for (const port of [firstPort, firstPort + 1]) {
      await endReplica(port, 'SIGTERM')
      startReplica(port)
    }
    await until(async () => (await fetch(`http://${front}/v2/`)).status === 200, 10_000)
  })

  it('tell what is wrong with a bucket, and write nothing then', async () => {
    const refusals = [
      [['--bucket', 'Not_A_Bucket'], {}, 'USAGE'],
      [['--bucket', BUCKET, '--s3-endpoint', 'http://u:secret@h'], {}, 'USAGE'],
      [['--bucket', BUCKET], {AWS_SECRET_ACCESS_KEY: 'wrong'}, 'DENIED'],
      [['--bucket', BUCKET], {AWS_ACCESS_KEY_ID: ''}, 'CREDENTIAL_NOT_FOUND'],
      [['--bucket', BUCKET, '--s3-endpoint', 'http://127.0.0.1:1'], {}, 'NETWORK'],
    ] as const
    for (const [flags, env, code] of refusals) {
      const target = join(directory, 'refused')
      const user = await createHoldfast(join(directory, code), {...owner.env, ...env})
      const endpoint = (flags as readonly string[]).includes('--s3-endpoint') ? [] : ['--s3-endpoint', swift.url]
      const args = ['registry', 'render', 'x', '--storage', 's3', '--allow', '10.0.0.0/8', '--create-bucket', '--directory', target]
      const {envelope, stdout} = await user.json([...args, ...endpoint, ...flags])
      assert.equal(envelope.error?.code, code, stdout)
      assert.ok(!stdout.includes('secret@'))
      await assert.rejects(stat(target))
    }
    const alone = await owner.json(['registry', 'render', 'x', '--replicas', '2', '--allow', '10.0.0.0/8'])
    assert.equal(alone.envelope.error?.code, 'USAGE')
    const open = await owner.json(['registry', 'render', 'x', '--storage', 's3', '--bucket', BUCKET])
    assert.match(open.envelope.error?.message ?? '', /without a collector everybody/)
  })

  it('lose no pull when one of them is killed, and take an upload where another left it', async () => {
    const load = await pulling(front)
    await until(async () => load.pulls() > PULLERS, 20_000)
    await endReplica(firstPort, 'SIGKILL')
    const before = load.pulls()
    await until(async () => load.pulls() > before + PULLS_AFTERWARDS, 30_000)
    await revive(firstPort)
    await endReplica(firstPort + 1, 'SIGKILL')
    const between = load.pulls()
    await until(async () => load.pulls() > between + PULLS_AFTERWARDS, 30_000)
    await revive(firstPort + 1)
    assert.deepEqual((await load.stop()).failed, [])

    const bytes = Buffer.from('begun at one, ended at the other')
    const opened = await fetch(`http://127.0.0.1:${firstPort}/v2/shop/web/blobs/uploads/`, {method: 'POST'})
    const at = new URL(opened.headers.get('location') ?? '', `http://127.0.0.1:${firstPort + 1}`)
    at.port = String(firstPort + 1)
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    at.searchParams.set('digest', digest)
    const put = await fetch(at, {method: 'PUT', body: bytes, headers: {'content-type': 'application/octet-stream'}})
    assert.equal(put.status, 201, await put.text())
    assert.ok(await holds(digest))
  })

  it('hold what a mirror has: blobs land in the bucket, and no pull through it fails when one of them is killed', async () => {
    const origin: DockerRegistry = await startDockerRegistry()
    afterwards(origin.stop)
    const mirrored = createImage([createLayer('mirrored', 'mirrored', LARGE_BYTES), createLayer('m', 'small', 500)])
    await pushImage(origin.url, 'acme/tool', 'v1', mirrored)
    const user = await createHoldfast(join(directory, 'mirror'))
    const mirror = await serveMirror(user, ['--upstream', origin.url, '--store', `http://${front}/mirror`])
    afterwards(() => mirror.stop())
    await pull(mirror.url, 'acme/tool', mirrored)
    for (const {digest} of mirrored.blobs) await until(() => holds(digest))
    await origin.kill()
    // Plain requests, which resume nothing: what breaks behind the mirror its clients do not see.
    let [pulls, isOver] = [0, false]
    const loops = Array.from({length: PULLERS}, async () => {
      while (!isOver) {
        await pull(mirror.url, 'acme/tool', mirrored)
        pulls++
      }
    })
    for (const port of [firstPort, firstPort + 1]) {
      const before = pulls
      await until(async () => pulls > before, 20_000)
      await endReplica(port, 'SIGKILL')
      await until(async () => pulls > before + PULLERS * 2, 40_000)
      await revive(port)
    }
    isOver = true
    await Promise.all(loops)
  })

  it('are cleared of what no manifest names while they go on serving', async () => {
    const doomed = createImage([createLayer('doomed', 'doomed', 5000)])
    await pushImage(`http://${front}`, 'shop/old', 'v1', doomed)
    await fetch(`http://${front}/v2/shop/old/manifests/${doomed.digest}`, {method: 'DELETE'})
    const [layer] = doomed.blobs
    assert.ok(layer !== undefined && (await holds(layer.digest)))
    const manager = await startManager(async (unit) => {
      const port = Number(unit.split('@')[1])
      await endReplica(port, 'SIGTERM')
      startReplica(port)
    })
    afterwards(() => manager.server.close())
    const restart = join(directory, 'restart.sh')
    await writeFile(
      restart,
      `#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/${manager.port}\nprintf 'POST /%s HTTP/1.0\\r\\n\\r\\n' "$1" >&3\ncat <&3 >/dev/null\n`,
    )
    await chmod(restart, 0o755)
    const load = await pulling(front)
    const cleared = await run('bash', [join(folder, 'garbage-collect.sh')], {
      env: {PATH: process.env.PATH, RESTART: restart, GRACE_SECONDS: '0', REDISCLI_AUTH: REDIS_PASSWORD, AWS_CA_BUNDLE: '/x'},
    })
    const {failed, pulls} = await load.stop()
    assert.equal(cleared.exitCode, 0, cleared.stderr)
    assert.deepEqual([failed, pulls > 0], [[], true])
    assert.deepEqual(
      manager.restarted,
      [0, 1, 0, 1].map((index) => `store-registry@${firstPort + index}`),
    )
    assert.equal(await holds(layer.digest), false)
    // What was forgotten is taken anew, and not believed to be there.
    await pushImage(`http://${front}`, 'shop/old', 'v1', doomed)
    assert.ok(await holds(layer.digest))
    await pull(`http://${front}`, 'shop/old', doomed)
  })
})

async function pull(url: string, repository: string, image: SampleImage): Promise<void> {
  const answer = await fetch(`${url}/v2/${repository}/manifests/v1`, {headers: {accept: image.mediaType}})
  assert.equal(answer.status, 200, await answer.clone().text())
  assert.equal(answer.headers.get('docker-content-digest'), image.digest)
  await answer.arrayBuffer()
  for (const {digest} of image.blobs) {
    const blob = await fetch(`${url}/v2/${repository}/blobs/${digest}`)
    assert.equal(blob.status, 200)
    const hash = createHash('sha256').update(Buffer.from(await blob.arrayBuffer()))
    assert.equal(`sha256:${hash.digest('hex')}`, digest)
  }
}

/** What systemd does for the script: restarts a unit, and says when it has. */
async function startManager(restart: (unit: string) => Promise<void>): Promise<{server: Server; port: number; restarted: string[]}> {
  const restarted: string[] = []
  const server = createServer((request, response) => {
    const unit = (request.url ?? '').slice(1)
    restarted.push(unit)
    restart(unit).then(
      () => response.writeHead(200, {connection: 'close'}).end(),
      (error: Error) => response.destroy(error),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {server, port: (server.address() as AddressInfo).port, restarted}
}
