/** The builder and what belongs to it, as a platform of one's own runs it: genuine registries, genuine engines, a fake Consul and a fake foundation. */
import assert from 'node:assert/strict'
import {existsSync} from 'node:fs'
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {startByteRelay} from '../support/byte-relay.ts'
import {writeCfSession} from '../support/cf-session.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {FakeCloudFoundry} from '../support/fake-cf/fake-cf.ts'
import {startFakeConsul} from '../support/fake-consul.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {fetchManifest, fetchRepositories, fetchTags, pushImage} from '../support/push-image.ts'
import {findProgram, needs} from '../support/required-program.ts'
import {type ProgramResult, run} from '../support/run-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const LARGE_BYTES = 24 * 1024 * 1024
const PULLER = {username: 'u', password: 'canary-of-the-origin'}

describe('the builder', function () {
  this.timeout(180_000)
  needs('docker-registry', 'skopeo', 'podman', 'htpasswd')
  const afterwards = cleanUpAfterwards()
  const image = createImage([createLayer('app', 'app', 2000)], {
    command: ['serve', '--all'],
    entrypoint: ['/app'],
    user: 'web',
    workingDirectory: '/srv',
    ports: ['8081/tcp', '53/udp'],
  })
  const large = createImage([createLayer('large', 'large', LARGE_BYTES)])
  let folder: string
  let user: Holdfast
  let origin: DockerRegistry
  let cache: DockerRegistry
  let count = 0

  before(async () => {
    const temporary = await createTemporaryDirectory('builder')
    afterwards(temporary.remove)
    folder = temporary.path
    user = await createHoldfast(folder)
    origin = await startDockerRegistry()
    afterwards(() => origin.stop())
    cache = await startDockerRegistry()
    afterwards(() => cache.stop())
    await pushImage(origin.url, 'shop/web', 'v1', image)
    await pushImage(origin.url, 'shop/large', 'v1', large)
  })

  const resultFile = (): string => join(folder, `result-${++count}`, 'result.json')

  function build(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ProgramResult> {
    const all = ['builder', '-outputMetadataJSONFilename', file, '-insecureDockerRegistries', origin.host, ...args]
    return user.run(all, {env: {...user.env, ...env}})
  }

  const cachingAt = (port: number, host = 'localhost'): readonly string[] => [
    ...['-cacheDockerImage', '-dockerRegistryHost', host, '-dockerRegistryPort', String(port), '-dockerRegistryIPs', '127.0.0.1'],
  ]
  const readResult = async (file: string): Promise<Record<string, unknown>> => JSON.parse(await readFile(file, 'utf8'))

  it('writes what the Cloud Controller reads of an image, and caches nothing unless told to', async () => {
    const file = resultFile()
    const {exitCode, stdout, stderr} = await build(file, ['-dockerRef', `${origin.host}/shop/web:v1`])
    assert.deepEqual([exitCode, stdout, stderr], [0, 'Staging process started ...\nStaging process finished\n', ''])
    assert.match(await readFile(file, 'utf8'), /^[^\n]+\n$/)
    const result = await readResult(file)
    assert.deepEqual(Object.keys(result), ['lifecycle_type', 'lifecycle_metadata', 'process_types', 'execution_metadata'])
    assert.deepEqual(result.lifecycle_metadata, {docker_image: `${origin.host}/shop/web:v1`})
    assert.deepEqual(result.process_types, {web: '/app serve --all'})
    assert.deepEqual(JSON.parse(String(result.execution_metadata)), {
      cmd: ['serve', '--all'],
      entrypoint: ['/app'],
      workdir: '/srv',
      ports: [
        {Port: 53, Protocol: 'udp'},
        {Port: 8081, Protocol: 'tcp'},
      ],
      user: 'web',
    })
    assert.deepEqual(await fetchRepositories(cache.url), [])
  })

  it('caches under a fresh GUID each time, says so line by line, and pins what is to be run', async () => {
    const guids = new Set<string>()
    for (const _ of [1, 2]) {
      const file = resultFile()
      const ref = `${origin.host}/shop/web:v1`
      const {exitCode, stdout, stderr} = await build(file, ['-dockerRef', ref, ...cachingAt(cache.port)])
      assert.deepEqual([exitCode, stderr], [0, ''], stdout)
      const guid = /Docker image will be cached as localhost:\d+\/([0-9a-f-]{36})\n/.exec(stdout)?.[1] ?? ''
      guids.add(guid)
      const cached = `localhost:${cache.port}/${guid}`
      assert.deepEqual(stdout.split('\n'), [
        'Staging process started ...',
        'Caching docker image ...',
        `Pulling docker image ${ref} ...`,
        'Docker image pulled.',
        `Docker image will be cached as ${cached}`,
        `Tagging docker image ${ref} as ${cached} ...`,
        'Docker image tagged.',
        `Pushing docker image ${cached}`,
        'Docker image pushed.',
        'Docker image caching completed.',
        'Staging process finished',
        '',
      ])
      assert.deepEqual((await readResult(file)).lifecycle_metadata, {docker_image: `${cached}@${image.digest}`})
      assert.equal((await fetchManifest(cache.url, guid, 'latest'))?.digest, image.digest)
    }
    assert.equal(guids.size, 2)
  })

  it('does as it did before August 2015 when it is told so with the flags of that time', async () => {
    const file = resultFile()
    const url = `docker://${origin.host}/shop/web#v1`
    const {exitCode, stdout} = await build(file, ['-dockerImageURL', url, '-cacheDockerImage', '-dockerRegistryAddresses', cache.host])
    assert.equal(exitCode, 0, stdout)
    const result = await readResult(file)
    assert.deepEqual(Object.keys(result), ['execution_metadata', 'detected_start_command', 'docker_image'])
    assert.match(String(result.docker_image), new RegExp(`^${cache.host}/[0-9a-f-]{36}$`))
  })

  it('fetches metadata with the given credentials, cached or not, from the image’s own registry, whatever the login server is', async () => {
    const guarded = await startDockerRegistry({root: origin.root, htpasswd: PULLER})
    afterwards(() => guarded.stop())
    const ref = `${guarded.host}/shop/web:v1`
    // As the Cloud Controller of today calls it.
    const insecure = `-insecureDockerRegistries=${guarded.host}`
    const builder = (file: string, ...more: readonly string[]) =>
      user.run(['builder', `-outputMetadataJSONFilename=${file}`, `-dockerRef=${ref}`, insecure, ...more])
    const login = [`-dockerUser=${PULLER.username}`, `-dockerPassword=${PULLER.password}`]
    for (const more of [[], ['-dockerLoginServer', 'https://other.example.com'], cachingAt(cache.port)]) {
      const file = resultFile()
      const {exitCode, stdout, stderr} = await builder(file, ...login, ...more)
      assert.equal(exitCode, 0, stdout + stderr)
      assert.deepEqual((await readResult(file)).process_types, {web: '/app serve --all'})
    }
    const file = resultFile()
    const nobody = await builder(file)
    assert.equal(nobody.exitCode, 2)
    assert.match(nobody.stderr, /^Staging process failed: failed to fetch metadata from \[shop\/web\] with tag \[v1\]/)
    assert.equal(existsSync(file), false)
  })

  it('logs in to the origin alone, and shows the password nowhere', async () => {
    const guarded = await startDockerRegistry({root: origin.root, htpasswd: PULLER})
    afterwards(() => guarded.stop())
    const login = ['-dockerLoginServer', `http://${guarded.host}`, '-dockerUser', PULLER.username]
    const args = ['-dockerRef', `${guarded.host}/shop/web:v1`, ...cachingAt(cache.port), ...login]
    const {exitCode, stdout, stderr} = await build(resultFile(), args, {HOLDFAST_BUILDER_PASSWORD: PULLER.password})
    assert.equal(exitCode, 0, stdout + stderr)
    assert.match(stdout, /Logging to http:\/\/127\.0\.0\.1:\d+ \.\.\.\nLogged in\.\n/)
    const wrong = await build(resultFile(), args, {HOLDFAST_BUILDER_PASSWORD: 'canary-of-the-origin-but-wrong'})
    assert.equal(wrong.exitCode, 2)
    assert.ok(!(stdout + stderr + wrong.stdout + wrong.stderr).includes('canary'))
    const kept = await run('grep', ['-rla', PULLER.password, user.home])
    assert.deepEqual([kept.exitCode, kept.stdout], [1, ''], 'the password was kept')
  })

  it('goes on with the next instance when one is gone', async () => {
    const gone = await startDockerRegistry()
    await gone.stop()
    const file = resultFile()
    const addresses = `${gone.host},${cache.host}`
    const {exitCode, stdout} = await build(file, [
      '-dockerRef',
      `${origin.host}/shop/web:v1`,
      '-cacheDockerImage',
      '-dockerRegistryAddresses',
      addresses,
    ])
    assert.equal(exitCode, 0, stdout)
    assert.match(String((await readResult(file)).docker_image), new RegExp(`^${cache.host}/`))
  })

  it('leaves no result and no tag when the cache is killed in the midst of a push', async () => {
    const dying = await startDockerRegistry()
    afterwards(() => dying.stop())
    const relay = await startByteRelay({
      port: dying.port,
      direction: 'to-server',
      bytes: LARGE_BYTES / 2,
      onReached: () => void dying.kill(),
    })
    afterwards(relay.stop)
    const file = resultFile()
    const ref = `${origin.host}/shop/large:v1`
    const {exitCode, stdout, stderr} = await build(file, ['-dockerRef', ref, ...cachingAt(Number(relay.host.split(':')[1]))])
    assert.equal(exitCode, 2, stdout + stderr)
    assert.match(stderr, new RegExp(`^failed to cache image ${ref} (.+)\\nStaging process failed: \\1\\n$`))
    assert.equal(existsSync(file), false)
    const revived = await startDockerRegistry({root: dying.root, port: dying.port})
    afterwards(() => revived.stop())
    const tags = await Promise.all((await fetchRepositories(revived.url)).map((name) => fetchTags(revived.url, name)))
    assert.deepEqual(tags.flat(), [])
  })

  it('ends with the builder’s messages and exit codes', async () => {
    const file = resultFile()
    const missing = await build(file, ['-dockerRef', `${origin.host}/no/such:v1`])
    assert.equal(missing.exitCode, 2)
    const words =
      /^Staging process failed: failed to fetch metadata from \[no\/such\] with tag \[v1\] and insecure registries \[127\.0\.0\.1:\d+\] due to .+\n$/
    assert.match(missing.stderr, words)
    assert.equal(existsSync(file), false)
    const flag = await user.run(['builder', '-noSuchFlag'])
    assert.equal(flag.exitCode, 2)
    assert.match(flag.stderr, /^flag provided but not defined: -noSuchFlag\nUsage of builder:\n {2}-cacheDockerImage\n/)
    const help = await user.run(['builder', '-h'])
    assert.deepEqual([help.exitCode, help.stdout], [0, ''])
    assert.equal(help.stderr, flag.stderr.slice(flag.stderr.indexOf('Usage')))
    const ips = await user.run(['builder', '-dockerRegistryIPs', 'a:1'])
    assert.equal(ips.exitCode, 2)
    assert.match(ips.stderr, /^invalid value "a:1" for flag -dockerRegistryIPs: unexpected format for \[a:1\]\n/)
    const nothing = await user.run(['builder', '-cacheDockerImage'])
    assert.deepEqual([nothing.exitCode, nothing.stdout], [1, ''])
    assert.match(nothing.stderr, /^missing flag: dockerRef required\n {2}-cacheDockerImage\n/)
    const unwritable = await build('/proc/nope/x', ['-dockerRef', `${origin.host}/shop/web:v1`])
    assert.equal(unwritable.exitCode, 2)
    assert.match(unwritable.stderr, /^Staging process failed: failed to save metadata to \[\/proc\/nope\/x\] due to .+\n$/)
    const unnamed = await build(file, ['-dockerRef', 'UPPER/case:v1'])
    assert.equal(unnamed.exitCode, 2)
    assert.match(unnamed.stderr, /^Staging process failed: failed to fetch metadata from \[UPPER\/case\] with tag \[v1\]/)
    const json = await user.json(['builder', '-cacheDockerImage'])
    assert.deepEqual([json.exitCode, json.envelope.ok], [1, false])
  })

  for (const engine of ['skopeo', 'podman']) {
    it(`lets ${engine} do the copying where it is told to`, async () => {
      const home = join(folder, engine)
      await mkdir(join(home, '.config', 'containers'), {recursive: true})
      await mkdir(join(home, 'run'), {mode: 0o700})
      await writeFile(join(home, '.config', 'containers', 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}')
      await writeFile(
        join(home, '.config', 'containers', 'storage.conf'),
        `[storage]\ndriver="vfs"\nrunroot="${home}/run"\ngraphroot="${home}/storage"\n`,
      )
      const env = {
        HOME: home,
        XDG_CONFIG_HOME: join(home, '.config'),
        XDG_RUNTIME_DIR: join(home, 'run'),
        CONTAINERS_STORAGE_CONF: join(home, '.config/containers/storage.conf'),
      }
      const file = resultFile()
      const args = [
        '-dockerRef',
        `${origin.host}/shop/web:v1`,
        ...cachingAt(cache.port),
        '-dockerDaemonExecutablePath',
        findProgram(engine) ?? '',
      ]
      const {exitCode, stdout, stderr} = await build(file, args, env)
      assert.equal(exitCode, 0, stdout + stderr)
      const {docker_image: dockerImage} = (await readResult(file)).lifecycle_metadata as {docker_image: string}
      assert.match(dockerImage, new RegExp(`^localhost:${cache.port}/[0-9a-f-]{36}@sha256:`))
    })
  }

  it('is told by the stager, from Consul, for an app that has opted in, and runs with what it is told', async () => {
    const consul = await startFakeConsul()
    afterwards(() => consul.stop())
    await user.json(['registry', 'add', 'cache', cache.url, '--no-probe']).then(async ({exitCode}) => {
      if (exitCode !== 0) assert.equal((await user.json(['registry', 'add', 'cache', cache.url])).exitCode, 0)
    })
    const registered = await user.json(['registry', 'register', 'cache', '--consul', consul.url])
    assert.deepEqual(registered.envelope.result, {
      registry: 'cache',
      consul: consul.url,
      service: 'docker-registry',
      id: 'docker-registry-cache',
      address: '127.0.0.1',
      port: cache.port,
    })
    const request = (value: string): string =>
      JSON.stringify({
        app_id: 'app-guid',
        environment: [{name: 'DIEGO_DOCKER_CACHE', value}],
        lifecycle: 'docker',
        lifecycle_data: {docker_image: `${origin.host}/shop/web:v1`},
      })
    const flags = ['--request', '-', '-consulCluster', consul.url, '-insecureDockerRegistry', origin.host]
    const {stdout, exitCode} = await user.run(['stager', 'args', ...flags], {input: request('true')})
    assert.equal(exitCode, 0, stdout)
    const args = stdout.trimEnd().split('\n')
    const file = resultFile()
    args[args.indexOf('-outputMetadataJSONFilename') + 1] = file
    const built = await user.run(['builder', ...args])
    assert.equal(built.exitCode, 0, built.stdout + built.stderr)
    const {docker_image: dockerImage} = (await readResult(file)).lifecycle_metadata as {docker_image: string}
    assert.match(dockerImage, new RegExp(`^${cache.host}/[0-9a-f-]{36}@${image.digest}$`))
    const out = await user.json(['stager', 'args', ...flags], {input: request('True')})
    assert.deepEqual(out.envelope.result, {
      args: [
        '-outputMetadataJSONFilename',
        '/tmp/docker-result/result.json',
        '-dockerRef',
        `${origin.host}/shop/web:v1`,
        '-insecureDockerRegistries',
        origin.host,
      ],
      isCaching: false,
    })
    consul.services.length = 0
    const missing = await user.json(['stager', 'args', ...flags], {input: request('true')})
    assert.deepEqual([missing.exitCode, /missing docker registry/.test(missing.stdout)], [2, true])
    consul.status = 500
    assert.equal(
      (await user.json(['stager', 'args', ...flags], {input: request('no')})).exitCode,
      0,
      'an app that has opted out was looked for',
    )
    assert.equal((await user.json(['stager', 'args', ...flags], {input: request('true')})).exitCode, 7)
    consul.status = undefined
    assert.equal((await user.json(['registry', 'deregister', 'cache', '--consul', consul.url])).exitCode, 0)
    assert.equal((await user.json(['registry', 'deregister', 'cache', '--consul', consul.url])).exitCode, 0)
  })

  it('has a firewall opened for it at a foundation, by an administrator, once', async () => {
    const foundation = new FakeCloudFoundry()
    await foundation.start()
    afterwards(() => foundation.stop())
    foundation.addUser({name: 'admin', password: 'a', role: 'admin'})
    foundation.addUser({name: 'ann', password: 'b', role: 'developer'})
    foundation.addSpace('acme', 'dev')
    const as = async (username: string, password: string): Promise<Holdfast> => {
      const {home} = await writeCfSession(
        join(folder, `cf-${username}`),
        foundation,
        {username, password},
        {organization: 'acme', space: 'dev'},
      )
      return await createHoldfast(join(folder, `home-${username}`), {CF_HOME: home})
    }
    const admin = await as('admin', 'a')
    const apply = (who: Holdfast, ...addresses: readonly string[]) =>
      who.json(['egress', '--apply', ...addresses.flatMap((address) => ['--docker-registry-address', address])])
    assert.deepEqual((await apply(admin, '10.244.2.6:8080')).envelope.result, {
      format: 'cf-security-group',
      holes: [{destination: '10.244.2.6', port: 8080}],
      rules: [{protocol: 'tcp', destination: '10.244.2.6', ports: '8080'}],
      applied: 'created',
      space: {api: foundation.url, organization: 'acme', name: 'dev'},
    })
    const [group] = foundation.state.securityGroups
    assert.deepEqual([group?.stagingSpaces.length, group?.runningSpaces, group?.globallyEnabled], [1, [], {running: false, staging: false}])
    const {length} = foundation.requests
    assert.equal(((await apply(admin, '10.244.2.6:8080')).envelope.result as {applied: string}).applied, 'unchanged')
    assert.ok(foundation.requests.slice(length).every(({method}) => method === 'GET'))
    assert.equal(((await apply(admin, '10.244.2.6:8080', '10.244.2.7:8080')).envelope.result as {applied: string}).applied, 'updated')
    const {exitCode, envelope} = await apply(await as('ann', 'b'), '10.244.2.9:8080')
    assert.deepEqual([exitCode, envelope.error?.code], [5, 'DENIED'])
    const printed = await user.run(['egress', '--cidr', '10.244.2.0/24', '--port', '8080', '--format', 'cf-security-group'])
    assert.deepEqual(JSON.parse(printed.stdout), [{protocol: 'tcp', destination: '10.244.2.0/24', ports: '8080'}])
    const policy = await user.run(['egress', '--docker-registry-address', '10.244.2.6:8080', '--format', 'kubernetes-networkpolicy'])
    assert.match(policy.stdout, /kind: NetworkPolicy[\s\S]*cidr: 10\.244\.2\.6\/32/)
  })
})
