/** The clients that people have, pulling through a mirror whose upstream changes, goes away, or is another one than they mean. */
import assert from 'node:assert/strict'
import {mkdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {CLIENT_NAMES, type ClientName, type MirroredClient, START_CLIENT} from '../support/mirrored-clients.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {serveMirror} from '../support/served-mirror.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'

const TIMEOUT_MS = 300_000
/** Bounds what the mirror does by itself after a pull. */
const KEEP_TIMEOUT_MS = 60_000
/** What the test itself pushes with. */
const PUSHER = 'node'
const PROGRAMS: Readonly<Record<ClientName, readonly string[]>> = {
  skopeo: ['skopeo'],
  podman: ['podman'],
  containerd: ['containerd', 'ctr'],
  dockerd: ['dockerd', 'docker', 'containerd'],
}
const FOR_ROOT: readonly ClientName[] = ['containerd', 'dockerd']

const base = createLayer('base', 'of several images', 5000)
const sibling = createImage([base])
const first = createImage([base, createLayer('app', 'first', 1000)])
const second = createImage([base, createLayer('app', 'second', 1000)])
const foreign = createImage([createLayer('foreign', 'of another registry')])

const WEB = 'library/web:v1'
const SIBLING = 'library/sibling:v1'

interface Situation {
  readonly origin: DockerRegistry
  /** A registry that is no upstream of the mirror. */
  readonly other: DockerRegistry
  /** Starts a client that has nothing yet. */
  startClient(): Promise<MirroredClient>
  /** Settles when the mirror could lose its upstream and serve the image. */
  isKept(repository: string, tag: string, digest: string): Promise<void>
}

interface Row {
  readonly title: string
  readonly run: (situation: Situation) => Promise<void>
}

const ROWS: readonly Row[] = [
  {
    title: 'gets an image that the mirror does not have',
    async run({origin, startClient}) {
      assert.equal(await (await startClient()).pull(origin.host, WEB), first.digest)
      await assertOnlyMirrorAsked(origin)
    },
  },
  {
    title: 'gets an image that another client has pulled, and the upstream is asked for no bytes',
    async run({origin, startClient}) {
      await (await startClient()).pull(origin.host, WEB)
      await origin.forgetAccessLog()
      assert.equal(await (await startClient()).pull(origin.host, WEB), first.digest)
      const asked = (await origin.accessLog()).filter(({method}) => method === 'GET')
      assert.deepEqual(
        asked.map(({path}) => path).filter((path) => path.startsWith('/v2/library/')),
        [],
      )
    },
  },
  {
    title: 'gets an image with the upstream cut, though the client that pulled it had its base layer from elsewhere',
    async run({origin, startClient, isKept}) {
      const client = await startClient()
      await client.pullDirectly(origin.host, SIBLING)
      assert.equal(await client.pull(origin.host, WEB), first.digest)
      await isKept('library/web', 'v1', first.digest)
      await origin.kill()
      assert.equal(await (await startClient()).pull(origin.host, WEB), first.digest)
    },
  },
  {
    title: 'gets the new image when its tag moves, and that one with the upstream cut',
    async run({origin, startClient, isKept}) {
      assert.equal(await (await startClient()).pull(origin.host, WEB), first.digest)
      await pushImage(origin.url, 'library/web', 'v1', second)
      assert.equal(await (await startClient()).pull(origin.host, WEB), second.digest)
      await isKept('library/web', 'v1', second.digest)
      await origin.kill()
      assert.equal(await (await startClient()).pull(origin.host, WEB), second.digest)
    },
  },
  {
    title: 'gets an image that another client has pulled with the upstream cut',
    async run({origin, startClient, isKept}) {
      await (await startClient()).pull(origin.host, WEB)
      await isKept('library/web', 'v1', first.digest)
      await origin.kill()
      assert.equal(await (await startClient()).pull(origin.host, WEB), first.digest)
    },
  },
  {
    title: 'gets the image of another registry from there, and never that of the same name from the mirror',
    async run({origin, other, startClient}) {
      await (await startClient()).pull(origin.host, WEB)
      assert.equal(await (await startClient()).pull(other.host, WEB), foreign.digest)
    },
  },
]

for (const name of CLIENT_NAMES) {
  describe(`${name} behind a mirror`, function () {
    this.timeout(TIMEOUT_MS)
    needs('docker-registry', ...PROGRAMS[name])
    const afterwards = cleanUpAfterwards()
    let folder: string
    let count = 0

    before(async function () {
      if (FOR_ROOT.includes(name) && process.geteuid?.() !== 0) {
        process.stderr.write(`\n    SKIPPED: only root can start ${name}\n`)
        this.skip()
      }
      // The paths of sockets are short.
      const temporary = await createTemporaryDirectory('c')
      afterwards(temporary.remove)
      folder = temporary.path
    })

    for (const {title, run} of ROWS) {
      it(title, async () => {
        await using situation = await prepare(join(folder, String(count++)), name)
        await run(situation)
      })
    }
  })
}

async function prepare(directory: string, name: ClientName): Promise<Situation & AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const startRegistry = async (): Promise<DockerRegistry> => {
    const registry = await startDockerRegistry()
    stack.defer(registry.stop)
    return registry
  }
  const origin = await startRegistry()
  const other = await startRegistry()
  await pushImage(origin.url, 'library/web', 'v1', first)
  await pushImage(origin.url, 'library/sibling', 'v1', sibling)
  await pushImage(other.url, 'library/web', 'v1', foreign)
  await mkdir(directory)
  const user = await createHoldfast(directory)
  const mirror = await serveMirror(user, ['--upstream', origin.url, '--revalidate', '**=always'])
  stack.defer(mirror.kill)
  let count = 0
  const owned = stack.move()
  return {
    origin,
    other,
    async startClient() {
      const own = join(directory, `c${count++}`)
      await mkdir(own)
      const client = await START_CLIENT[name](own, {mirror: mirror.host, hosts: [origin.host, other.host]})
      owned.defer(client.stop)
      return client
    },
    isKept: async (repository, tag, digest) => {
      const kept = join(user.dataDirectory, 'mirror', encodeURIComponent(origin.host), 'docker/registry/v2/repositories', repository)
      const link = join(kept, '_manifests/tags', tag, 'current/link')
      await until(async () => (await readFile(link, 'utf8').catch(() => '')) === digest, KEEP_TIMEOUT_MS)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** The client has asked the origin for nothing, in place of the mirror. */
async function assertOnlyMirrorAsked(origin: DockerRegistry): Promise<void> {
  const agents = (await origin.accessLog()).filter(({method}) => method === 'GET' || method === 'HEAD').map(({userAgent}) => userAgent)
  const others = agents.filter((agent) => !agent.startsWith('holdfast') && agent !== PUSHER)
  assert.deepEqual(others, [])
}
