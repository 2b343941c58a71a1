/** What `mirror render` writes, started as it is: a genuine nginx before a mirror and another application, and clients that may come or may not. */
import assert from 'node:assert/strict'
import {readFile, writeFile} from 'node:fs/promises'
import {createServer as createHttpServer, request} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'
import {parse} from 'yaml'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {freePort} from '../support/free-port.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {startNginx} from '../support/nginx.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {serveMirror} from '../support/served-mirror.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

describe('a protected mirror', function () {
  this.timeout(180_000)
  needs('docker-registry', 'nginx')
  const afterwards = cleanUpAfterwards()
  const image = createImage([createLayer('app', 'app', 2000)])
  let directory: string
  let origin: DockerRegistry
  let user: Holdfast
  let mirrorHost: string

  before(async () => {
    const temporary = await createTemporaryDirectory('mirror-nginx')
    afterwards(temporary.remove)
    directory = temporary.path
    origin = await startDockerRegistry()
    afterwards(origin.stop)
    await pushImage(origin.url, 'shop/web', 'v1', image)
    user = await createHoldfast(directory)
    const mirror = await serveMirror(user, ['--upstream', origin.url, '--allow', '127.0.0.1', '--trusted-proxy', '127.0.0.1'])
    afterwards(() => mirror.stop())
    mirrorHost = mirror.host
  })

  /** Renders, has nginx look at it, and starts it; answers where it listens. */
  async function protect(name: string, flags: readonly string[]): Promise<string> {
    const folder = join(directory, name)
    const listen = `127.0.0.1:${await freePort()}`
    const {exitCode, stdout} = await user.json([
      ...[
        'mirror',
        'render',
        '--url',
        'http://mirror.example.com',
        '--upstream',
        'docker.io,ghcr.io',
        '--unnamed',
        'docker.io',
        '--directory',
        folder,
      ],
      ...['--listen', mirrorHost, '--nginx-listen', listen, ...flags],
    ])
    assert.equal(exitCode, 0, stdout)
    const nginx = await startNginx({directory: folder, include: join(folder, 'nginx.conf'), url: `http://${listen}/healthz`})
    afterwards(nginx.stop)
    return listen
  }

  const ask = (listen: string, headers: Record<string, string> = {}, path = '/v2/shop/web/manifests/v1', method = 'GET') =>
    fetch(`http://${listen}${path}`, {method, headers: {host: 'mirror.example.com', ...headers}})

  it('answers whom it allows, and nobody who says that he is one of them', async () => {
    const listen = await protect('direct', ['--allow', '127.0.0.0/8'])
    const answer = await ask(listen)
    assert.deepEqual([answer.status, answer.headers.get('docker-content-digest')], [200, image.digest])
    const blob = await ask(listen, {}, `/v2/shop/web/blobs/${image.blobs[0]?.digest}`)
    assert.deepEqual([blob.status, (await blob.arrayBuffer()).byteLength], [200, image.blobs[0]?.bytes.length])
    assert.equal((await ask(listen, {}, '/v2/no-push/blobs/uploads/', 'POST')).status, 405)
    assert.equal((await ask(listen, {}, '/metrics')).status, 404)
    const closed = await protect('closed', ['--allow', '10.9.0.0/16'])
    assert.equal((await ask(closed)).status, 403)
    assert.equal((await ask(closed, {'x-forwarded-for': '10.9.1.1'})).status, 403)
  })

  it('believes the proxy before it, and no chain that a client has begun', async () => {
    const listen = await protect('behind', ['--allow', '10.9.0.0/16', '--trusted-proxy', '127.0.0.1'])
    const from = async (forwarded: string) => (await ask(listen, {'x-forwarded-for': forwarded})).status
    assert.deepEqual(
      [await from('10.9.1.1'), await from('8.8.8.8'), await from('10.9.1.1, 8.8.8.8'), (await ask(listen)).status],
      [200, 403, 403, 403],
    )
    for (const everybody of ['0.0.0.0/0', '::/0', '0.0.0.0/1', '2000::/3', 'all']) {
      const {envelope, exitCode} = await user.json([
        'mirror',
        'render',
        '--url',
        'http://m',
        '--upstream',
        'docker.io',
        '--allow',
        '10.0.0.0/8',
        '--trusted-proxy',
        everybody,
      ])
      assert.deepEqual([envelope.error?.code, exitCode], ['CONFIGURATION', 10])
    }
  })

  it('has other applications behind the same nginx', async () => {
    const other = createHttpServer((_request, response) => void response.end('the other one'))
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    afterwards(() => void other.close())
    const address = `127.0.0.1:${(other.address() as AddressInfo).port}`
    const listen = await protect('several', ['--allow', '127.0.0.0/8', '--application', `other.example.com=${address}`])
    // `fetch` lets nobody say which host is meant.
    const named = (host: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const sent = request(
          `http://${listen}/v2/shop/web/manifests/v1`,
          {headers: {host}},
          (answer) => void text(answer).then(resolve, reject),
        )
        sent.on('error', reject).end()
      })
    assert.match(await named('mirror.example.com'), /"schemaVersion"/)
    assert.equal(await named('other.example.com'), 'the other one')
  })

  it('says which client pulled what through it, by the address that nginx saw, and to those that may use the mirror alone', async () => {
    const listen = await protect('reported', ['--allow', '10.9.0.0/16', '--trusted-proxy', '127.0.0.1'])
    for (const client of ['10.9.2.1', '10.9.2.2', '10.9.2.2']) assert.equal((await ask(listen, {'x-forwarded-for': client})).status, 200)
    assert.equal((await ask(listen, {'x-forwarded-for': '10.9.2.1'}, '/clients')).status, 404, 'nginx lets no client of its own see it')
    await writeFile(
      join(directory, 'reported', 'mirror.yml'),
      `target: systemd\nurl: http://${listen}\nupstream: [docker.io]\nallow: [10.9.0.0/16]\nlisten: ${mirrorHost}\n`,
    )
    const {envelope, exitCode, stdout} = await user.json(['mirror', 'status', '--directory', join(directory, 'reported')])
    assert.equal(exitCode, 0, stdout)
    const {answer, pulled} = envelope.result as {
      answer: string
      pulled: {clients: {address: string; upstream: string; pulls: number; images: {image: string}[]}[]}
    }
    assert.equal(answer, 'forbidden', 'this machine is no client')
    const known = pulled.clients.filter(({address}) => address.startsWith('10.9.2.'))
    assert.deepEqual(
      known.map(({address, upstream, pulls, images}) => [address, upstream, pulls, images.map(({image: name}) => name)]),
      [
        ['10.9.2.2', origin.host, 2, [`${origin.host}/shop/web:v1`]],
        ['10.9.2.1', origin.host, 1, [`${origin.host}/shop/web:v1`]],
      ],
    )
    const shown = await user.run(['mirror', 'status', '--mirror', `http://${mirrorHost}`])
    assert.match(shown.stdout, / answers\nCLIENT +UPSTREAM +PULLS +SENT +LAST PULL +LAST IMAGE\n10\.9\.2\.2 +127\.0\.0\.1:\d+ +2 /)
    const metrics = await (await fetch(`http://${mirrorHost}/metrics`)).text()
    assert.match(metrics, /^holdfast_mirror_client_pulls_total\{client="10\.9\.2\.2",upstream="127\.0\.0\.1:\d+"\} 2$/m)
    assert.match(metrics, /^holdfast_mirror_client_last_pull_timestamp_seconds\{client="10\.9\.2\.1",upstream="127\.0\.0\.1:\d+"\} \d+/m)
    const closed = await serveMirror(user, ['--upstream', origin.url, '--allow', '10.9.0.0/16'])
    afterwards(() => closed.stop())
    for (const path of ['/clients', '/metrics']) assert.equal((await fetch(`${closed.url}${path}`)).status, 403, path)
    assert.equal((await fetch(`${closed.url}/readyz`)).status, 200)
    const refused = await user.json(['mirror', 'status', '--mirror', closed.url])
    assert.equal(refused.envelope.error?.code, 'DENIED')
  })

  it('comes with what its clients and its service manager need', async () => {
    const folder = join(directory, 'direct')
    const read = (file: string) => readFile(join(folder, file), 'utf8')
    assert.deepEqual(JSON.parse(await read('clients/docker/daemon.json'))['registry-mirrors'], ['http://mirror.example.com'])
    assert.deepEqual(parse(await read('clients/k3s/registries.yaml')).mirrors['ghcr.io'].endpoint, ['http://mirror.example.com'])
    assert.match(await read('clients/containerd/certs.d/docker.io/hosts.toml'), /server = "https:\/\/registry-1\.docker\.io"/)
    assert.match(
      await read('clients/podman/registries.conf'),
      /location = "ghcr\.io"\n\n\[\[registry\.mirror\]\]\nlocation = "mirror\.example\.com\/ghcr\.io"\ninsecure = true/,
    )
    assert.match(
      await read('clients/buildkit/buildkitd.toml'),
      /\[registry\."ghcr\.io"\]\n {2}mirrors = \["mirror\.example\.com\/ghcr\.io"\]/,
    )
    assert.match(
      await read('holdfast-mirror.service'),
      /^ExecStart=.*mirror serve --upstream docker\.io --upstream ghcr\.io --allow 127\.0\.0\.1 --trusted-proxy 127\.0\.0\.1 --unnamed docker\.io --listen /m,
    )
    const wrong = await user.json(['mirror', 'render', '--url', 'http://m', '--upstream', 'docker.io', '--allow', '10.0.0.0/8; allow all'])
    assert.equal(wrong.envelope.error?.code, 'CONFIGURATION')
  })
})
