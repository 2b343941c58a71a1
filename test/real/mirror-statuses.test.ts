/** What cannot be served, by its cause, behind nginx as rendered: no image that an upstream refuses, limits or does not answer for takes a cached one with it. */
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {createServer, request as forward, type Server, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {startDockerRegistry} from '../support/docker-registry.ts'
import {freePort, freePorts} from '../support/free-port.ts'
import {createHoldfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {startNginx} from '../support/nginx.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {serveMirror} from '../support/served-mirror.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const CACHED_PULLS = 200
const LOADS = 4
/** nginx leaves a mirror that did not answer alone for a second, and counts in whole ones. */
const FAIL_TIMEOUT_MS = 2_500

describe('what a mirror cannot serve', function () {
  this.timeout(180_000)
  needs('docker-registry', 'nginx')
  const afterwards = cleanUpAfterwards()

  it('is told by its cause, and takes nothing that is cached with it, however often clients ask for it', async () => {
    const {path: directory, remove} = await createTemporaryDirectory('mirror-statuses')
    afterwards(remove)
    const image = createImage([createLayer('app', 'app', 20_000)])
    const [origin, store] = await Promise.all([startDockerRegistry(), startDockerRegistry()])
    for (const {stop} of [origin, store]) afterwards(stop)
    await pushImage(origin.url, 'shop/web', 'v1', image)
    const guarded = await startUpstream((path, response) => {
      if (!path.startsWith('/v2/shop/secret/')) return false
      response.writeHead(401, {'www-authenticate': 'Basic realm="secret"'}).end()
      return true
    }, origin.url)
    const limited = await startUpstream((_path, response) => {
      response.writeHead(429, {'retry-after': '60'}).end()
      return true
    }, origin.url)
    for (const {server} of [guarded, limited]) afterwards(() => void server.close())
    const gone = `127.0.0.1:${await freePort()}`
    const user = await createHoldfast(join(directory, 'user'))
    const [port, front] = [await freePorts(2), await freePort()]
    const upstreams = [guarded.host, limited.host, gone].map((host) => `http://${host}`).join(',')
    const folder = join(directory, 'mirror')
    const rendered = await user.json([
      ...['mirror', 'render', '--url', `http://127.0.0.1:${front}`, '--upstream', upstreams, '--store', store.url, '--instances', '2'],
      ...['--listen', `127.0.0.1:${port}`, '--allow', '127.0.0.0/8', '--directory', folder],
    ])
    assert.equal(rendered.exitCode, 0, rendered.stdout)
    for (const index of [0, 1]) {
      const mirror = await serveMirror(user, ['--upstream', upstreams, '--store', store.url, '--listen', `127.0.0.1:${port + index}`])
      afterwards(() => mirror.stop())
    }
    const nginx = await startNginx({directory: folder, include: join(folder, 'nginx.conf'), url: `http://127.0.0.1:${front}/healthz`})
    afterwards(nginx.stop)
    const ask = (host: string, path: string) => fetch(`http://127.0.0.1:${front}/v2/${host.replace(':', '_')}/${path}`)
    for (const path of ['manifests/v1', ...image.blobs.map(({digest}) => `blobs/${digest}`)]) {
      const answer = await ask(guarded.host, `shop/web/${path}`)
      assert.equal(answer.status, 200, await answer.text())
    }
    await sleep(FAIL_TIMEOUT_MS)

    const told = new Map<string, Set<string>>()
    let [pulls, isOver] = [0, false]
    const note = (object: string, what: string): void => void told.set(object, (told.get(object) ?? new Set()).add(what))
    const failing = [
      ['refused', guarded.host, 'shop/secret/manifests/v1'],
      ['limited', limited.host, 'shop/web/manifests/v1'],
      ['unreachable', gone, 'shop/web/manifests/v1'],
    ] as const
    const loops = [
      ...failing.map(async ([object, host, path]) => {
        for (; !isOver; await sleep(1)) {
          const answer = await ask(host, path)
          const [error] = ((await answer.json()) as {errors: {code: string; message: string}[]}).errors
          const isNamed = error?.message.includes(`the upstream "${host}"`)
          note(object, `${answer.status} ${error?.code} named:${isNamed} retry:${Number(answer.headers.get('retry-after')) > 0}`)
        }
      }),
      ...Array.from({length: LOADS}, async () => {
        while (!isOver) {
          const answer = await ask(guarded.host, 'shop/web/manifests/v1')
          await answer.arrayBuffer()
          note('cached', String(answer.status))
          if (++pulls >= CACHED_PULLS) isOver = true
        }
      }),
    ]
    await Promise.all(loops)
    assert.deepEqual(Object.fromEntries([...told].map(([object, answers]) => [object, [...answers]])), {
      refused: ['403 DENIED named:true retry:false'],
      limited: ['429 TOOMANYREQUESTS named:true retry:true'],
      unreachable: ['503 UNAVAILABLE named:true retry:true'],
      cached: ['200'],
    })
  })
})

interface ScriptedUpstream {
  readonly server: Server
  readonly host: string
}

/** A registry that answers for some paths itself, and is `behind` for the rest. */
async function startUpstream(answers: (path: string, response: ServerResponse) => boolean, behind: string): Promise<ScriptedUpstream> {
  const server = createServer((incoming, response) => {
    const {method = 'GET', url = '/', headers} = incoming
    if (answers(url, response)) return
    incoming.pipe(
      forward(`${behind}${url}`, {method, headers}, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {server, host: `127.0.0.1:${(server.address() as AddressInfo).port}`}
}
