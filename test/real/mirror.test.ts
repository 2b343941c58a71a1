/** A mirror through outages, side by side with the stock one: docker-registry as a pull-through cache loses what Holdfast keeps. */
import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import {rm, writeFile} from 'node:fs/promises'
import {createServer, request as forward, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type ContainerClients, createContainerClients} from '../support/clients.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createIndex, createLayer, type SampleImage} from '../support/images.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {runOk} from '../support/run-program.ts'
import {type ServedMirror, serveMirror} from '../support/served-mirror.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'

const LARGE_BYTES = 8 * 1024 * 1024
const CLIENTS = 200
/** Ours answers after three seconds. */
const STOCK_PATIENCE_MS = 5_000

const first = createImage([createLayer('base', 'of both', 5000), createLayer('app', 'first', 1000)])
const second = createImage([createLayer('base', 'of both', 5000), createLayer('app', 'second', 1000)])
const large = createImage([createLayer('large', 'large', LARGE_BYTES)])
const largest = large.blobs.toSorted((a, b) => b.bytes.length - a.bytes.length)[0] ?? {digest: '', bytes: Buffer.of()}
const many = createIndex({
  'linux/amd64': createImage([createLayer('a', 'amd64')]),
  'linux/arm64': createImage([createLayer('b', 'arm64')], {architecture: 'arm64'}),
})

for (const place of ['a disk', 'a registry'] as const) {
  describe(`a mirror that keeps what it has in ${place}`, function () {
    describeMirror.call(this, place)
  })
}

