/** A protected mirror on Cloud Foundry, from plan to rollout: a fake foundation whose cells run genuine docker-registries over a genuine object store, and nginx as the buildpack would start it. */
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {createServer, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {parse} from 'yaml'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {Cells} from '../support/cells.ts'
import {writeCfSession} from '../support/cf-session.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {FakeCloudFoundry} from '../support/fake-cf/fake-cf.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {run} from '../support/run-program.ts'
import {startCommand} from '../support/started-command.ts'
import {SWIFT_PROGRAMS, type Swift, startSwift} from '../support/swift.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const ANN = {username: 'ann', password: 'password of ann'}
const BUCKET = 'mirror-of-the-platform'
const LOADS = 4

describe('a mirror on Cloud Foundry', function () {
  this.timeout(900_000)
  needs('docker-registry', 'nginx', ...SWIFT_PROGRAMS)
  const afterwards = cleanUpAfterwards()
  const image = createImage([createLayer('app', 'app', 20_000)])
  const told: {text: string; outcome: string}[] = []
  const cells = new Cells()
  let folder: string
  let swift: Swift
  let upstream: DockerRegistry
  let images: DockerRegistry
  let foundation: FakeCloudFoundry
  let user: Holdfast
  let sink: Server
  let plan: string

  before(async () => {
    const temporary = await createTemporaryDirectory('mirror-deployment')
    afterwards(temporary.remove)
    folder = temporary.path
    ;[swift, upstream, images] = await Promise.all([startSwift(), startDockerRegistry(), startDockerRegistry()])
    for (const {stop} of [swift, upstream, images]) afterwards(stop)
    await pushImage(upstream.url, 'shop/web', 'v1', image)
    // What the mirror's app runs, as the foundation sees it.
    await pushImage(images.url, 'library/registry', '2.8.3', createImage([createLayer('registry', 'registry')]))
    sink = createServer((request, response) => {
      let body = ''
      request
        .on('data', (chunk) => (body += chunk))
        .on('end', () => {
          told.push(JSON.parse(body))
          response.writeHead(200).end('ok')
        })
    })
    sink.listen(0, '127.0.0.1')
    await once(sink, 'listening')
    afterwards(() => sink.close())
    await cells.open()
    afterwards(() => cells.stop())
    foundation = new FakeCloudFoundry({runner: cells, pollsUntilDone: 1})
    await foundation.start()
    afterwards(() => foundation.stop())
    foundation.addUser({name: ANN.username, password: ANN.password, role: 'developer'})
    foundation.addSpace('acme', 'mirrors')
    const credentials = {
      access_key_id: swift.accessKeyId,
      secret_access_key: swift.secretAccessKey,
      bucket: BUCKET,
      region: 'us-east-1',
      endpoint: swift.url,
    }
    foundation.state.plans.push({guid: 'plan', name: 'basic', offering: 's3', credentials: () => credentials})
    const session = await writeCfSession(join(folder, 'cf'), foundation, ANN, {organization: 'acme', space: 'mirrors'})
    user = await createHoldfast(join(folder, 'home'), {
      CF_HOME: session.home,
      HOLDFAST_NOTIFY_URL: `http://127.0.0.1:${(sink.address() as AddressInfo).port}/canary-of-the-hook`,
      AWS_ACCESS_KEY_ID: swift.accessKeyId,
      AWS_SECRET_ACCESS_KEY: swift.secretAccessKey,
    })
    await user.json(['registry', 'add', 'images', images.url, '--plain-http'])
    const made = ['registry', 'render', 'x', '--storage', 's3', '--bucket', BUCKET, '--s3-endpoint', swift.url, '--create-bucket']
    await user.json([...made, '--allow', '10.0.0.0/8', '--directory', join(folder, 'x')])
    plan = join(folder, 'mirror')
    cells.proxyConfiguration = join(plan, 'proxy/nginx/nginx.conf')
  })

  const deploy = (flags: readonly string[]) => user.json(['mirror', 'deploy', '--directory', plan, ...flags])
  const called = (method: string, path: RegExp) => foundation.requests.filter((one) => one.method === method && path.test(one.path))
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${cells.url}${path}`, {headers: {'x-forwarded-for': '10.1.2.3', accept: image.mediaType, ...headers}})

  it('is planned once, rendered from the plan, and nothing in it is secret', async () => {
    const flags = [
      ...['--target', 'cf', '--name', 'mirror', '--upstream', 'docker.io', '--allow', '10.0.0.0/8', '--instances', '2'],
      ...['--trusted-proxy', '10.0.16.0/24'],
      ...[
        '--url',
        'https://mirror.app.example.com',
        '--staging-url',
        'https://mirror-staging.app.example.com',
        '--test-image',
        'shop/web:v1',
      ],
      ...['--image', `${images.host}/library/registry:2.8.3`, '--directory', plan],
    ]
    const blind = await user.json(['mirror', 'init', ...flags.filter((flag) => flag !== '--trusted-proxy' && flag !== '10.0.16.0/24')])
    assert.deepEqual(
      [blind.exitCode, blind.envelope.error?.code],
      [10, 'CONFIGURATION'],
      'whose load balancer would be taken for the client',
    )
    const {exitCode, stdout} = await user.json(['mirror', 'init', ...flags])
    assert.equal(exitCode, 0, stdout)
    assert.equal((await user.json(['mirror', 'init', ...flags])).envelope.error?.code, 'CONFLICT')
    const registry = parse(await readFile(join(plan, 'registry/manifest.yml'), 'utf8'))
    const [app] = registry.applications
    assert.deepEqual(
      [app.name, app.memory, app.instances, app.docker.image],
      ['mirror', '256M', 2, `${images.host}/library/registry:2.8.3`],
    )
    assert.partialDeepStrictEqual(app.env, {
      REGISTRY_PROXY_REMOTEURL: 'https://registry-1.docker.io',
      REGISTRY_STORAGE: 's3',
      REGISTRY_STORAGE_S3_BUCKET: '((s3-bucket))',
      REGISTRY_STORAGE_S3_ACCESSKEY: '((s3-access-key))',
      REGISTRY_STORAGE_S3_SECRETKEY: '((s3-secret-key))',
      REGISTRY_STORAGE_S3_REGION: '((s3-region))',
      REGISTRY_STORAGE_DELETE_ENABLED: 'true',
    })
    const [proxy] = parse(await readFile(join(plan, 'proxy/manifest.yml'), 'utf8')).applications
    assert.partialDeepStrictEqual(proxy, {
      name: 'mirror-proxy',
      path: 'nginx',
      buildpacks: ['nginx_buildpack'],
      env: {MIRROR_ROUTE: '((mirror-route))'},
    })
    const nginx = await readFile(join(plan, 'proxy/nginx/nginx.conf'), 'utf8')
    assert.match(nginx, /\{\{env "MIRROR_ROUTE"\}\}/, 'the one name in both')
    const {resources, jobs} = parse(await readFile(join(plan, 'pipeline.yml'), 'utf8'))
    const paths = Object.fromEntries(resources.map(({name, source}: {name: string; source: {paths?: string[]}}) => [name, source.paths]))
    assert.deepEqual(
      [paths['source-registry'], paths['source-proxy']],
      [
        ['mirror.yml', 'registry/*'],
        ['mirror.yml', 'proxy/*'],
      ],
    )
    const byName = new Map<string, {plan: unknown}>(jobs.map((job: {name: string}) => [job.name, job]))
    const production = JSON.stringify(byName.get('deploy-registry-production'))
    assert.match(production, /"passed":\["integration-test"\]/)
    assert.doesNotMatch(production, /"trigger":true/)
    assert.match(production, /--environment production --promote --only registry/)
    assertKeepsVariables(await readFile(join(plan, 'pipeline.yml'), 'utf8'))
    await writeFile(join(plan, 'mirror.yml'), (await readFile(join(plan, 'mirror.yml'), 'utf8')).replace('instances: 2', 'instances: 3'))
    assert.equal((await user.json(['mirror', 'render', '--directory', plan])).exitCode, 0)
    assert.equal(parse(await readFile(join(plan, 'registry/manifest.yml'), 'utf8')).applications[0].instances, 3)
    for (const [key, value] of [
      ['instances', 'many'],
      ['wrong', '1'],
      ['target', 'moon'],
    ] as const) {
      const broken = join(folder, `broken-${key}`)
      await mkdir(broken)
      await writeFile(join(broken, 'mirror.yml'), `url: https://h\nupstream: [docker.io]\nallow: [10.0.0.0/8]\n${key}: ${value}\n`)
      assert.equal((await user.json(['mirror', 'render', '--directory', broken])).envelope.error?.code, 'USAGE', key)
    }
  })

  it('says what stays when it is stopped while its bucket is made', async () => {
    const waiting = new FakeCloudFoundry({pollsUntilDone: 1_000_000})
    await waiting.start()
    afterwards(() => waiting.stop())
    waiting.addUser({name: ANN.username, password: ANN.password, role: 'developer'})
    waiting.addSpace('acme', 'mirrors')
    waiting.state.plans.push(...foundation.state.plans)
    const {home} = await writeCfSession(join(folder, 'waiting'), waiting, ANN, {organization: 'acme', space: 'mirrors'})
    const command = startCommand(user, ['mirror', 'deploy', '--directory', plan, '--environment', 'staging'], {env: {CF_HOME: home}})
    await command.says('seeing to the bucket of mirror')
    command.kill('SIGINT')
    const {exitCode, stderr} = await command.ended()
    assert.equal(exitCode, 130, stderr)
    assert.match(
      stderr,
      /^Error: stopped by a signal: the bucket of mirror and its key are used by the next run, if they were made; the same command/m,
    )
  })

  it('comes up with its bucket, nginx before it, and a policy that lets nginx alone reach it; again nothing is made twice', async () => {
    cells.upstream = upstream.url
    const first = await deploy(['--environment', 'staging'])
    assert.equal(first.exitCode, 0, first.stdout)
    assert.partialDeepStrictEqual(first.envelope.result, {
      parts: [
        {part: 'registry', app: 'mirror'},
        {part: 'proxy', app: 'mirror-proxy'},
      ],
      bucket: {instance: 'created', key: 'created'},
      policy: 'created',
    })
    const [mirror, proxy] = [foundation.app('mirror'), foundation.app('mirror-proxy')]
    assert.deepEqual([mirror.routes, proxy.routes], [['mirror-staging.apps.internal'], ['mirror-staging.app.example.com']])
    const [policy] = called('POST', /\/policies$/)
    assert.equal(
      policy?.body,
      JSON.stringify({
        policies: [{source: {id: proxy.guid}, destination: {id: mirror.guid, protocol: 'tcp', ports: {start: 5000, end: 5000}}}],
      }),
    )
    assert.match(foundation.state.droplets.find(({guid}) => guid === mirror.dropletGuid)?.image ?? '', /@sha256:/, 'pinned')
    const again = await deploy(['--environment', 'staging'])
    assert.partialDeepStrictEqual(again.envelope.result, {bucket: {instance: 'there', key: 'there'}, policy: 'unchanged'})
    for (const path of [/service_instances$/, /service_credential_bindings$/, /\/policies$/])
      assert.equal(called('POST', path).length, 1, String(path))
    assert.match(told.at(-1)?.text ?? '', /^mirror \(staging, .*is deployed\. It can go to production/)
    for (const {stdout, stderr} of [first, again]) assert.doesNotMatch(stdout + stderr, /canary-of-the-hook|"testing"/)
    const status = await user.run(['mirror', 'status', '--directory', plan, '--environment', 'staging'])
    assert.match(status.stdout, /mirror +started +web:3\/3 +mirror-staging\.apps\.internal/)
    assert.match(status.stdout, /mirror-proxy +started +web:3\/3 +mirror-staging\.app\.example\.com/)
  })

  it('serves whom it allows through nginx, from the bucket, and passes the tests of its pipeline', async () => {
    assert.equal((await get('/v2/shop/web/manifests/v1')).status, 200)
    const blob = await get(`/v2/shop/web/blobs/${image.blobs[0]?.digest}`)
    assert.deepEqual([blob.status, blob.redirected], [200, false], 'and nobody is sent to the bucket')
    assert.equal((await get('/v2/shop/web/manifests/v1', {'x-forwarded-for': '192.0.2.1'})).status, 403)
    assert.equal(
      (await get('/v2/shop/web/manifests/v1', {'x-forwarded-for': '10.1.2.3, 192.0.2.1'})).status,
      403,
      'a chain that a client began',
    )
    // A load balancer of an allowed network stands before the routers: it is no client.
    const behindBalancer = async (chain: string) =>
      (await get('/v2/shop/web/manifests/v1', {'x-forwarded-for': `${chain}, 10.0.16.5`})).status
    assert.deepEqual(
      [await behindBalancer('10.1.2.3'), await behindBalancer('192.0.2.1'), await behindBalancer('10.1.2.3, 192.0.2.1')],
      [200, 403, 403],
    )
    cells.forwardedFor = '10.1.2.3'
    const env = {PATH: process.env.PATH, MIRROR_URL: cells.url, TEST_IMAGE: 'shop/web:v1'}
    for (const name of ['test-no-push.mjs', 'test-double-pull.mjs', 'notify.mjs']) {
      const tested = await run(process.execPath, [join(plan, 'ci', name)], {env})
      assert.equal(tested.exitCode, 0, `${name}: ${tested.stderr}`)
    }
    const open = await run(process.execPath, [join(plan, 'ci/test-no-push.mjs')], {env: {...env, MIRROR_URL: upstream.url}})
    assert.equal(open.exitCode, 1, 'a registry that takes pushes is found out')
  })

  it('goes to production when that is said, without a request that fails', async () => {
    const unsaid = await deploy(['--environment', 'production'])
    assert.deepEqual([unsaid.exitCode, unsaid.envelope.error?.code], [2, 'USAGE'])
    let [isOver, asked] = [false, 0]
    const failures: number[] = []
    const load = Array.from({length: LOADS}, async () => {
      while (!isOver) {
        const answer = await get(`/v2/shop/web/blobs/${image.blobs[0]?.digest}`)
        await answer.arrayBuffer()
        if (answer.status !== 200) failures.push(answer.status)
        asked++
        await sleep(2)
      }
    })
    const before = cells.started
    const promoted = await deploy(['--environment', 'production', '--promote'])
    assert.equal(promoted.exitCode, 0, promoted.stdout)
    isOver = true
    await Promise.all(load)
    assert.ok(cells.started >= before + 6, 'every instance was replaced')
    assert.deepEqual([failures, asked > 0], [[], true])
    const [deployment] = called('POST', /\/v3\/deployments$/)
    assert.equal(JSON.parse(deployment?.body ?? '{}').strategy, 'rolling')
  })

  it('is left as it is when staging fails, and brought back when production does', async () => {
    cells.isBroken = true
    const cancel = () => called('POST', /\/actions\/cancel$/).length
    const patience = {HOLDFAST_TIMEOUT: '20s'}
    foundation.failNextBuild('no')
    const unbuilt = await deploy(['--environment', 'staging', '--only', 'registry'])
    assert.deepEqual([unbuilt.envelope.error?.code, cancel()], ['STAGING_FAILED', 0])
    assert.match(told.at(-1)?.text ?? '', /could not be deployed; it was left as it is/)
    const running = foundation.app('mirror').dropletGuid
    const hasty = await createHoldfast(join(folder, 'hasty'), {...user.env, ...patience})
    const failed = await hasty.json([
      'mirror',
      'deploy',
      '--directory',
      plan,
      '--environment',
      'production',
      '--promote',
      '--only',
      'registry',
    ])
    assert.equal(failed.envelope.error?.code, 'STAGING_FAILED', failed.stdout)
    assert.match(failed.envelope.error?.message ?? '', /every new instance crashed; the deployment was cancelled/)
    assert.deepEqual([cancel(), foundation.app('mirror').dropletGuid], [1, running])
    assert.match(told.at(-1)?.text ?? '', /cancelled, and what ran before runs again/)
    assert.equal((await get('/v2/shop/web/manifests/v1')).status, 200)
    cells.isBroken = false
  })
})

/** Sets a pipeline as fly does, with variables of `-l`, and then as its own job does: both are the same, and leave nothing open. */
function assertKeepsVariables(text: string): void {
  const open = /\(\(([a-z0-9-]+)\)\)/g
  const fill = (variables: Readonly<Record<string, string>>): string =>
    text.replaceAll(open, (whole, name: string) => variables[name] ?? whole)
  const names = new Set([...text.matchAll(open)].map(([, name = '']) => name))
  const byHand = fill(Object.fromEntries([...names].map((name) => [name, `value of ${name}`])))
  const {jobs} = parse(byHand) as {jobs: {name: string; plan: {set_pipeline?: string; vars?: Record<string, string>}[]}[]}
  const step = jobs.find(({name}) => name === 'set-pipeline')?.plan.find(({set_pipeline}) => set_pipeline === 'self')
  assert.equal(fill(step?.vars ?? {}), byHand)
  assert.equal(open.test(byHand), false)
}
