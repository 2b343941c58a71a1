/** An instance of a protected mirror on Cloud Foundry that is told to end (SIGTERM) while a client pulls slowly through it: what its manifest says decides whether the client gets the rest. */
import assert from 'node:assert/strict'
import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {writeFile} from 'node:fs/promises'
import {createServer, get, type IncomingMessage} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {parse} from 'yaml'
import {renderMirrorManifest, renderProxyManifest} from '../../src/lib/rendering/mirror-cloud-foundry.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {killGroup, startBuildpackNginx, withPatience} from '../support/cells.ts'
import {startDockerRegistry} from '../support/docker-registry.ts'
import {freePort} from '../support/free-port.ts'
import {createImage, createLayer} from '../support/images.ts'
import {pushImage} from '../support/push-image.ts'
import {findProgram, needs} from '../support/required-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'

/** More than the sockets on the way hold. */
const LAYER_BYTES = 48_000_000
const MIRROR = {
  name: 'mirror',
  image: 'registry:2.8.3',
  upstream: {host: 'docker.io', path: 'docker.io', apiUrl: 'https://registry-1.docker.io'},
  instances: 1,
  memory: '256M',
  port: 5000,
  internalDomain: 'apps.internal',
  service: {offering: 's3', plan: 'basic'},
  allow: ['10.0.0.0/8'],
  trustedProxies: ['10.0.16.0/24'],
}

describe('an instance of a mirror that is told to end', function () {
  this.timeout(900_000)
  needs('docker-registry', 'nginx')
  const afterwards = cleanUpAfterwards()
  const image = createImage([createLayer('app', 'app', LAYER_BYTES)])
  const layer = image.blobs.reduce((largest, one) => (one.bytes.length > largest.bytes.length ? one : largest))

  /** Begins to read, ends the instance, and reads the rest; returns how many bytes came. */
  async function readAcross(url: string, child: ChildProcess): Promise<number> {
    const [response] = (await once(get(url, {agent: false}), 'response')) as [IncomingMessage]
    assert.equal(response.statusCode, 200)
    let bytes = 0
    const rest = response[Symbol.asyncIterator]()
    bytes += (await rest.next()).value.length
    child.kill('SIGTERM')
    // It has taken the signal when it takes no connection any more.
    const {hostname, port} = new URL(url)
    await until(async () => !(await fetch(`http://${hostname}:${port}/v2/`).catch(() => undefined)))
    for await (const chunk of {[Symbol.asyncIterator]: () => rest}) bytes += chunk.length
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    return bytes
  }

  const answers = (url: string) => until(async () => (await fetch(url).catch(() => undefined)) !== undefined)

  it('serves the rest of a layer as docker-registry', async () => {
    const folder = await createTemporaryDirectory('instance-end-registry')
    afterwards(folder.remove)
    const filled = await startDockerRegistry({root: join(folder.path, 'content')})
    await pushImage(filled.url, 'shop/web', 'v1', image)
    await filled.stop()
    const port = await freePort()
    const config = join(folder.path, 'config.yml')
    await writeFile(
      config,
      `version: 0.1\nlog: {level: error}\nhttp: {addr: "127.0.0.1:${port}"}\nstorage: {filesystem: {rootdirectory: "${join(folder.path, 'content')}"}}\n`,
    )
    const {REGISTRY_HTTP_DRAINTIMEOUT = ''} = parse(renderMirrorManifest(MIRROR)).applications[0].env
    assert.match(REGISTRY_HTTP_DRAINTIMEOUT, /^[1-9]s$/, 'Diego kills it after ten seconds')
    const env = {PATH: process.env.PATH, ...withPatience({REGISTRY_HTTP_DRAINTIMEOUT})}
    const child = spawn(findProgram('docker-registry') ?? '', ['serve', config], {env, stdio: 'ignore'})
    afterwards(() => child.kill('SIGKILL'))
    await answers(`http://127.0.0.1:${port}/v2/`)
    assert.equal(await readAcross(`http://127.0.0.1:${port}/v2/shop/web/blobs/${layer.digest}`, child), layer.bytes.length)
  })

  it('passes on the rest of a layer as nginx', async () => {
    const folder = await createTemporaryDirectory('instance-end-nginx')
    afterwards(folder.remove)
    const behind = createServer((_request, response) => response.end(layer.bytes)).listen(0, '127.0.0.1')
    await once(behind, 'listening')
    afterwards(() => behind.close())
    const port = await freePort()
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((kind) => `${kind}_temp_path ${folder.path}/${kind};`)
      .join(' ')
    const location = `location / { proxy_buffering off; proxy_pass http://127.0.0.1:${(behind.address() as AddressInfo).port}; }`
    await writeFile(
      join(folder.path, 'nginx.conf'),
      `daemon off; pid ${folder.path}/nginx.pid; error_log ${folder.path}/error.log; events {} http { access_log off; ${temporary} server { listen 127.0.0.1:${port}; ${location} } }`,
    )
    const {command} = parse(renderProxyManifest(MIRROR)).applications[0]
    const child = startBuildpackNginx(command, folder.path, findProgram('nginx') ?? 'nginx')
    afterwards(() => killGroup(child))
    await answers(`http://127.0.0.1:${port}/v2/`)
    assert.equal(await readAcross(`http://127.0.0.1:${port}/layer`, child), layer.bytes.length)
  })
})