function describeMirror(this: Mocha.Suite, place: 'a disk' | 'a registry'): void {
  this.timeout(180_000)
  needs('docker-registry', 'skopeo', 'podman', 'htpasswd')
  const afterwards = cleanUpAfterwards()
  let folder: string
  let count = 0
  let origin: DockerRegistry
  let backing: DockerRegistry | undefined
  let user: Holdfast
  let mirror: ServedMirror

  before(async () => {
    const temporary = await createTemporaryDirectory('mirror')
    afterwards(temporary.remove)
    folder = temporary.path
  })

  beforeEach(async () => {
    origin = await startDockerRegistry()
    await pushImage(origin.url, 'shop/web', 'v1', first)
    await pushImage(origin.url, 'shop/large', 'v1', large)
    await pushImage(origin.url, 'shop/many', 'v1', many)
    backing = place === 'a disk' ? undefined : await startDockerRegistry()
    user = await createHoldfast(join(folder, `u${count++}`))
    mirror = await serve(user, ['--upstream', origin.url, '--revalidate', '**=always'])
  })

  afterEach(async () => {
    await mirror.stop()
    await origin.stop()
    await backing?.stop()
  })

  const store = (): readonly string[] => (backing === undefined ? [] : ['--store', `${backing.url}/kept/here`])
  /** What comes by itself has tests of its own. */
  const serve = (holdfast: Holdfast, args: readonly string[]) => serveMirror(holdfast, [...args, '--no-complete', ...store()])

  const get = (path: string, options: RequestInit = {}) => fetch(`${mirror.url}/v2/${path}`, options)
  const digestOf = async (name: string, tag: string): Promise<string | null> =>
    (await get(`${name}/manifests/${tag}`, {method: 'HEAD'})).headers.get('docker-content-digest')

  async function clients(): Promise<ContainerClients> {
    return await createContainerClients(join(folder, `c${count++}`), {insecure: [mirror.host]})
  }

  /** Pulls an image whole, as clients do; answers the digest of its manifest, and each blob's bytes are looked at. */
  async function pull(name: string, reference: string): Promise<string> {
    const answer = await get(`${name}/manifests/${reference}`)
    assert.equal(answer.status, 200, await answer.clone().text())
    const manifest = (await answer.json()) as {config?: {digest: string}; layers?: {digest: string}[]; manifests?: {digest: string}[]}
    for (const {digest} of manifest.manifests ?? []) await pull(name, digest)
    for (const {digest} of [...(manifest.config === undefined ? [] : [manifest.config]), ...(manifest.layers ?? [])]) {
      const blob = await get(`${name}/blobs/${digest}`)
      assert.equal(blob.status, 200)
      assert.equal(
        `sha256:${createHash('sha256')
          .update(Buffer.from(await blob.arrayBuffer()))
          .digest('hex')}`,
        digest,
      )
    }
    return answer.headers.get('docker-content-digest') ?? ''
  }

  it('fills at the first pull and asks for nothing again, for skopeo and podman', async () => {
    const {skopeo, podman} = await clients()
    const target = join(folder, `layout-${count++}`)
    const copied = await skopeo('copy', '--all', '--src-tls-verify=false', `docker://${mirror.host}/shop/many:v1`, `oci:${target}:v1`)
    assert.equal(copied.exitCode, 0, copied.stderr)
    const pulled = await podman('pull', '--quiet', `${mirror.host}/shop/web:v1`)
    assert.equal(pulled.exitCode, 0, pulled.stderr)
    await origin.forgetAccessLog()
    assert.equal(await pull('shop/web', 'v1'), first.digest)
    assert.equal(await pull('shop/many', 'v1'), many.digest)
    const asked = (await origin.accessLog()).filter(({path}) => path.startsWith('/v2/shop'))
    assert.deepEqual([...new Set(asked.map(({method}) => method))], ['HEAD'], 'only tags are looked up again')
  })

  it('fetches a cold blob once for however many clients, and to its end though they leave', async () => {
    const digest = largest.digest
    const sizes = await Promise.all(
      Array.from({length: CLIENTS}, async () => {
        const answer = await get(`shop/large/blobs/${digest}`)
        const body = Buffer.from(await answer.arrayBuffer())
        assert.equal(`sha256:${createHash('sha256').update(body).digest('hex')}`, digest)
        return body.length
      }),
    )
    assert.equal(new Set(sizes).size, 1)
    const fetched = (await origin.accessLog()).filter(({method, path}) => method === 'GET' && path.endsWith(digest))
    assert.equal(fetched.length, 1)
  })

  it('fills to the end when the client leaves in the midst', async () => {
    const digest = largest.digest
    const leaving = new AbortController()
    const answer = await get(`shop/large/blobs/${digest}`, {signal: leaving.signal})
    await answer.body?.getReader().read()
    leaving.abort()
    await until(async () => /holdfast_mirror_filled_bytes_total\{[^}]*\} \d{7}/.test(await (await fetch(`${mirror.url}/metrics`)).text()))
    await origin.kill()
    const whole = await get(`shop/large/blobs/${digest}`)
    assert.equal((await whole.arrayBuffer()).byteLength, largest.bytes.length)
  })

  it('refuses pushes and deletions, as a mirror should', async () => {
    await pull('shop/web', 'v1')
    for (const [method, path] of [
      ['POST', 'shop/web/blobs/uploads/'],
      ['PUT', 'shop/web/manifests/v1'],
      ['DELETE', `shop/web/manifests/${first.digest}`],
    ] as const) {
      const answer = await get(path, {method})
      assert.deepEqual([answer.status, ((await answer.json()) as {errors: {code: string}[]}).errors[0]?.code], [405, 'UNSUPPORTED'])
    }
  })

  it('serves what it has with the upstream gone, by tag and by digest, after a restart too; the tag with a warning', async () => {
    await pull('shop/web', 'v1')
    await pull('shop/many', 'v1')
    await origin.kill()
    for (const _ of ['running', 'restarted']) {
      const answer = await get('shop/web/manifests/v1')
      assert.deepEqual([answer.status, answer.headers.get('docker-content-digest')], [200, first.digest])
      assert.match(answer.headers.get('warning') ?? '', /^110 holdfast "/)
      assert.equal((await get(`shop/web/manifests/${first.digest}`)).headers.get('warning'), null)
      assert.equal(await pull('shop/web', 'v1'), first.digest)
      assert.equal(await pull('shop/many', 'v1'), many.digest)
      assert.deepEqual(await (await get('shop/web/tags/list')).json(), {name: 'shop/web', tags: ['v1']})
      await mirror.stop()
      mirror = await serve(user, ['--upstream', origin.url, '--revalidate', '**=always'])
    }
  })

  it('serves what it has while the upstream takes questions and answers none', async () => {
    await pull('shop/web', 'v1')
    process.kill(origin.pid, 'SIGSTOP')
    try {
      const answer = await get('shop/web/manifests/v1', {signal: AbortSignal.timeout(20_000)})
      assert.deepEqual([answer.status, answer.headers.get('docker-content-digest')], [200, first.digest])
      assert.match(answer.headers.get('warning') ?? '', /^110 /)
      assert.equal(await pull('shop/web', 'v1'), first.digest)
    } finally {
      process.kill(origin.pid, 'SIGCONT')
    }
  })

  it('says why the upstream gave no answer, and not that something is unknown', async () => {
    await origin.kill()
    for (const path of ['shop/web/manifests/v1', `shop/web/manifests/${first.digest}`, `shop/web/blobs/${first.blobs[0]?.digest}`]) {
      const answer = await get(path)
      const [error] = ((await answer.json()) as {errors: {code: string; message: string}[]}).errors
      assert.deepEqual([answer.status, error?.code], [503, 'UNAVAILABLE'], path)
      assert.match(error?.message ?? '', /upstream "127\.0\.0\.1:\d+" cannot be reached: connection refused/)
      assert.ok(Number(answer.headers.get('retry-after')) > 0)
    }
  })

  it('knows what does not exist from what cannot be reached', async () => {
    const answer = await get('shop/web/manifests/no-such-tag')
    assert.deepEqual([answer.status, ((await answer.json()) as {errors: {code: string}[]}).errors[0]?.code], [404, 'MANIFEST_UNKNOWN'])
  })

  it('loses nothing by a look at a tag that has moved, and follows it when the new image is whole', async () => {
    assert.equal(await pull('shop/web', 'v1'), first.digest)
    await pushImage(origin.url, 'shop/web', 'v1', second)
    assert.equal(await digestOf('shop/web', 'v1'), second.digest)
    // The new manifest alone: its layers never come.
    assert.equal((await get('shop/web/manifests/v1')).headers.get('docker-content-digest'), second.digest)
    const {root, port} = origin
    await origin.kill()
    assert.equal(await pull('shop/web', 'v1'), first.digest)
    origin = await startDockerRegistry({root, port})
    // The upstream is left alone for a while after it was down.
    await until(async () => (await digestOf('shop/web', 'v1')) === second.digest, 15_000)
    assert.equal(await pull('shop/web', 'v1'), second.digest)
    await until(async () => (await digestOf('shop/web', 'v1')) === second.digest)
    await origin.kill()
    assert.equal(await pull('shop/web', 'v1'), second.digest)
    assert.equal(await pull('shop/web', first.digest), first.digest)
  })

  it('goes on serving a tag that was deleted upstream', async () => {
    await pull('shop/web', 'v1')
    await fetch(`${origin.url}/v2/shop/web/manifests/${first.digest}`, {method: 'DELETE'})
    assert.equal(await pull('shop/web', 'v1'), first.digest)
  })

  it('looks tags up as often as it is told to', async () => {
    await mirror.stop()
    mirror = await serve(user, ['--upstream', origin.url, '--revalidate', 'shop/web:v1=never', '--revalidate', '**=1h'])
    await pull('shop/web', 'v1')
    await pull('shop/many', 'v1')
    await pushImage(origin.url, 'shop/web', 'v1', second)
    await origin.forgetAccessLog()
    assert.equal(await pull('shop/web', 'v1'), first.digest)
    assert.equal(await pull('shop/many', 'v1'), many.digest)
    assert.deepEqual(
      (await origin.accessLog()).filter(({path}) => path.startsWith('/v2/shop')),
      [],
    )
    const wrong = await user.json(['mirror', 'serve', '--upstream', origin.url, '--revalidate', 'x=sometimes'])
    assert.deepEqual([wrong.exitCode, wrong.envelope.error?.code], [2, 'USAGE'])
  })

  it('goes on with what it has while the upstream asks to slow down, and asks it no more', async () => {
    await pull('shop/web', 'v1')
    const limited = await startLimited(origin)
    await mirror.stop()
    let asked = 0
    const home = await createHoldfast(join(folder, `u${count++}`))
    mirror = await serve(home, ['--upstream', limited.url, '--revalidate', '**=always'])
    assert.equal(await pull('shop/web', 'v1'), first.digest)
    limited.onRequest = () => {
      asked++
      return true
    }
    for (let pulls = 0; pulls < 5; pulls++) assert.equal(await pull('shop/web', 'v1'), first.digest)
    assert.equal(asked, 1)
    const cold = await get('shop/large/manifests/v1')
    assert.deepEqual([cold.status, Number(cold.headers.get('retry-after')) > 30], [429, true])
  })

  it('logs in at the upstream with what it was given, and shows it to nobody', async () => {
    const guarded = await startDockerRegistry({root: origin.root, htpasswd: {username: 'u', password: 'canary-of-the-upstream'}})
    afterwards(guarded.stop)
    await mirror.stop()
    const variable = `HOLDFAST_AUTH_127_0_0_1_${guarded.port}`
    const home = await createHoldfast(join(folder, `u${count++}`), {
      [`${variable}_USERNAME`]: 'u',
      [`${variable}_PASSWORD`]: 'canary-of-the-upstream',
    })
    mirror = await serve(home, ['--upstream', guarded.url])
    assert.equal(await pull('shop/web', 'v1'), first.digest)
    await mirror.stop()
    const nobody = await createHoldfast(join(folder, `u${count++}`))
    mirror = await serve(nobody, ['--upstream', guarded.url])
    const refused = await get('shop/large/manifests/v1')
    const [error] = ((await refused.json()) as {errors: {code: string; message: string}[]}).errors
    assert.deepEqual([refused.status, error?.code], [403, 'DENIED'])
    assert.ok(error?.message.includes(`the upstream "${guarded.host}" refuses this mirror`), error?.message)
  })

  it('serves several upstreams by what clients name and no other name, and networks that it is meant for', async () => {
    const other = await startDockerRegistry()
    afterwards(other.stop)
    await pushImage(other.url, 'shop/web', 'v1', second)
    await mirror.stop()
    mirror = await serve(user, ['--upstream', origin.url, '--upstream', other.url])
    const named = async (ns: string) => (await get(`shop/web/manifests/v1?ns=${ns}`)).headers.get('docker-content-digest')
    assert.deepEqual([await named(origin.host), await named(other.host)], [first.digest, second.digest])
    const below = `${other.host.replace(':', '_')}/shop/web`
    assert.equal(await digestOf(below, 'v1'), second.digest, 'by the first part of the repository')
    assert.equal(await pull(below, 'v1'), second.digest)
    for (const path of [
      'shop/web/manifests/v1',
      'shop/web/manifests/v1?ns=quay.io',
      'quay.io/shop/web/manifests/v1',
      `${below}/manifests/v1?ns=${origin.host}`,
    ]) {
      const unknown = await get(path)
      const [error] = ((await unknown.json()) as {errors: {code: string}[]}).errors
      assert.deepEqual([unknown.status, error?.code], [404, 'NAME_UNKNOWN'], path)
    }
    assert.equal((await fetch(`${mirror.url}/v2/`)).status, 200)
    assert.equal((await get('quay.io/shop/web/blobs/uploads/', {method: 'POST'})).status, 405)
    await mirror.stop()
    mirror = await serve(user, ['--upstream', origin.url, '--upstream', other.url, '--unnamed', other.host])
    assert.equal(await digestOf('shop/web', 'v1'), second.digest, 'the one that --unnamed names')
    const stranger = await user.json(['mirror', 'serve', '--upstream', `${origin.url},${other.url}`, '--unnamed', 'quay.io'])
    assert.deepEqual([stranger.exitCode, stranger.envelope.error?.code], [2, 'USAGE'])
    await mirror.stop()
    const open = await user.json(['mirror', 'serve', '--upstream', origin.url, '--listen', '0.0.0.0:0'])
    assert.equal(open.envelope.error?.code, 'LISTEN_NOT_LOOPBACK')
    mirror = await serve(user, ['--upstream', origin.url, '--listen', '127.0.0.1:0', '--allow', '10.0.0.0/8'])
    assert.equal((await get('shop/web/manifests/v1')).status, 403)
    await mirror.stop()
    mirror = await serve(user, ['--upstream', origin.url, '--allow', '127.0.0.0/8'])
    assert.equal((await get('shop/web/manifests/v1', {headers: {'x-forwarded-for': '8.8.8.8'}})).status, 200)
  })

  it('lists what it keeps, and evicts an image that was retracted, with every tag and nothing else', async () => {
    await pushImage(origin.url, 'shop/web', 'latest', first)
    await pushImage(origin.url, 'shop/web', 'v2', second)
    for (const tag of ['v1', 'latest', 'v2']) await pull('shop/web', tag)
    const index = (await (await get('shop/many/manifests/v1')).json()) as {manifests: {digest: string}[]}
    await pull('shop/many', index.manifests[0]?.digest ?? '')
    const mirrored = ['--upstream', origin.url, ...store()]
    const list = async () => {
      const {envelope, stdout} = await user.json(['mirror', 'list', ...mirrored])
      assert.equal(envelope.ok, true, stdout)
      const {images} = envelope.result as {images: {image: string; tags: string[]; isComplete: boolean; missingPlatforms: number}[]}
      return images.map(({image, tags, isComplete, missingPlatforms}) => [
        image.replace(`${origin.host}/`, ''),
        tags.join(),
        isComplete,
        missingPlatforms,
      ])
    }
    // A registry has the tag of an index with missing platforms within seconds.
    await until(async () => (await list()).length === 3)
    const [one, another] = [
      [`shop/web@${first.digest}`, 'latest,v1', true, 0],
      [`shop/web@${second.digest}`, 'v2', true, 0],
    ]
    const sorted = first.digest < second.digest ? [one, another] : [another, one]
    assert.deepEqual(await list(), [[`shop/many@${many.digest}`, 'v1', true, 1], ...sorted])
    const table = await user.run(['mirror', 'list', ...mirrored])
    assert.match(table.stdout, /IMAGE +TAGS +SIZE +LAST USED \(UTC\) +STATE/)
    assert.match(table.stdout, /1 platform not cached/)

    const evicted = await user.json(['mirror', 'evict', `${origin.host}/shop/web:v1`, ...mirrored])
    assert.equal(evicted.exitCode, 0, evicted.stdout)
    const result = evicted.envelope.result as {image: string; tags: string[]}
    assert.deepEqual([result.image, result.tags], [`${origin.host}/shop/web@${first.digest}`, ['latest', 'v1']])
    assert.deepEqual(await list(), [[`shop/many@${many.digest}`, 'v1', true, 1], another])
    const part = await user.json(['mirror', 'evict', `${origin.host}/shop/many@${index.manifests[0]?.digest}`, ...mirrored])
    assert.deepEqual([part.exitCode, part.envelope.error?.code], [3, 'MANIFEST_NOT_FOUND'])
    assert.deepEqual(part.envelope.error?.hints, [
      ['holdfast mirror evict', `${origin.host}/shop/many@${many.digest}`, '--upstream', origin.host, ...store()].join(' '),
    ])
    for (const [image, code] of [
      [`${origin.host}/shop/web:v1`, 'MANIFEST_NOT_FOUND'],
      ['elsewhere.example.com/x:1', 'USAGE'],
    ]) {
      assert.equal((await user.json(['mirror', 'evict', image ?? '', ...mirrored])).envelope.error?.code, code)
    }
    // Started again, it remembers nothing of it.
    await mirror.stop()
    await origin.kill()
    mirror = await serve(user, ['--upstream', origin.url])
    for (const reference of ['v1', 'latest', first.digest]) assert.equal((await get(`shop/web/manifests/${reference}`)).status, 503)
    assert.equal(await pull('shop/web', 'v2'), second.digest)
  })

  it('fetches a layer once for all repositories and upstreams, and needs none of them for it again', async () => {
    const other = await startDockerRegistry()
    afterwards(other.stop)
    const [config, base] = [
      first.blobs[0]?.digest ?? '',
      first.blobs.find(({digest}) => second.blobs.some((one) => one.digest === digest))?.digest ?? '',
    ]
    await pushImage(origin.url, 'team/tool', 'v1', second)
    await pushImage(other.url, 'team/copy', 'v1', first)
    await mirror.stop()
    mirror = await serve(user, ['--upstream', origin.url, '--upstream', other.url, '--unnamed', origin.url])
    assert.equal(await pull('shop/web', 'v1'), first.digest)
    assert.equal(await pull('team/tool', 'v1'), second.digest)
    assert.equal(await pull(`${other.host.replace(':', '_')}/team/copy`, 'v1'), first.digest)
    const fetched = async (registry: DockerRegistry) =>
      (await registry.accessLog())
        .filter(({method, path}) => method === 'GET' && path.includes('/blobs/'))
        .map(({path}) => path.split('/').at(-1))
    const blobs = await fetched(origin)
    assert.deepEqual([blobs.filter((digest) => digest === base).length, blobs.filter((digest) => digest === config).length], [1, 1])
    assert.deepEqual(await fetched(other), [])
    await origin.kill()
    await other.kill()
    assert.equal(await pull('team/tool', 'v1'), second.digest)
    assert.equal(await pull(`${other.host.replace(':', '_')}/team/copy`, 'v1'), first.digest)
  })

  it('mirrors what lies below a path of its upstream, as in a proxy project of Harbor', async () => {
    await mirror.stop()
    const below = [`${origin.url}/shop`, '--revalidate', '**=always']
    mirror = await serve(user, ['--upstream', ...below])
    const path = `${origin.host.replace(':', '_')}/shop`
    assert.equal(await pull('web', 'v1'), first.digest)
    assert.equal(await pull(`${path}/many`, 'v1'), many.digest)
    assert.equal((await get(`shop/many/manifests/v1?ns=${origin.host}`)).status, 200)
    await origin.kill()
    assert.equal(await pull('web', 'v1'), first.digest)
    const list = join(folder, `below-${count++}`)
    await writeFile(list, `${origin.host}/shop/web:v1\n${origin.host}/shop/many:v1\n`)
    for (const given of [[], [list]]) {
      const verified = await user.json(['mirror', 'verify', ...given, '--upstream', `${origin.url}/shop`, ...store()])
      assert.equal(verified.exitCode, 0, verified.stdout)
      assert.equal((verified.envelope.result as {images: object[]}).images.length, 2)
    }
  })

  it('is filled from a list before anybody asks, with ranges and patterns, and a cache likewise', async () => {
    for (const tag of ['v1.2', '1.3', '1.10', '2.0', '1.4-rc1', 'nightly-1', 'nightly-2'])
      await pushImage(origin.url, 'shop/tool', tag, createImage([createLayer(tag, tag)]))
    const list = join(folder, `list-${count++}`)
    const lines = ['shop/many:v1', 'shop/tool >=1.2 <2', 'shop/tool nightly-*   # all of them', 'shop/tool >=9', 'no/such:v1']
    await writeFile(list, lines.map((line) => `${mirror.host}/${line}\n`).join(''))
    const {exitCode, envelope, stdout} = await user.json(['warm', list, '--mirror', mirror.url, '--newest', '2'])
    assert.equal(exitCode, 9, stdout)
    const {images} = envelope.result as {images: {image: string; outcome: string; digest?: string}[]}
    const names = images.map(({image, outcome}) => `${image.replace(`${mirror.host}/`, '')} ${outcome}`)
    assert.deepEqual(names, [
      'shop/many:v1 there',
      'shop/tool:1.10 there',
      'shop/tool:1.3 there',
      'shop/tool:nightly-2 there',
      'shop/tool:nightly-1 there',
      'shop/tool >=9 failed',
      'no/such:v1 failed',
    ])
    await until(async () => (await user.json(['mirror', 'verify', '--upstream', origin.url, ...store()])).exitCode === 0, 15_000)
    const cached = await user.json(['warm', '-'], {input: `${mirror.host}/shop/many:v1\n`})
    assert.equal(cached.exitCode, 0, cached.stdout)
    await origin.kill()
    assert.equal(await pull('shop/many', 'v1'), many.digest)
    assert.equal((await get('shop/tool/manifests/1.10')).status, 200)
    const dry = await user.run(['warm', '-', '--mirror', mirror.url, '--dry-run'], {input: `${mirror.host}/shop/many:v1\n`})
    assert.deepEqual([dry.exitCode, dry.stdout], [0, `${mirror.host}/shop/many:v1\n`])
    for (const wrong of ['shop/web:v1 >=1', 'shop/web sometimes', 'shop/web:v1@x']) {
      const {envelope: refused} = await user.json(['warm', '-', '--mirror', mirror.url], {input: `# first\n${wrong}\n`})
      assert.match(refused.error?.message ?? '', /^cannot read line 2 of "-"/, wrong)
    }
  })

  it('is verified offline while it runs: images that an outage would break are named', async () => {
    await pull('shop/web', 'v1')
    const index = (await (await get('shop/many/manifests/v1')).json()) as {manifests: {digest: string}[]}
    await pull('shop/many', index.manifests[0]?.digest ?? '')
    const list = join(folder, `images-${count++}`)
    await writeFile(
      list,
      [
        `${origin.host}/shop/web:v1`,
        '# a remark',
        `${origin.host}/shop/many:v1  # one platform`,
        `${origin.host}/shop/large:v1`,
        `${origin.host}/no/such:v1`,
        'other.example.com/x:1',
        '',
      ].join('\n'),
    )
    await origin.forgetAccessLog()
    const {exitCode, envelope, stdout} = await user.json(['mirror', 'verify', list, '--upstream', origin.url, ...store()])
    assert.equal(exitCode, 9, stdout)
    const {images} = envelope.result as {images: {outcome: string; missingPlatforms: number; digest?: string}[]}
    assert.deepEqual(
      images.map(({outcome}) => outcome),
      ['served', 'served', 'missing', 'missing'],
    )
    assert.deepEqual([images[0]?.digest, images[1]?.missingPlatforms], [first.digest, 1])
    assert.equal(envelope.warnings?.length, 1)
    const all = await user.json(['mirror', 'verify', '--upstream', origin.url, ...store()])
    assert.equal(all.exitCode, 0, all.stdout)
    assert.equal((all.envelope.result as {images: object[]}).images.length, 2)
    assert.deepEqual(
      (await origin.accessLog()).filter(({path}) => path.startsWith('/v2/shop')),
      [],
    )
    // A disk that lost a layer is found out.
    if (backing !== undefined) return
    const layer = first.blobs.at(-1)?.digest.replace('sha256:', '') ?? ''
    await rm(
      join(user.dataDirectory, 'mirror', encodeURIComponent(origin.host), 'docker/registry/v2/blobs/sha256', layer.slice(0, 2), layer),
      {recursive: true},
    )
    const broken = await user.json(['mirror', 'verify', '--upstream', origin.url, ...store()])
    assert.deepEqual((broken.envelope.result as {images: {outcome: string}[]}).images.map(({outcome}) => outcome).sort(), [
      'broken',
      'served',
    ])
    assert.equal((await user.json(['mirror', 'verify', '/no/such/file', '--upstream', origin.url])).exitCode, 10)
  })

  it('is filled and verified by what a log has seen, and fills itself from a list while it serves', async () => {
    const log = join(folder, `access-${count++}.log`)
    const line = (method: string, path: string, status: number) =>
      `127.0.0.1 - - [21/Nov/2026:03:00:00 +0000] "${method} ${path} HTTP/1.1" ${status} 1234 "-" "docker/28"\n`
    await writeFile(
      log,
      [
        line('GET', '/v2/shop/web/manifests/v1', 200),
        line('GET', `/v2/shop/many/manifests/v1?ns=${origin.host}`, 200),
        line('GET', '/v2/shop/web/manifests/v1', 200),
        line('HEAD', '/v2/shop/large/manifests/v1', 200),
        line('GET', '/v2/no/such/manifests/v1', 404),
        line('GET', `/v2/shop/web/manifests/${first.digest}`, 200),
      ].join(''),
    )
    const unfilled = await user.json(['mirror', 'verify', '--access-log', log, '--upstream', origin.url, ...store()])
    assert.equal(unfilled.exitCode, 9, unfilled.stdout)
    const list = join(folder, `warm-${count++}`)
    await writeFile(list, `${origin.host}/shop/web:v1\n${origin.host}/shop/many v*\nelsewhere.example.com/x:1\n`)
    await mirror.stop()
    for (const [flags, code] of [
      [['--warm', '/no/such/file'], 'CONFIGURATION'],
      [['--warm', list, '--warm-every', 'often'], 'USAGE'],
      [['--warm', '-'], 'USAGE'],
    ] as const) {
      const refused = await user.json(['mirror', 'serve', '--upstream', origin.url, '--listen', '127.0.0.1:0', ...flags, ...store()])
      assert.equal(refused.envelope.error?.code, code)
    }
    mirror = await serve(user, ['--upstream', origin.url, '--warm', list, '--warm-every', '1s'])
    await until(
      async () => (await user.json(['mirror', 'verify', '--access-log', log, '--upstream', origin.url, ...store()])).exitCode === 0,
    )
    await origin.forgetAccessLog()
    await until(async () => (await origin.accessLog()).some(({path}) => path.endsWith('/shop/many/tags/list')))
    assert.deepEqual(
      (await origin.accessLog()).filter(
        ({method, path}) => method === 'GET' && !path.endsWith('/tags/list') && path.startsWith('/v2/shop'),
      ),
      [],
      'what is there is not fetched again',
    )
    const both = await user.json(['mirror', 'verify', list, '--access-log', log, '--upstream', origin.url])
    assert.equal(both.envelope.error?.code, 'USAGE')
    const named = await user.run(['warm', '--access-log', log, '--mirror', mirror.url, '--dry-run'])
    assert.deepEqual(named.stdout.trim().split('\n').sort(), [`${origin.host}/shop/many:v1`, 'docker.io/shop/web:v1'].sort())
    for (const args of [['warm'], ['warm', list, '--access-log', log]]) assert.equal((await user.json(args)).envelope.error?.code, 'USAGE')
  })
}

