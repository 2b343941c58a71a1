/** Starting where nothing can be remembered: a user id that the system does not know, and homes that cannot be written, read or even made. */
import assert from 'node:assert/strict'
import {chmod, copyFile, cp, mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {HOLDFAST_LAUNCHER} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {type ProgramResult, run} from '../support/run-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const ROOT = join(import.meta.dirname, '../..')
const PROGRAM_FILES = ['bin', 'dist', 'package.json', 'oclif.manifest.json']
const UNKNOWN_USER = 12_345
const HINT = 'export HOLDFAST_DATA_DIR='
const CONCURRENT_RUNS = 2
const PLAN = ['--target', 'systemd', '--url', 'http://mirror.example.com', '--upstream', 'docker.io', '--allow', '10.0.0.0/8']

interface Manifest {
  readonly commands: Readonly<Record<string, {readonly args: Words; readonly flags: Words}>>
}
type Words = Readonly<Record<string, {readonly required?: boolean; readonly type?: string; readonly options?: readonly string[]}>>

describe('without a home', function () {
  this.timeout(600_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  const image = createImage([createLayer('hello', 'world')])
  let top: string
  let registry: DockerRegistry
  let reference: string

  before(async () => {
    const temporary = await createTemporaryDirectory('homeless')
    afterwards(temporary.remove)
    top = temporary.path
    registry = await startDockerRegistry()
    afterwards(registry.stop)
    reference = `${registry.host}/web:v1`
    await pushImage(registry.url, 'web', 'v1', image)
  })

  describe('as a user id that the system does not know', () => {
    let node: string
    let launcher: string

    before(async function () {
      if (process.geteuid?.() !== 0) {
        process.stderr.write('\n    SKIPPED: only root can start a program as another user\n')
        return this.skip()
      }
      await chmod(top, 0o755)
      // The checkout may be in a folder that this user cannot enter.
      node = join(top, 'node')
      await copyFile(process.execPath, node)
      for (const name of PROGRAM_FILES) await cp(join(ROOT, name), join(top, 'program', name), {recursive: true})
      launcher = join(top, 'program/bin/run.js')
      await mkdir(join(top, 'foreign/.docker'), {recursive: true})
      await writeFile(join(top, 'foreign/.docker/config.json'), '{"auths": {}}')
      await chmod(join(top, 'foreign'), 0o700)
    })

    const start = (args: readonly string[], env: NodeJS.ProcessEnv): Promise<ProgramResult> =>
      run('setpriv', ['--reuid', String(UNKNOWN_USER), '--regid', String(UNKNOWN_USER), '--clear-groups', node, launcher, ...args], {
        env: {PATH: process.env.PATH, CI: '1', ...env},
      })

    for (const home of ['/', '/nonexistent', '/proc', '/dev/null', '', undefined]) {
      it(`inspects an image with ${home === undefined ? 'no HOME' : `HOME="${home}"`}, and says nothing else`, async () => {
        const {stdout, stderr, exitCode} = await start(['inspect', reference], home === undefined ? {} : {HOME: home})
        assert.deepEqual([exitCode, stderr], [0, ''])
        assert.ok(stdout.includes(image.digest), stdout)
      })
    }

    it('inspects an image with the home of another user, and warns once that nothing there is used', async () => {
      const {stdout, stderr, exitCode} = await start(['inspect', reference], {HOME: join(top, 'foreign')})
      assert.equal(exitCode, 0, stderr)
      assert.ok(stdout.includes(image.digest), stdout)
      assert.match(stderr, /^Warning: cannot open ".*holdfast\.db".*HOLDFAST_DATA_DIR.*\n$/)
    })

    it('refuses a data directory that was chosen and cannot be read', async () => {
      const {stderr, exitCode} = await start(['registry', 'list'], {HOLDFAST_DATA_DIR: join(top, 'foreign')})
      assert.equal(exitCode, 10, stderr)
      assert.match(stderr, /STORAGE/)
    })

    it('copies, prints the pinned reference, and warns once that it could not be remembered', async () => {
      const cached = await start(['cache-image', reference, reference, '--to', registry.host], {HOME: '/'})
      assert.equal(cached.exitCode, 0, cached.stderr)
      assert.match(cached.stdout, new RegExp(`^${registry.host}/[0-9a-f-]{36}@${image.digest}\n`))
      assert.equal(cached.stderr.match(/^Warning: .*HOLDFAST_DATA_DIR/gm)?.length, 1, cached.stderr)
      const copied = await start(['copy', reference, `${registry.host}/copy:v1`], {HOME: '/'})
      assert.equal(copied.exitCode, 0, copied.stderr)
      assert.equal(copied.stderr.match(/^Warning: /gm)?.length, 1, copied.stderr)
    })

    it('says that nothing is declared, cached and logged in', async () => {
      for (const args of [['registry', 'list'], ['cached'], ['auth', 'list']]) {
        const {stderr, exitCode} = await start(args, {HOME: '/'})
        assert.equal(exitCode, 0, `${args.join(' ')}: ${stderr}`)
      }
    })

    for (const args of [
      ['registry', 'add', 'cache', 'REGISTRY'],
      ['login', 'REGISTRY', '--username', 'ann'],
      ['cache-image', 'IMAGE'],
      ['serve', '--listen', '127.0.0.1:0'],
      ['serve', '--listen', '127.0.0.1:0', '--authenticate'],
      ['mirror', 'serve', '--upstream', 'REGISTRY', '--listen', '127.0.0.1:0'],
      ['user', 'list'],
    ]) {
      it(`fails with STORAGE and a hint for "${args.join(' ')}", before anything is sent`, async () => {
        await registry.forgetAccessLog()
        const real = args.map((arg) => ({REGISTRY: registry.host, IMAGE: reference})[arg] ?? arg)
        const {stderr, exitCode} = await start(real, {HOME: '/'})
        assert.equal(exitCode, 10, stderr)
        assert.match(stderr, /\(STORAGE\)/)
        assert.ok(stderr.includes(HINT), stderr)
        assert.deepEqual(await registry.accessLog(), [])
      })
    }

    it('works in full with the data directory that the hint names', async () => {
      const work = join(top, 'work')
      await mkdir(work)
      await chmod(work, 0o777)
      const env = {HOME: '/', HOLDFAST_DATA_DIR: join(work, 'holdfast-data')}
      assert.equal((await start(['registry', 'add', 'cache', registry.url], env)).exitCode, 0)
      const {stdout, stderr, exitCode} = await start(['cache-image', reference, '--to', 'cache'], env)
      assert.deepEqual([exitCode, stderr.includes('Warning')], [0, false], stderr)
      assert.ok((await start(['cached'], env)).stdout.includes(stdout.slice(registry.host.length + 1, registry.host.length + 9)))
    })
  })

  describe('in /proc and /sys, where no directory can be made', () => {
    before(function () {
      if (process.platform !== 'linux') this.skip()
    })

    const start = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ProgramResult> =>
      run(process.execPath, [HOLDFAST_LAUNCHER, ...args], {env: {PATH: process.env.PATH, CI: '1', HOME: '/proc', ...env}})

    it('every command ends, and none with an error of ours', async () => {
      const {commands}: Manifest = JSON.parse(await readFile(join(ROOT, 'oclif.manifest.json'), 'utf8'))
      const word = ({options}: Words[string]): string => options?.[0] ?? 'x'
      const runs = Object.entries(commands).map(([id, {args, flags}]) => [
        ...id.split(':'),
        ...Object.values(args)
          .filter(({required}) => required)
          .map(word),
        ...Object.entries(flags)
          .filter(([, {required}]) => required)
          .flatMap(([name, flag]) => (flag.type === 'boolean' ? [`--${name}`] : [`--${name}`, word(flag)])),
        '--json',
      ])
      assert.ok(runs.length > 80)
      const queue = runs.values()
      const work = async (): Promise<void> => {
        for (const args of queue) {
          const {stdout, stderr, exitCode} = await start(args)
          assert.ok(exitCode !== null && !stdout.includes('"INTERNAL"'), `${args.join(' ')}: ${stdout}${stderr}`)
        }
      }
      await Promise.all(Array.from({length: CONCURRENT_RUNS}, work))
    })

    for (const [title, args, env] of [
      ['serve in HOLDFAST_DATA_DIR=/proc', ['serve', '--listen', '127.0.0.1:0'], {HOLDFAST_DATA_DIR: '/proc'}],
      ['serve in /sys', ['serve', '--listen', '127.0.0.1:0', '--data-dir', '/sys/nope'], {}],
      ['cache-image --result', ['cache-image', 'IMAGE', '--to', 'REGISTRY', '--result', '/proc/nope/x'], {}],
      ['copy into an image layout', ['copy', 'IMAGE', 'oci:/proc/nope/x'], {}],
      ['mirror init', ['mirror', 'init', ...PLAN, '--directory', '/proc/nope/x'], {}],
    ] as const) {
      it(`ends with STORAGE for ${title}`, async () => {
        const real = args.map((arg) => ({REGISTRY: registry.host, IMAGE: reference})[arg] ?? arg)
        const {stderr, exitCode} = await start(real, env)
        assert.equal(exitCode, 10, stderr)
        assert.match(stderr, /\(STORAGE\)/)
      })
    }

    it('ends the builder, whose result cannot be written', async () => {
      const builder = ['builder', '-dockerRef', reference, '-insecureDockerRegistries', registry.host]
      const {stdout, stderr, exitCode} = await start([...builder, '-outputMetadataJSONFilename', '/proc/nope/x'])
      assert.equal(exitCode, 2, stdout + stderr)
      assert.match(stdout + stderr, /cannot write "\/proc\/nope\/x"/)
    })
  })
})
