/** What `serve` was told by flags, as the commands beside it see it. */
import assert from 'node:assert/strict'
import {mkdtemp} from 'node:fs/promises'
import {join} from 'node:path'
import {createFilesystemStore} from '../../src/lib/content/filesystem/store.ts'
import {serveRegistry} from '../../src/lib/server/serve.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createHoldfast, HOLDFAST_LAUNCHER, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {keepImage} from '../support/kept-image.ts'
import {run} from '../support/run-program.ts'
import {command, serveCollector} from '../support/served-collector.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

describe('holdfast serve --authenticate', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  let holdfast: Holdfast

  before(async () => {
    const directory = await createTemporaryDirectory('serve-settings')
    afterwards(directory.remove)
    holdfast = await createHoldfast(directory.path)
  })

  const recordedUrl = async (): Promise<string | undefined> => {
    const {registries} = (await command(holdfast, ['registry', 'managed'])) as {registries: {name: string; url: string}[]}
    return registries.find(({name}) => name === 'embedded')?.url
  }
  /** Serves once with these flags; returns where it listened and what was recorded of it. */
  const serveOnce = async (...args: readonly string[]): Promise<{readonly url: string; readonly recorded: string | undefined}> => {
    const served = await serveCollector(holdfast, args)
    try {
      return {url: served.url, recorded: await recordedUrl()}
    } finally {
      await served.stop()
    }
  }

  it('records the embedded registry at the address of --listen, with the port that it took, at each start anew', async () => {
    const first = await serveOnce('--listen', '127.0.0.1:0')
    assert.equal(first.recorded, first.url)
    const second = await serveOnce('--listen', 'localhost:0')
    assert.equal(second.recorded, `http://localhost:${new URL(second.url).port}`)
  })

  it('records the public URL, which stays when it is served without one', async () => {
    const publicUrl = 'https://registry.example.com'
    assert.equal((await serveOnce('--public-url', publicUrl)).recorded, publicUrl)
    assert.equal((await serveOnce()).recorded, publicUrl)
  })
})

describe('holdfast serve', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  let folder: string
  let holdfast: Holdfast
  let source: string

  before(async () => {
    const directory = await createTemporaryDirectory('serve-name')
    afterwards(directory.remove)
    folder = directory.path
    const upstream = createFilesystemStore({root: join(folder, 'upstream')})
    await keepImage(upstream, 'shop/web', createImage([createLayer('app', 'one')]), {tag: 'v1'})
    await upstream.close()
    const served = await serveRegistry({host: '127.0.0.1', port: 0, dataDirectory: join(folder, 'upstream')})
    afterwards(() => served.stop({graceMs: 0}))
    source = `127.0.0.1:${served.address.port}/shop/web:v1`
  })

  beforeEach(async () => {
    holdfast = await createHoldfast(await mkdtemp(join(folder, 'user-')))
  })

  const cachedIn = async (env: NodeJS.ProcessEnv = {}): Promise<string | undefined> => {
    const {stdout, exitCode, stderr} = await holdfast.run(['cache-image', '--new', source], {env})
    assert.equal(exitCode, 0, stderr)
    return stdout.split('/')[0]
  }

  it('is where cache-image says that an image is: the address that it last listened on', async () => {
    assert.equal(await cachedIn(), '127.0.0.1:5050', 'it never listened')
    const served = await serveCollector(holdfast, [], {authenticate: false})
    assert.equal(await cachedIn(), served.host)
    await served.stop()
    assert.equal(await cachedIn(), served.host)
    assert.equal(await cachedIn({HOLDFAST_LISTEN: '127.0.0.1:6000'}), '127.0.0.1:6000', 'an address of this run counts first')
  })

  it('fails at once when its address cannot be written, as a mirror does', async () => {
    for (const args of [['serve'], ['mirror', 'serve', '--upstream', 'upstream.invalid']]) {
      for (const json of [[], ['--json']]) {
        const command = [process.execPath, HOLDFAST_LAUNCHER, ...args, ...json, '--listen', '127.0.0.1:0']
        const {exitCode, stderr} = await run('sh', ['-c', 'exec "$@" > /dev/full', 'sh', ...command], {env: holdfast.env})
        assert.equal(exitCode, 10, stderr)
        assert.match(stderr, /cannot write "standard output": no space left on device/)
      }
    }
  })
})

describe('the limits of a mirror', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()

  it('are refused where they mean nothing, before it serves', async () => {
    const directory = await createTemporaryDirectory('mirror-limits')
    afterwards(directory.remove)
    const holdfast = await createHoldfast(directory.path)
    for (const [flags, message] of [
      [['--max-size', 'much'], /it is not a size/],
      [['--max-size', '0GB'], /it is not a size/],
      [['--max-unused', 'soon'], /it is not a length of time/],
      [['--max-unused', '12h'], /served in the last 24 hours are never evicted/],
      [['--max-size', '1GB', '--store', 'http://127.0.0.1:1'], /the registry "http:\/\/127.0.0.1:1" keeps the images/],
    ] as const) {
      const {envelope} = await holdfast.json(['mirror', 'serve', '--upstream', 'docker.io', '--listen', '127.0.0.1:0', ...flags])
      assert.equal(envelope.error?.code, 'USAGE')
      assert.match(envelope.error?.message ?? '', message)
    }
  })
})