describe('mirrors that share a registry', function () {
  this.timeout(180_000)
  needs('docker-registry', 'htpasswd')
  const afterwards = cleanUpAfterwards()
  const account = {username: 'mirror', password: 'canary-of-the-store'}

  it('hold nothing themselves: what one began another ends, and a third serves it with the upstream gone', async () => {
    const [origin, temporary] = await Promise.all([startDockerRegistry(), createTemporaryDirectory('mirrors')])
    const backing = await startDockerRegistry({htpasswd: account})
    afterwards(origin.stop)
    afterwards(backing.stop)
    afterwards(temporary.remove)
    await pushImage(origin.url, 'shop/web', 'v1', first)
    await pushImage(origin.url, 'shop/many', 'v1', many)
    const pinned = createIndex({
      'linux/amd64': createImage([createLayer('p', 'pinned amd64')]),
      'linux/arm64': createImage([createLayer('p', 'pinned arm64')], {architecture: 'arm64'}),
    })
    const pinnedChild = pinned.children[0]
    assert.ok(pinnedChild)
    await pushImage(origin.url, 'shop/pinned', 'v1', pinned)
    const variable = `HOLDFAST_AUTH_127_0_0_1_${backing.port}`
    const secrets = {[`${variable}_USERNAME`]: account.username, [`${variable}_PASSWORD`]: account.password}
    const args = ['--upstream', origin.url, '--store', backing.url]
    const start = async (name: string) => serveMirror(await createHoldfast(join(temporary.path, name), secrets), args)
    const [one, two] = await Promise.all([start('one'), start('two')])
    const amd64 = many.children?.[0]
    assert.ok(amd64)
    // As a load balancer deals them out: the tag here, its parts there.
    assert.equal((await fetch(`${one.url}/v2/shop/web/manifests/v1`)).status, 200)
    assert.equal((await fetch(`${one.url}/v2/shop/many/manifests/v1`)).status, 200)
    assert.equal((await fetch(`${two.url}/v2/shop/many/manifests/${amd64.digest}`)).status, 200)
    // As clusters pin them, by the digest of the index.
    assert.equal((await fetch(`${one.url}/v2/shop/pinned/manifests/${pinned.digest}`)).status, 200)
    assert.equal((await fetch(`${one.url}/v2/shop/pinned/manifests/${pinnedChild.digest}`)).status, 200)
    for (const [name, image] of [['web', first] as const, ['many', amd64] as const, ['pinned', pinnedChild] as const])
      for (const {digest} of image.blobs) assert.equal(await hashOf(await fetch(`${two.url}/v2/shop/${name}/blobs/${digest}`)), digest)
    await two.stop()
    await one.stop()
    await origin.kill()
    const config = join(temporary.path, 'clear.json')
    await writeFile(config, JSON.stringify({version: 0.1, storage: {filesystem: {rootdirectory: backing.root}, delete: {enabled: true}}}))
    await runOk('docker-registry', ['garbage-collect', config])
    const three = await start('three')
    try {
      for (const [name, image, tagged] of [['web', first, first] as const, ['many', amd64, many] as const]) {
        const answer = await fetch(`${three.url}/v2/shop/${name}/manifests/v1`)
        assert.deepEqual([answer.status, answer.headers.get('docker-content-digest')], [200, tagged.digest], name)
        assert.match(answer.headers.get('warning') ?? '', /^110 /)
        assert.equal((await fetch(`${three.url}/v2/shop/${name}/manifests/${image.digest}`)).status, 200)
        for (const {digest} of image.blobs) assert.equal(await hashOf(await fetch(`${three.url}/v2/shop/${name}/blobs/${digest}`)), digest)
      }
      const catalog = (await (await fetch(`${three.url}/v2/_catalog`)).json()) as {repositories: string[]}
      assert.deepEqual(catalog.repositories, ['shop/many', 'shop/pinned', 'shop/web'])
      for (const {digest} of [pinned, pinnedChild])
        assert.equal((await fetch(`${three.url}/v2/shop/pinned/manifests/${digest}`)).status, 200, digest)
      // What keeps the bytes is down as well: said as it is, and over when it is back.
      const {root, port} = backing
      await backing.kill()
      const down = await fetch(`${three.url}/v2/shop/web/manifests/v1`)
      assert.deepEqual([down.status, down.headers.has('retry-after')], [503, true])
      const back = await startDockerRegistry({root, port, htpasswd: account})
      afterwards(back.stop)
      assert.equal((await fetch(`${three.url}/v2/shop/web/manifests/v1`)).status, 200)
    } finally {
      await three.stop()
    }
  })
})

