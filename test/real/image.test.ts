/** The image of Holdfast: built without docker, unpacked and run as container runtimes run it, copied by Holdfast, and rendered for compose and Kubernetes. */
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {existsSync} from 'node:fs'
import {chmod, mkdir, open, readdir, readFile, stat, symlink, utimes, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {parse, parseAllDocuments} from 'yaml'
import {prepareSteps} from '../../scripts/image/build-image.ts'
import {normalizeModes, writeArchive} from '../../scripts/image/layer.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createCertificateAuthority} from '../support/certificates.ts'
import {createContainerClients} from '../support/clients.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {type ProgramResult, run, runOk} from '../support/run-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {
  type Container,
  type ContainerOptions,
  createVolume,
  readImage,
  runContainer,
  startContainer,
  type UnpackedImage,
  unpackImage,
} from '../support/unpacked-image.ts'
import {until} from '../support/until.ts'

const ROOT = join(import.meta.dirname, '../..')
const BUILD = join(ROOT, 'scripts/image.ts')
const TIMEOUT_MS = 300_000
const BUILD_TIMEOUT_MS = 900_000
const EXIT = {usage: 2, conflict: 6, network: 7, configuration: 10} as const
/** The time of the image, in seconds since 1970. */
const EPOCH = 1_700_000_000
const DEBIAN_SOURCES = '/etc/apt/sources.list.d/debian.sources'
/** `e_machine` of ELF files. */
const MACHINE: Readonly<Record<string, number>> = {amd64: 62, arm64: 183}
/** What is new in a release. */
const MAX_OWN_LAYER_BYTES = 8 * 1024 * 1024
const ELF_MAGIC = '7f454c46'
/** As Kubernetes runs it: an id that the image does not know. */
const FOREIGN_USER = '1000:1000'
const OWN_ARCHITECTURE = process.arch === 'arm64' ? 'arm64' : 'amd64'
/** Tries to write beside the volume; prints how that failed. */
const WRITE_ROOT = `const {writeFileSync} = require('node:fs')
console.log(JSON.stringify(['/opt/holdfast/x', '/home/holdfast/x'].map((file) => { try { writeFileSync(file, '') } catch ({code}) { return code } })))`
const version: string = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')).version

const build = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ProgramResult> =>
  run(process.execPath, [BUILD, '--no-build', ...args], {env: {...process.env, ...env}, timeoutMs: BUILD_TIMEOUT_MS})

describe('npm run image', function () {
  this.timeout(TIMEOUT_MS)
  needsDebian()
  const afterwards = cleanUpAfterwards()
  let folder: string

  before(async () => {
    const temporary = await createTemporaryDirectory('image')
    afterwards(temporary.remove)
    folder = temporary.path
  })

  it('says what it cannot reach, and leaves nothing behind', async () => {
    const sources = join(folder, 'nowhere.list')
    await writeFile(sources, 'deb [trusted=yes] http://127.0.0.1:1/debian stable main\n')
    await mkdir(join(folder, 'offline'))
    const {exitCode, stderr, stdout} = await build(['--apt-sources', sources, '--output', join(folder, 'offline/image')])
    assert.deepEqual([exitCode, stdout], [EXIT.network, ''], stderr)
    assert.match(
      stderr,
      /cannot download packages of Debian for amd64: apt-get failed: .*127\.0\.0\.1.*\(NETWORK\); npm run image -- --apt-sources FILE/,
    )
    assert.deepEqual(await readdir(join(folder, 'offline')), [])
  })

  it('refuses what it does not know, and replaces nothing but a layout', async () => {
    const sources = join(folder, 'empty.list')
    await writeFile(sources, '')
    await mkdir(join(folder, 'other'))
    await writeFile(join(folder, 'other/file'), 'kept')
    const cases: readonly [readonly string[], number, string, NodeJS.ProcessEnv?][] = [
      [['--no-such-flag'], EXIT.usage, 'npm run image -- --help'],
      [['--platform', 'linux/s390x'], EXIT.usage, 'only linux/amd64 and linux/arm64 are known'],
      [['--apt-sources', join(folder, 'absent')], EXIT.configuration, `there is no file "${join(folder, 'absent')}"`],
      [[], EXIT.configuration, 'SOURCE_DATE_EPOCH is "yesterday", not a number of seconds', {SOURCE_DATE_EPOCH: 'yesterday'}],
      [['--output', join(folder, 'other')], EXIT.conflict, 'the folder is not empty and not an OCI layout'],
      [['--output', join(folder, 'other/file')], EXIT.conflict, 'it is a file'],
      [['--output', join(folder, 'other/file/image')], EXIT.configuration, 'cannot write the image: '],
    ]
    for (const [args, expected, reason, env] of cases) {
      const {exitCode, stderr} = await build(['--apt-sources', sources, ...args], env)
      assert.deepEqual([exitCode, stderr.includes(reason)], [expected, true], stderr)
    }
    assert.equal(await readFile(join(folder, 'other/file'), 'utf8'), 'kept')
  })

  it('gives a layer a digest that depends on names, modes and contents alone', async () => {
    const digestOf = async (name: string, {content = 'x', mode = 0o644, mtime = 0, isReversed = false}): Promise<string> => {
      const directory = join(folder, name)
      await mkdir(join(directory, 'bin'), {recursive: true, mode: 0o700})
      const files = ['bin/a', `bin/${'long'.repeat(50)}`, 'b']
      for (const file of isReversed ? files.reverse() : files) {
        await writeFile(join(directory, file), content)
        await chmod(join(directory, file), mode)
        await utimes(join(directory, file), mtime, mtime)
      }
      await symlink('bin/a', join(directory, 'link'))
      await normalizeModes(directory)
      return await writeArchive({directory, owner: 0}, `${directory}.tar`)
    }
    const first = await digestOf('first', {})
    assert.equal(await digestOf('later', {mtime: EPOCH, isReversed: true, mode: 0o600}), first)
    assert.equal(await digestOf('shared', {mode: 0o664}), first)
    assert.notEqual(await digestOf('program', {mode: 0o755}), first)
    assert.notEqual(await digestOf('changed', {content: 'y'}), first)
  })
})

describe('the image of Holdfast', function () {
  this.timeout(TIMEOUT_MS)
  needsDebian()
  needs('apt-get', 'dpkg-deb', 'tar', 'gzip', 'npm', 'docker-registry', 'skopeo', 'htpasswd', 'openssl')
  const afterwards = cleanUpAfterwards()
  let folder: string
  let layout: string
  let digest: string
  let image: UnpackedImage
  let user: Holdfast
  let count = 0

  before(async function () {
    this.timeout(BUILD_TIMEOUT_MS)
    const temporary = await createTemporaryDirectory('image')
    afterwards(temporary.remove)
    folder = temporary.path
    // Another user looks into it.
    await chmod(folder, 0o755)
    layout = join(folder, 'image')
    const built = await build(['--output', layout], {SOURCE_DATE_EPOCH: String(EPOCH)})
    if (built.exitCode === EXIT.network && !process.env.CI) {
      process.stderr.write(`\n    SKIPPED: ${built.stderr}\n`)
      this.skip()
    }
    assert.equal(built.exitCode, 0, built.stderr)
    digest = built.stdout.trim()
    image = await unpackImage(await readImage(layout, OWN_ARCHITECTURE), join(folder, 'root'))
    user = await createHoldfast(folder)
  })

  it('tells runtimes and registries what it is, at the time that SOURCE_DATE_EPOCH names', async () => {
    const created = new Date(EPOCH * 1000).toISOString()
    for (const architecture of ['amd64', 'arm64']) {
      const {config} = await readImage(layout, architecture)
      assert.deepEqual([config.os, config.architecture, config.created], ['linux', architecture, created])
      const {User, Entrypoint, Volumes, Env, Labels} = config.config
      assert.deepEqual([User, Entrypoint, Volumes], ['65532:65532', ['holdfast'], {'/var/lib/holdfast': {}}])
      assert.ok(Env.includes('HOLDFAST_DATA_DIR=/var/lib/holdfast'))
      assert.equal(Labels['org.opencontainers.image.version'], version)
      assert.equal(Labels['org.opencontainers.image.created'], created)
      assert.deepEqual(
        config.history.map((entry) => [entry.comment, entry.created]),
        ['packages of Debian', 'folders of the user', 'Node', 'Holdfast'].map((comment) => [comment, created]),
      )
    }
  })

  it('has programs and libraries of its platform alone, a keychain binding among them, and no shell', async () => {
    for (const architecture of ['amd64', 'arm64']) {
      const {root} = await unpackImage(await readImage(layout, architecture), join(folder, architecture))
      const entries = await readdir(root, {recursive: true, withFileTypes: true})
      const machines = new Map<string, number>()
      for (const entry of entries.filter((one) => one.isFile())) {
        const path = join(entry.parentPath, entry.name)
        const machine = await machineOf(path)
        if (machine !== undefined) machines.set(path.slice(root.length), machine)
      }
      for (const [path, machine] of machines) assert.equal(machine, MACHINE[architecture], `${architecture}: ${path}`)
      for (const needed of [/^\/usr\/bin\/node$/, /\/libc\.so\.6$/, /\/keyring\.[^/]*\.node$/])
        assert.ok(
          [...machines.keys()].some((path) => needed.test(path)),
          String(needed),
        )
      const names = entries.map(({name}) => name)
      assert.deepEqual(
        names.filter((name) => ['sh', 'bash', 'dash', 'busybox'].includes(name)),
        [],
      )
      for (const name of ['libc6', 'ca-certificates']) {
        assert.match(
          await readFile(join(root, 'var/lib/dpkg/status.d', name), 'utf8'),
          new RegExp(`^Package: ${name}\n(?:.*\n)*Version: .`),
        )
      }
      const licensed = await readFile(join(root, 'usr/share/doc/libgcc-s1/copyright'), 'utf8')
      assert.ok(licensed.length > 0)
    }
  })

  it('lets its user write two folders and temporary files, and other users temporary files alone', async () => {
    const {layerFiles, config} = await readImage(layout, OWN_ARCHITECTURE)
    const lists = await Promise.all(layerFiles.map((file) => runOk('tar', ['--list', '--verbose', '--numeric-owner', '--file', file])))
    const entries = lists.flatMap((list) => list.trim().split('\n')).map((line) => line.split(/\s+/))
    const named = (isMeant: (modes: string, owner: string) => boolean): (string | undefined)[] =>
      entries.filter(([modes = '', owner = '']) => !modes.startsWith('l') && isMeant(modes, owner)).map(([, , , , , path]) => path)
    assert.deepEqual([...new Set(entries.map(([, owner]) => owner))], ['0/0', config.config.User.replace(':', '/')])
    assert.deepEqual(
      named((_, owner) => owner === config.config.User.replace(':', '/')),
      ['home/holdfast/', 'var/lib/holdfast/'],
    )
    assert.deepEqual(
      named((modes) => /^.{5}w|^.{8}w|s/.test(modes)),
      ['tmp/', 'var/tmp/'],
    )
  })

  it('has the same layers when it is built in another folder, at another time, under another umask', async function () {
    this.timeout(BUILD_TIMEOUT_MS)
    const {config} = await readImage(layout, OWN_ARCHITECTURE)
    const umask = process.umask(0o077)
    try {
      const again = prepareSteps(OWN_ARCHITECTURE, join(folder, 'again'), {
        checkout: ROOT,
        aptSources: DEBIAN_SOURCES,
        onStep: () => {},
      })
      const diffIds: string[] = []
      for await (const content of again) {
        diffIds.push(await writeArchive(content, join(folder, `again-${diffIds.length}.tar`)))
      }
      assert.deepEqual(diffIds, config.rootfs.diff_ids)
    } finally {
      process.umask(umask)
    }
  })

  it('has all that changes with a release in its last layer, which is small', async () => {
    const {layerFiles} = await readImage(layout, OWN_ARCHITECTURE)
    const lists = await Promise.all(layerFiles.map((file) => runOk('tar', ['--list', '--file', file])))
    assert.deepEqual(
      lists.map((list) => list.includes('opt/holdfast/')),
      [false, false, false, true],
    )
    assert.ok((await stat(layerFiles.at(-1) ?? '')).size < MAX_OWN_LAYER_BYTES)
  })

  describe('unpacked', () => {
    before(function () {
      if (process.geteuid?.() === 0) return
      process.stderr.write('\n    SKIPPED: only root can run an image\n')
      this.skip()
    })

    const volume = (owner?: string): Promise<string> => createVolume(image, join(folder, `volume-${count++}`), owner)
    const holdfast = async (args: readonly string[], options: Partial<ContainerOptions> = {}): Promise<ProgramResult> =>
      await runContainer(image, args, {volume: await volume(options.user), ...options})

    it('runs without being allowed to write its root, as its own user and as one that it does not know', async () => {
      for (const more of [{}, {user: FOREIGN_USER, env: {HOME: '/tmp'}}]) {
        const kept = await volume(more.user)
        const {stdout, stderr, exitCode} = await holdfast(['registry', 'add', 'internal', 'http://127.0.0.1:1', '--no-probe', '--json'], {
          ...more,
          volume: kept,
        })
        assert.equal(exitCode, 0, stderr + stdout)
        const listed = await holdfast(['registry', 'list', '--json'], {...more, volume: kept})
        assert.equal(JSON.parse(listed.stdout).result.registries[0].name, 'internal')
        const written = await holdfast([WRITE_ROOT], {...more, entrypoint: ['node', '--eval'], volume: kept})
        assert.equal(written.stdout.trim(), '["EROFS","EROFS"]', written.stderr)
      }
    })

    it('inspects an image as a user that may not write the volume', async () => {
      const origin = await startDockerRegistry()
      afterwards(origin.stop)
      const hello = createImage([createLayer('hello', 'world')])
      await pushImage(origin.url, 'web', 'v1', hello)
      const inspect = ['inspect', `${origin.host}/web:v1`]
      const {stdout, stderr, exitCode} = await holdfast(inspect, {user: FOREIGN_USER, volume: await volume()})
      assert.deepEqual([exitCode, stdout.includes(hello.digest)], [0, true], stderr)
    })

    it('says that there is no keychain, and takes credentials from variables instead', async () => {
      const account = {username: 'ann', password: 'secret-of-ann'}
      const registry = await startDockerRegistry({htpasswd: account})
      afterwards(registry.stop)
      const reference = `${registry.host}/web:v1`
      const key = registry.host.replaceAll(/[.:]/g, '_')
      const env = {[`HOLDFAST_AUTH_${key}_USERNAME`]: account.username, [`HOLDFAST_AUTH_${key}_PASSWORD`]: account.password}
      const copied = await holdfast(['inspect', reference, '--json'], {env})
      assert.equal(JSON.parse(copied.stdout).error.code, 'MANIFEST_NOT_FOUND')
      const refused = await holdfast(['inspect', reference, '--json'])
      assert.equal(JSON.parse(refused.stdout).error.code, 'UNAUTHENTICATED')
      const script = `const {spawnSync} = require('node:child_process')
const {status, stdout} = spawnSync('holdfast', ['login', '${registry.host}', '-u', 'ann', '--password-stdin', '--json'], {input: '${account.password}', encoding: 'utf8'})
console.log(JSON.stringify({status, ...JSON.parse(stdout)}))`
      const {status, error} = JSON.parse((await holdfast([script], {entrypoint: ['node', '--eval']})).stdout)
      assert.deepEqual([status, error.code], [EXIT.configuration, 'KEYCHAIN_UNAVAILABLE'])
      assert.ok(error.hints.some((hint: string) => hint.includes('HOLDFAST_AUTH_')))
    })

    it('trusts an authority that is added to its certificates', async () => {
      const authority = await createCertificateAuthority(join(folder, 'authority'))
      const registry = await startDockerRegistry({tls: await authority.issue('server')})
      afterwards(registry.stop)
      const bundle = join(folder, 'ca-certificates.crt')
      const path = '/etc/ssl/certs/ca-certificates.crt'
      const own = await readFile(join(image.root, path), 'utf8')
      assert.ok(own.split('BEGIN CERTIFICATE').length > 100, 'the authorities of Debian')
      await writeFile(bundle, own + authority.ca)
      const inspect = ['inspect', `${registry.host}/web:v1`, '--json']
      assert.equal(JSON.parse((await holdfast(inspect)).stdout).error.code, 'TLS')
      assert.equal(JSON.parse((await holdfast(inspect, {mount: [path, bundle]})).stdout).error.code, 'MANIFEST_NOT_FOUND')
    })

    it('keeps images in its volume when it runs as a mirror, and ends when it is told to', async () => {
      const origin = await startDockerRegistry()
      afterwards(origin.stop)
      await pushImage(origin.url, 'shop/web', 'v1', createImage([createLayer('hello', 'world')]))
      const kept = await volume()
      const mirror = startContainer(image, ['mirror', 'serve', '--upstream', origin.url, '--listen', '127.0.0.1:0', '--json'], {
        volume: kept,
      })
      const [line] = await once(createInterface({input: mirror.stdout}), 'line')
      const {host} = new URL(JSON.parse(String(line)).result.url)
      const {skopeo} = await createContainerClients(folder)
      const pull = (target: string) =>
        skopeo('copy', '--src-tls-verify=false', `docker://${host}/shop/web:v1`, `dir:${join(folder, target)}`)
      assert.equal((await pull('cold')).exitCode, 0)
      await origin.stop()
      const cached = await pull('cached')
      assert.equal(cached.exitCode, 0, cached.stderr)
      await mirror.signal('SIGTERM')
      assert.deepEqual(await mirror.ended(), {exitCode: 0, signal: null}, mirror.errors())
      assert.deepEqual(await readdir(join(kept, 'mirror')), [encodeURIComponent(origin.host)])
    })

    describe('copied into a registry by Holdfast', () => {
      let registry: DockerRegistry
      let reference: string

      before(async () => {
        registry = await startDockerRegistry()
        afterwards(registry.stop)
        const copied = await user.json(['copy', `oci:${layout}:${version}`, `${registry.host}/tools/holdfast:${version}`])
        assert.equal(copied.exitCode, 0, copied.stdout)
        reference = `${registry.host}/tools/holdfast@${digest}`
      })

      it('has the same digest there, and skopeo finds both platforms', async () => {
        const {skopeo} = await createContainerClients(folder)
        for (const architecture of ['amd64', 'arm64']) {
          const found = await skopeo('--override-arch', architecture, 'inspect', '--config', '--tls-verify=false', `docker://${reference}`)
          assert.equal(JSON.parse(found.stdout).architecture, architecture, found.stderr)
        }
      })

      for (const target of ['compose', 'kubernetes'] as const) {
        it(`runs as "mirror render --target ${target} --image" writes it`, async () => {
          const rendered = join(folder, target)
          await mkdir(rendered)
          const flags = ['--target', target, '--url', 'http://mirror.example.com', '--upstream', 'docker.io', '--allow', '10.0.0.0/8']
          const images = ['--image', reference, '--proxy-image', `${registry.host}/nginx@${digest}`]
          const {exitCode, stderr} = await user.run(['mirror', 'init', ...flags, ...images], {cwd: rendered})
          assert.equal(exitCode, 0, stderr)
          const written = await readStart(join(rendered, 'mirror'), target)
          assert.equal(written.image, reference)

          // What the reference names, as a runtime fetches it.
          const pulled = join(folder, `pulled-${target}`)
          const fetched = await user.run(['copy', reference, `oci:${pulled}:v1`])
          assert.equal(fetched.exitCode, 0, fetched.stderr)
          const unpacked = await unpackImage(await readImage(pulled, OWN_ARCHITECTURE), join(folder, `root-${target}`))
          const {user: owner = unpacked.config.config.User, entrypoint, args, env} = written
          const mirror = startContainer(unpacked, args, {user: owner, entrypoint, env, volume: await volume(owner), isolated: true})
          await answers(mirror, 'http://127.0.0.1:5000/readyz')
          await mirror.signal('SIGTERM')
          assert.deepEqual(await mirror.ended(), {exitCode: 0, signal: null}, mirror.errors())
        })
      }
    })
  })
})

/** The image is made on Debian: other machines do not know where its packages are. */
function needsDebian(): void {
  before(function () {
    if (existsSync(DEBIAN_SOURCES)) return
    process.stderr.write('\n    SKIPPED: this machine is not Debian\n')
    this.skip()
  })
}

/** The machine that an ELF file is for; undefined for other files. */
async function machineOf(path: string): Promise<number | undefined> {
  await using file = await open(path)
  const {buffer, bytesRead} = await file.read(Buffer.alloc(20), 0, 20, 0)
  return bytesRead === 20 && buffer.toString('hex', 0, 4) === ELF_MAGIC ? buffer.readUInt16LE(18) : undefined
}

interface RenderedStart {
  readonly image: string
  readonly entrypoint: readonly string[]
  readonly args: readonly string[]
  readonly user: string | undefined
  readonly env: Readonly<Record<string, string>>
}

/** How compose or Kubernetes is told to start the mirror. */
async function readStart(folder: string, target: 'compose' | 'kubernetes'): Promise<RenderedStart> {
  const written = await readFile(join(folder, target === 'compose' ? 'compose.yaml' : 'kubernetes.yaml'), 'utf8')
  if (target === 'compose') {
    const {image, entrypoint, command} = parse(written).services.mirror
    return {image, entrypoint, args: command, user: undefined, env: {}}
  }
  const pods = parseAllDocuments(written).flatMap((document) => document.toJSON().spec?.template?.spec ?? [])
  const container = pods.flatMap(({containers}) => containers).find(({name}) => name === 'mirror')
  const {runAsUser} = {...pods[0].securityContext, ...container.securityContext}
  const env = Object.fromEntries((container.env ?? []).map(({name, value}: {name: string; value: string}) => [name, value]))
  return {image: container.image, entrypoint: container.command, args: container.args, user: `${runAsUser}:${runAsUser}`, env}
}

/** Settles when a URL in the network of the container answers. */
async function answers(container: Container, url: string): Promise<void> {
  const ask = `fetch(${JSON.stringify(url)}).then(({status}) => console.log(status), () => console.log('none'))`
  await until(async () => (await container.inside(process.execPath, '--eval', ask)).trim() === '200')
}
