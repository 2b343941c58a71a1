/** What `registry render` writes, started as it is: a genuine docker-registry and nginx before it and the collector. */
import assert from 'node:assert/strict'
import type {ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {readFile, stat} from 'node:fs/promises'
import type {IncomingMessage} from 'node:http'
import {get} from 'node:https'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createCertificateAuthority} from '../support/certificates.ts'
import {spawnChild} from '../support/child-process.ts'
import {type ContainerClients, createContainerClients} from '../support/clients.ts'
import {startDockerRegistry} from '../support/docker-registry.ts'
import {freePort} from '../support/free-port.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {startNginx} from '../support/nginx.ts'
import {PATIENCE_MS} from '../support/patience.ts'
import {pushImage} from '../support/push-image.ts'
import {registryReleases} from '../support/registry-releases.ts'
import {findProgram, needs} from '../support/required-program.ts'
import {command, type ServedCollector, serveCollector} from '../support/served-collector.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'

const PASSWORD = 'correct horse'
const LARGE_LAYER_BYTES = 20_000_000

describe('a rendered registry', function () {
  this.timeout(180_000)
  needs('docker-registry', 'nginx', 'skopeo', 'podman', 'buildah', 'openssl')
  const afterwards = cleanUpAfterwards()
  let directory: string
  let owner: Holdfast
  let collector: ServedCollector
  let clients: ContainerClients
  let front: string
  let folder: string
  let registry: string

  before(async () => {
    const temporary = await createTemporaryDirectory('rendering')
    afterwards(temporary.remove)
    directory = temporary.path
    owner = await createHoldfast(directory)
    await command(owner, ['group', 'add', 'team'])
    await command(owner, ['user', 'add', 'ann', '--password-stdin', '--group', 'team', '--privilege', 'Manager,Pusher,Puller'], PASSWORD)
    collector = await serveCollector(owner, ['--trusted-proxy', '127.0.0.1'])
    afterwards(collector.stop)
    const [registryPort, frontPort] = [await freePort(), await freePort()]
    front = `127.0.0.1:${frontPort}`
    registry = `127.0.0.1:${registryPort}`
    folder = join(directory, 'rendered')
    await command(owner, [
      'registry',
      'manage',
      'internal',
      '--url',
      `http://127.0.0.1:${registryPort}`,
      '--service',
      'internal',
      '--responsible',
      'team',
      '--publication',
      'team',
    ])
    await command(owner, [
      ...['registry', 'render', 'internal', '--directory', folder, '--collector-url', `http://${front}`, '--nginx-listen', front],
      ...['--listen', `127.0.0.1:${registryPort}`, '--collector-address', collector.host, '--storage', join(directory, 'storage')],
    ])
    start('docker-registry', ['serve', join(folder, 'config.yml')])
    const nginx = await startNginx({directory: join(directory, 'nginx'), include: join(folder, 'nginx.conf'), url: `http://${front}/v2/`})
    afterwards(nginx.stop)
    await until(async () => (await fetch(`http://${front}/v2/`)).status === 401, PATIENCE_MS)
    clients = await createContainerClients(directory, {insecure: [front, '127.0.0.1']})
  })

  function start(program: string, args: readonly string[]): void {
    const child: ChildProcess = spawnChild(findProgram(program) ?? program, args, {stdio: 'ignore', env: {PATH: process.env.PATH}})
    afterwards(async () => {
      if (child.exitCode !== null) throw new Error(`${program} has ended by itself with ${child.exitCode}`)
      child.kill('SIGTERM')
      await once(child, 'exit')
    })
  }

  it('takes large pushes through nginx from whom the collector lets in, and tells the collector of them', async () => {
    const origin = await startDockerRegistry()
    afterwards(origin.stop)
    await pushImage(origin.url, 'app', 'v1', createImage([createLayer('large', 'large', LARGE_LAYER_BYTES)]))
    const flags = ['--src-tls-verify=false', '--dest-tls-verify=false', '--authfile', clients.authFile]
    const push = () => clients.skopeo('copy', ...flags, `docker://${origin.host}/app:v1`, `docker://${front}/users/ann/app:v1`)
    assert.notEqual((await push()).exitCode, 0)
    const login = await clients.skopeo('login', '--tls-verify=false', '-u', 'ann', '-p', PASSWORD, '--authfile', clients.authFile, front)
    assert.equal(login.exitCode, 0, login.stderr)
    const pushed = await push()
    assert.equal(pushed.exitCode, 0, pushed.stderr)
    assert.equal((await clients.podman('pull', '--quiet', `${front}/users/ann/app:v1`)).exitCode, 0)
    await until(async () => {
      const {events} = (await command(owner, ['events', '--registry', 'internal'])) as {events: {action: string; actor: string}[]}
      return ['push', 'pull'].every((action) => events.some((event) => event.action === action && event.actor === 'ann'))
    })
    const {repositories} = (await command(owner, ['search', 'app'])) as {repositories: {name: string}[]}
    assert.deepEqual(
      repositories.map(({name}) => name),
      ['users/ann/app'],
    )
  })

  it('is swept under the name that nginx gives it, to the end of its own catalog', async () => {
    await command(owner, ['registry', 'manage', 'internal', '--url', `http://${front}`])
    try {
      const swept = (await command(owner, ['registry', 'discover', 'internal'])) as {isComplete: boolean; repositories: number}
      assert.deepEqual([swept.isComplete, swept.repositories], [true, 1])
      assert.equal((await fetch(`http://${front}/registry-catalog`)).status, 404, 'only nginx itself leads there')
    } finally {
      await command(owner, ['registry', 'manage', 'internal', '--url', `http://${registry}`])
      await command(owner, ['registry', 'discover', 'internal'])
    }
  })

  it('answers tokens and search under the same name, and believes nobody who says where he comes from', async () => {
    const authorization = `Basic ${Buffer.from(`ann:${PASSWORD}`).toString('base64')}`
    assert.equal((await fetch(`http://${front}/v1/_ping`)).status, 200)
    const found = await fetch(`http://${front}/v1/search?q=app`, {headers: {authorization}})
    assert.equal(((await found.json()) as {num_results: number}).num_results, 1)
    const spoofed = {authorization: 'Basic eDp5', 'x-forwarded-for': '198.51.100.7'}
    assert.equal((await fetch(`http://${front}/token?service=internal`, {headers: spoofed})).status, 401)
    const {entries} = (await command(owner, ['collector', 'audit', '--principal', 'x'])) as {entries: {address: string}[]}
    assert.deepEqual([...new Set(entries.map(({address}) => address))], ['127.0.0.1'])
  })

  it('is searched by podman, and pushed to by buildah, as far as they may', async () => {
    const login = await clients.podman('login', '--tls-verify=false', '-u', 'ann', '-p', PASSWORD, front)
    assert.equal(login.exitCode, 0, login.stderr)
    // podman asks registries before 2.0 for their search, where they have one.
    const found = await clients.podman('search', '--tls-verify=false', '--list-tags', `${front}/users/ann/app`)
    assert.match(found.stdout, /users\/ann\/app\s+v1/, found.stderr)
    const everything = await clients.podman('search', '--tls-verify=false', `${front}/app`)
    assert.match(everything.stdout, /users\/ann\/app/, everything.stderr)
    const pulled = await clients.buildah('pull', '--tls-verify=false', `${front}/users/ann/app:v1`)
    assert.equal(pulled.exitCode, 0, pulled.stderr)
    const push = (place: string) => clients.buildah('push', '--tls-verify=false', `${front}/users/ann/app:v1`, `docker://${front}/${place}`)
    const pushed = await push('users/ann/again:v1')
    assert.equal(pushed.exitCode, 0, pushed.stderr)
    assert.notEqual((await push('users/somebody/again:v1')).exitCode, 0)
  })

  it('keeps its secret from everybody but its owner, and ends the one before', async () => {
    assert.equal((await stat(join(folder, 'config.yml'))).mode & 0o777, 0o600)
    const secretOf = async () => /Bearer (hfe_[A-Za-z0-9_-]+)/.exec(await readFile(join(folder, 'config.yml'), 'utf8'))?.[1] ?? ''
    const before = await secretOf()
    const deliver = async (secret: string) =>
      (await fetch(`${collector.url}/events/internal`, {method: 'POST', headers: {authorization: `Bearer ${secret}`}, body: ''})).status
    assert.equal(await deliver(before), 202)
    const wrong = await owner.json([
      'registry',
      'render',
      'internal',
      '--directory',
      folder,
      '--collector-url',
      `http://${front}`,
      '--storage',
      'a\nb',
    ])
    assert.deepEqual([wrong.envelope.error?.code, wrong.exitCode], ['CONFIGURATION', 10])
    assert.equal(await deliver(before), 202, 'a rendering that failed has ended the secret')
    await command(owner, ['registry', 'render', 'internal', '--directory', folder, '--collector-url', `http://${front}`])
    assert.deepEqual([await deliver(before), await deliver(await secretOf())], [401, 202])
  })

  it('speaks TLS where it has a certificate, on the port that --nginx-listen names', async () => {
    const authority = await createCertificateAuthority(join(directory, 'ca'))
    const {certificateFile, keyFile} = await authority.issue('front')
    const port = await freePort()
    const secure = join(directory, 'secure')
    const flags = ['--collector-url', `https://127.0.0.1:${port}`, '--tls-cert', certificateFile, '--tls-key', keyFile]
    await command(owner, [
      ...['registry', 'render', 'internal', '--directory', secure, ...flags, '--nginx-listen', String(port)],
      ...['--listen', registry, '--collector-address', collector.host, '--storage', join(directory, 'storage')],
    ])
    // nginx answers plain HTTP on a port with TLS by 400.
    const plain = `http://127.0.0.1:${port}/v2/`
    const nginx = await startNginx({directory: join(directory, 'nginx-tls'), include: join(secure, 'nginx.conf'), url: plain})
    afterwards(nginx.stop)
    assert.equal((await fetch(plain)).status, 400)
    const [response] = (await once(get(`https://127.0.0.1:${port}/v2/`, {ca: authority.ca}), 'response')) as [IncomingMessage]
    response.resume()
    assert.equal(response.statusCode, 401)
    const syntax = await owner.json(['registry', 'render', 'internal', '--directory', secure, ...flags, '--nginx-listen', `${port} ssl`])
    assert.deepEqual([syntax.exitCode, syntax.envelope.error?.code], [2, 'USAGE'])
  })

  it('logs no secret of its notifications, in any release', async () => {
    for (const {program, version} of await registryReleases()) {
      const port = await freePort()
      const logged = join(directory, `logged-${version}`)
      await command(owner, [
        ...['registry', 'render', 'internal', '--directory', logged, '--collector-url', `http://${front}`, '--nginx-listen', front],
        ...[
          '--listen',
          `127.0.0.1:${port}`,
          '--collector-address',
          collector.host,
          '--storage',
          join(directory, `logged-${version}-storage`),
        ],
        ...(version.startsWith('v3') || version.startsWith('3') ? ['--distribution-version', '3'] : []),
      ])
      const [secret = ''] = /hfe_[A-Za-z0-9_-]+/.exec(await readFile(join(logged, 'config.yml'), 'utf8')) ?? []
      assert.notEqual(secret, '')
      const child = spawnChild(program, ['serve', join(logged, 'config.yml')], {stdio: 'pipe', env: {PATH: process.env.PATH}})
      let said = ''
      for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()))
      const ended = once(child, 'exit')
      await until(async () => (await fetch(`http://127.0.0.1:${port}/v2/`).catch(() => undefined))?.status === 401, PATIENCE_MS)
      child.kill('SIGTERM')
      await ended
      assert.ok(!said.includes(secret), `${version} logs the secret: ${said}`)
    }
  })
})