describe('a mirror that cannot keep what it gets', function () {
  this.timeout(180_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()

  async function pull(url: string, image: SampleImage): Promise<void> {
    assert.equal((await fetch(`${url}/v2/shop/large/manifests/v1`)).headers.get('docker-content-digest'), image.digest)
    for (const {digest} of image.blobs) assert.equal(await hashOf(await fetch(`${url}/v2/shop/large/blobs/${digest}`)), digest)
  }

  for (const [name, options] of [
    ['is down', {}],
    ['takes nothing', {readonly: true}],
  ] as const)
    it(`passes on what the upstream has while its store ${name}, and keeps it later`, async () => {
      const [origin, temporary] = await Promise.all([startDockerRegistry(), createTemporaryDirectory('mirror-pass')])
      const backing = await startDockerRegistry(options)
      const {root, port} = backing
      afterwards(origin.stop)
      afterwards(temporary.remove)
      await pushImage(origin.url, 'shop/large', 'v1', large)
      const args = ['--upstream', origin.url, '--store', backing.url, '--revalidate', '**=always']
      const mirror = await serveMirror(await createHoldfast(temporary.path), args)
      afterwards(() => mirror.stop())
      if (name === 'is down') await backing.kill()
      await pull(mirror.url, large)
      await backing.kill()
      const back = await startDockerRegistry({root, port})
      afterwards(back.stop)
      await until(async () => {
        await pull(mirror.url, large)
        return /holdfast_mirror_filled_bytes_total\{[^}]*\} \d{7}/.test(await (await fetch(`${mirror.url}/metrics`)).text())
      }, 15_000)
      await origin.kill()
      await pull(mirror.url, large)
    })
})

