/** Two collectors on one PostgreSQL behind nginx as rendered, and a genuine docker-registry that trusts them: restarted one after the other under load, and killed. */
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {spawnChild} from '../support/child-process.ts'
import {startDockerRegistry} from '../support/docker-registry.ts'
import {freePort, freePorts} from '../support/free-port.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {startNginx} from '../support/nginx.ts'
import {type Postgres, startPostgres} from '../support/postgres.ts'
import {pushImage} from '../support/push-image.ts'
import {findProgram, needs} from '../support/required-program.ts'
import {command, type ServedCollector, serveCollector} from '../support/served-collector.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'

const PASSWORD = 'correct horse'
const LOADS = 3
const REQUESTS_BETWEEN = 30
/** nginx leaves a replica that did not answer alone for a second, and counts in whole ones. */
const FAIL_TIMEOUT_MS = 2_500
/** The first sweeps are within five seconds of a start. */
const SWEEP_WINDOW_MS = 7_000

describe('replicas of a collector', function () {
  this.timeout(180_000)
  needs('docker-registry', 'nginx', 'initdb', 'setpriv')
  const afterwards = cleanUpAfterwards()
  const image = createImage([createLayer('app', 'app', 3000)])
  let directory: string
  let postgres: Postgres
  let front: string
  let firstPort: number
  let owner: Holdfast
  const replicas: {home: Holdfast; port: number; served: ServedCollector}[] = []

  before(async () => {
    const temporary = await createTemporaryDirectory('collector-replicas')
    afterwards(temporary.remove)
    directory = temporary.path
    postgres = await startPostgres()
    afterwards(postgres.stop)
    const shared = {HOLDFAST_DATABASE_URL: await postgres.createDatabase('holdfast')}
    owner = await createHoldfast(join(directory, 'owner'), shared)
    await command(owner, ['group', 'add', 'team'])
    await command(owner, ['user', 'add', 'ann', '--password-stdin', '--group', 'team', '--privilege', 'Manager,Pusher,Puller'], PASSWORD)
    firstPort = await freePorts(3)
    front = `127.0.0.1:${await freePort()}`
    const registry = `127.0.0.1:${firstPort + 2}`
    const managed = ['registry', 'manage', 'internal', '--url', `http://${registry}`, '--service', 'internal']
    await command(owner, [...managed, '--responsible', 'team', '--publication', 'team'])
    for (const port of [firstPort, firstPort + 1]) {
      const home = await createHoldfast(join(directory, String(port)), shared)
      replicas.push({home, port, served: await start(home, port)})
    }
    afterwards(() => Promise.all(replicas.map(({served}) => served.stop())))
    const folder = join(directory, 'rendered')
    await command(owner, [
      ...['registry', 'render', 'internal', '--directory', folder, '--collector-url', `http://${front}`, '--nginx-listen', front],
      ...['--listen', registry, '--storage', join(directory, 'storage')],
      ...replicas.flatMap(({port}) => ['--collector-address', `127.0.0.1:${port}`]),
    ])
    const child = spawnChild(findProgram('docker-registry') ?? '', ['serve', join(folder, 'config.yml')], {
      stdio: 'ignore',
      env: {PATH: process.env.PATH},
    })
    afterwards(async () => {
      child.kill('SIGTERM')
      await once(child, 'exit')
    })
    const nginx = await startNginx({directory: join(directory, 'nginx'), include: join(folder, 'nginx.conf'), url: `http://${front}/v2/`})
    afterwards(nginx.stop)
    await until(async () => (await fetch(`http://${front}/v2/`)).status === 401)
  })

  const start = (home: Holdfast, port: number, more: readonly string[] = []) =>
    serveCollector(home, ['--listen', `127.0.0.1:${port}`, '--trusted-proxy', '127.0.0.1', '--public-url', `http://${front}`, ...more])

  const basic = `Basic ${Buffer.from(`ann:${PASSWORD}`).toString('base64')}`
  const askToken = (host: string, scope = 'repository:users/ann/app:pull,push') =>
    fetch(`http://${host}/token?service=internal&scope=${encodeURIComponent(scope)}`, {headers: {authorization: basic}})

  async function signIn(host: string): Promise<string> {
    const answer = await fetch(`http://${host}/token?service=internal&offline_token=true&client_id=docker`, {
      headers: {authorization: basic},
    })
    return ((await answer.json()) as {refresh_token: string}).refresh_token
  }

  const renew = (host: string, refreshToken: string) =>
    fetch(`http://${host}/token`, {
      method: 'POST',
      body: new URLSearchParams({grant_type: 'refresh_token', service: 'internal', client_id: 'docker', refresh_token: refreshToken}),
    })

  /** Tokens by password and by session, and pulls with them, over and over; answers what was not as it should be. */
  function load(refreshToken: string): {asked(): number; stop(): Promise<readonly string[]>} {
    const failures: string[] = []
    let [asked, isOver] = [0, false]
    const note = async (what: string, answer: Promise<Response>): Promise<Response | undefined> => {
      asked++
      const got = await answer.catch((error: unknown) => {
        failures.push(`${what}: ${String(error)}`)
        return undefined
      })
      if (got !== undefined && got.status !== 200) failures.push(`${what}: ${got.status} ${await got.clone().text()}`)
      return got
    }
    const loops = Array.from({length: LOADS}, async () => {
      while (!isOver) {
        const given = await note('password', askToken(front))
        await note('session', renew(front, refreshToken)).then((answer) => answer?.arrayBuffer())
        const {token = ''} = ((await given?.json().catch(() => ({}))) ?? {}) as {token?: string}
        const headers = {authorization: `Bearer ${token}`, accept: image.mediaType}
        await note('pull', fetch(`http://${front}/v2/users/ann/app/manifests/v1`, {headers})).then((answer) => answer?.arrayBuffer())
      }
    })
    return {
      asked: () => asked,
      async stop() {
        isOver = true
        await Promise.all(loops)
        return failures
      },
    }
  }

  async function push(): Promise<void> {
    const {token} = (await (await askToken(front)).json()) as {token: string}
    const headers = {authorization: `Bearer ${token}`}
    const base = `http://${front}/v2/users/ann/app`
    for (const {digest, bytes} of image.blobs) {
      const opened = await fetch(`${base}/blobs/uploads/`, {method: 'POST', headers})
      const at = new URL(opened.headers.get('location') ?? '', base)
      at.searchParams.set('digest', digest)
      const put = await fetch(at, {
        method: 'PUT',
        headers: {...headers, 'content-type': 'application/octet-stream'},
        body: new Uint8Array(bytes),
      })
      assert.equal(put.status, 201, await put.text())
    }
    const put = await fetch(`${base}/manifests/v1`, {
      method: 'PUT',
      headers: {...headers, 'content-type': image.mediaType},
      body: new Uint8Array(image.bytes),
    })
    assert.equal(put.status, 201, await put.text())
  }

  it('are one: who signed in at one is known to the other, and a token of either opens the registry', async () => {
    await push()
    const [one, two] = replicas
    assert.ok(one && two)
    const session = await signIn(one.served.host)
    assert.equal((await renew(two.served.host, session)).status, 200)
    for (const {served} of replicas) {
      const {token} = (await (await askToken(served.host)).json()) as {token: string}
      const pulled = await fetch(`http://${front}/v2/users/ann/app/manifests/v1`, {
        headers: {authorization: `Bearer ${token}`, accept: image.mediaType},
      })
      assert.equal(pulled.status, 200)
    }
  })

  it('are told of what happens once, and look at a registry once between them', async () => {
    await until(async () => {
      const {events} = (await command(owner, ['events', '--registry', 'internal'])) as {events: {action: string; tag?: string}[]}
      return events.filter(({action, tag}) => action === 'push' && tag === 'v1').length === 1
    })
    await sleep(SWEEP_WINDOW_MS)
    const metrics = await Promise.all(replicas.map(async ({served}) => await (await fetch(`${served.url}/metrics`)).text()))
    const sweeps = metrics.map((text) =>
      [...text.matchAll(/^holdfast_discovery_duration_seconds_count\{registry="internal"\} (\d+)/gm)].map(([, count]) => Number(count)),
    )
    assert.equal(
      sweeps.flat().reduce((sum, count) => sum + count, 0),
      1,
      metrics
        .join('\n')
        .match(/.*sweep.*/g)
        ?.join('\n'),
    )
  })

  it('know what was pulled, and see once between them to what a list names', async () => {
    const registry = `127.0.0.1:${firstPort + 2}`
    await until(async () => {
      const {stdout} = await owner.run(['warm', '--from-log', '--dry-run'])
      return stdout === `${registry}/users/ann/app:v1\n`
    })
    const origin = await startDockerRegistry()
    afterwards(origin.stop)
    await pushImage(origin.url, 'shop/web', 'v1', image)
    await pushImage(origin.url, 'shop/web', 'v2', image)
    const list = join(directory, 'images.txt')
    await writeFile(list, `${origin.host}/shop/web v*\n`)
    for (const replica of replicas) {
      await replica.served.stop()
      await command(replica.home, ['registry', 'add', 'origin', origin.url, '--plain-http'])
      replica.served = await start(replica.home, replica.port, ['--warm', list, '--warm-every', '1h'])
    }
    const cached = async () =>
      (await Promise.all(replicas.map(async ({home}) => ((await command(home, ['cached'])) as {images: object[]}).images.length))).sort()
    await until(async () => (await cached()).at(-1) === 2)
    await sleep(FAIL_TIMEOUT_MS)
    assert.deepEqual(await cached(), [0, 2], 'one of them did it')
    for (const replica of replicas) {
      await replica.served.stop()
      replica.served = await start(replica.home, replica.port)
    }
    await sleep(FAIL_TIMEOUT_MS)
  })

  it('are restarted one after the other, and killed, without a token that is not given', async () => {
    const running = load(await signIn(front))
    const progress = async (): Promise<void> => {
      const before = running.asked()
      await until(async () => running.asked() > before + REQUESTS_BETWEEN, 20_000)
    }
    await progress()
    for (const end of ['stop', 'stop', 'kill'] as const)
      for (const replica of replicas) {
        await replica.served[end]()
        await progress()
        replica.served = await start(replica.home, replica.port)
        await sleep(FAIL_TIMEOUT_MS)
      }
    assert.deepEqual(await running.stop(), [])
    assert.ok(running.asked() > 6 * REQUESTS_BETWEEN)
  })
})