describe('a mirror of the stock kind', function () {
  this.timeout(180_000)
  needs('docker-registry', 'htpasswd')
  const accept = 'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json'
  const afterwards = cleanUpAfterwards()
  let origin: DockerRegistry

  beforeEach(async () => {
    origin = await startDockerRegistry()
    await pushImage(origin.url, 'shop/web', 'v1', first)
    await pushImage(origin.url, 'shop/large', 'v1', large)
  })

  afterEach(() => origin.stop())

  const from =
    (stock: DockerRegistry) =>
    (path: string, options: RequestInit = {}) =>
      fetch(`${stock.url}/v2/${path}`, {...options, headers: {accept}})

  it('does not start without its upstream, and loses a cached image to a look at its moved tag', async () => {
    const stock = await startDockerRegistry({proxy: origin.url})
    const at = from(stock)
    const manifest = (await (await at('shop/web/manifests/v1')).json()) as {config: {digest: string}; layers: {digest: string}[]}
    for (const {digest} of [manifest.config, ...manifest.layers]) await (await at(`shop/web/blobs/${digest}`)).arrayBuffer()
    await pushImage(origin.url, 'shop/web', 'v1', second)
    assert.equal((await at('shop/web/manifests/v1', {method: 'HEAD'})).headers.get('docker-content-digest'), second.digest)
    await origin.kill()
    const tagged = await at('shop/web/manifests/v1')
    const layers = tagged.status === 200 ? ((await tagged.json()) as {layers: {digest: string}[]}).layers : []
    const statuses = await Promise.all(layers.map(async ({digest}) => (await at(`shop/web/blobs/${digest}`)).status))
    assert.ok(
      tagged.status !== 200 || tagged.headers.get('docker-content-digest') !== first.digest || statuses.some((status) => status !== 200),
      'it keeps the image by its tag after all',
    )
    assert.equal((await at('shop/large/manifests/v1')).status, 404, 'what cannot be reached is not called unknown any more')
    await stock.kill()
    await assert.rejects(startDockerRegistry({proxy: origin.url}), /panic/)
  })

  it('gives no answer for a cached tag while its upstream gives none, and calls what is limited or guarded unknown', async () => {
    const limited = await startLimited(origin)
    const guarded = await startDockerRegistry({root: origin.root, htpasswd: {username: 'u', password: 'p'}})
    const [patient, behindLimit, behindDoor] = await Promise.all([
      startDockerRegistry({proxy: origin.url}),
      startDockerRegistry({proxy: limited.url}),
      startDockerRegistry({proxy: guarded.url, proxyAccount: {username: 'u', password: 'p'}}),
    ])
    for (const registry of [guarded, patient, behindLimit, behindDoor]) afterwards(registry.stop)
    assert.equal((await from(patient)('shop/web/manifests/v1')).status, 200)
    process.kill(origin.pid, 'SIGSTOP')
    try {
      await assert.rejects(from(patient)('shop/web/manifests/v1', {signal: AbortSignal.timeout(STOCK_PATIENCE_MS)}), /timeout/)
    } finally {
      process.kill(origin.pid, 'SIGCONT')
    }
    limited.onRequest = () => true
    assert.equal((await from(behindLimit)('shop/web/manifests/v1')).status, 404)
    assert.equal((await from(behindDoor)('shop/web/manifests/v1')).status, 404)
  })
})

async function hashOf(answer: Response): Promise<string> {
  const hash = createHash('sha256').update(Buffer.from(await answer.arrayBuffer()))
  return `sha256:${hash.digest('hex')}`
}

/** The same registry, until it is told to ask for a pause of a minute. */
async function startLimited(registry: DockerRegistry): Promise<{readonly url: string; onRequest: () => boolean}> {
  const limited = {url: '', onRequest: () => false}
  const server: Server = createServer((incoming, response) => {
    if (limited.onRequest()) {
      response
        .writeHead(429, {'retry-after': '60', 'content-type': 'application/json'})
        .end('{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}')
      return
    }
    const {method, url, headers} = incoming
    incoming.pipe(
      forward(`${registry.url}${url}`, {method: method ?? 'GET', headers}, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  limited.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return limited
}
