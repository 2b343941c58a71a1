/** Apps of a Cloud Foundry: a fake foundation that keeps its contract, genuine registries behind it, and instances that pull from them whenever they start. */
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {stat, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type CfSession, writeCfSession} from '../support/cf-session.ts'
import {spawnChild} from '../support/child-process.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {FakeCloudFoundry} from '../support/fake-cf/fake-cf.ts'
import {noMetadata} from '../support/fake-cf/state.ts'
import {createHoldfast, HOLDFAST_LAUNCHER, type Holdfast, type JsonRun} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {startDesktopSession} from '../support/keyring.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {startCommand} from '../support/started-command.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'

const ANN = {username: 'ann', password: 'password of ann'}
const PULLER = {username: 'platform', password: 'password-of-the-platform'}
/** A variable that is nobody's business. */
const CANARY = 'canary-of-another-variable'
const POLL_MS = 5

describe('apps of Cloud Foundry', function () {
  this.timeout(180_000)
  needs('docker-registry', 'htpasswd')
  const afterwards = cleanUpAfterwards()
  const old = createImage([createLayer('base', 'of both', 3000), createLayer('app', 'old', 1000)])
  const fresh = createImage([createLayer('base', 'of both', 3000), createLayer('app', 'fresh', 2000)])
  const outputs: string[] = []
  let folder: string
  let origin: DockerRegistry
  let cache: DockerRegistry
  let image: string
  let foundation: FakeCloudFoundry
  let spaceGuid: string
  let session: CfSession
  let user: Holdfast
  let count = 0

  before(async () => {
    const temporary = await createTemporaryDirectory('cloud-foundry')
    afterwards(temporary.remove)
    folder = temporary.path
    origin = await startDockerRegistry()
    afterwards(() => origin.stop())
    cache = await startDockerRegistry({htpasswd: PULLER})
    afterwards(() => cache.stop())
    image = `${origin.host}/shop/web:v1`
  })

  beforeEach(async () => {
    await pushImage(origin.url, 'shop/web', 'v1', old)
    await setUp()
  })

  afterEach(() => foundation.stop())

  async function setUp(options: ConstructorParameters<typeof FakeCloudFoundry>[0] = {}): Promise<void> {
    foundation = new FakeCloudFoundry(options)
    await foundation.start()
    foundation.addUser({name: ANN.username, password: ANN.password, role: 'developer'})
    spaceGuid = foundation.addSpace('acme', 'dev').spaceGuid
    const home = join(folder, `u${count++}`)
    session = await writeCfSession(join(home, 'cf'), foundation, ANN, {organization: 'acme', space: 'dev'})
    const variable = `HOLDFAST_AUTH_127_0_0_1_${cache.port}`
    user = await createHoldfast(home, {
      CF_HOME: session.home,
      HOLDFAST_TO: cache.host,
      [`${variable}_USERNAME`]: PULLER.username,
      [`${variable}_PASSWORD`]: PULLER.password,
      HOLDFAST_PULL_USERNAME: PULLER.username,
      HOLDFAST_PULL_PASSWORD: PULLER.password,
    })
  }

  const addShop = (more: Parameters<FakeCloudFoundry['addApp']>[1] | object = {}) =>
    foundation.addApp(spaceGuid, {name: 'shop', image, variables: {SECRET: CANARY, DIEGO_DOCKER_CACHE: 'true'}, ...more})

  async function run(text: string, args: readonly string[] = []): Promise<JsonRun> {
    const result = await user.json([...text.split(' '), ...args])
    outputs.push(result.stdout, result.stderr)
    return result
  }

  async function succeed(text: string, args: readonly string[] = []): Promise<Record<string, unknown>> {
    const {exitCode, stdout, stderr, envelope} = await run(text, args)
    assert.equal(exitCode, 0, stdout + stderr)
    return envelope.result as Record<string, unknown>
  }

  async function fail(code: string, exitCode: number, text: string): Promise<string> {
    const {exitCode: ended, stdout, envelope} = await run(text)
    assert.deepEqual([envelope.error?.code, ended], [code, exitCode], stdout)
    return envelope.error?.message ?? ''
  }

  const first = (result: Record<string, unknown>) => (result.apps as readonly Record<string, unknown>[])[0] ?? {}
  const changes = () => foundation.requests.filter(({method, path}) => method !== 'GET' && path !== '/oauth/token')
  const digests = (name = 'shop') => foundation.app(name).instances.map(({digest, reason}) => digest ?? reason)
  const runningImage = (name = 'shop') => foundation.state.droplets.find(({guid}) => guid === foundation.app(name).dropletGuid)?.image

  it('opt in by one variable that is the text "true"; the others stay as they are, and are shown and kept nowhere', async () => {
    await addShop({variables: {SECRET: CANARY, DIEGO_DOCKER_CACHE: 'false'}})
    await succeed('set-env shop DIEGO_DOCKER_CACHE true')
    assert.deepEqual(JSON.parse(changes()[0]?.body ?? ''), {var: {DIEGO_DOCKER_CACHE: 'true'}})
    assert.deepEqual(Object.fromEntries(foundation.app('shop').variables), {SECRET: CANARY, DIEGO_DOCKER_CACHE: 'true'})
    assert.equal((await succeed('env shop')).hasOptedIn, true)
    const shown = await user.run(['env', 'shop', '--debug'])
    assert.equal(shown.stdout, 'DIEGO_DOCKER_CACHE=true\n')
    outputs.push(shown.stderr)
    assert.deepEqual(JSON.parse(changes()[1]?.body ?? ''), {metadata: {labels: {'holdfast-opt-in': 'true'}}})
    await succeed('unset-env shop DIEGO_DOCKER_CACHE')
    assert.deepEqual(JSON.parse(changes()[2]?.body ?? ''), {var: {DIEGO_DOCKER_CACHE: null}})
    assert.equal(foundation.app('shop').labels.get('holdfast-opt-in'), 'false')
    assert.deepEqual(Object.fromEntries(foundation.app('shop').variables), {SECRET: CANARY})
    await fail('USAGE', 2, 'set-env shop SECRET x')
  })

  it('run a pinned copy from the cache, and go on doing so when the tag moves, the origin is gone and the app is scaled', async () => {
    await addShop()
    const {action, image: cached, previous} = first(await succeed('stage shop'))
    assert.equal(action, 'cached')
    assert.match(String(cached), new RegExp(`^${cache.host}/[0-9a-f-]{36}@${old.digest}$`))
    assert.equal(runningImage(), cached)
    assert.equal(foundation.state.droplets[0]?.guid, previous)
    assert.deepEqual(foundation.state.packages.at(-1)?.credentials, PULLER)
    assert.deepEqual(
      foundation.state.deployments.map(({reason}) => reason),
      ['DEPLOYED'],
    )
    await pushImage(origin.url, 'shop/web', 'v1', fresh)
    const {root, port} = origin
    await origin.kill()
    await foundation.scale('shop', 4)
    await foundation.restart('shop')
    assert.deepEqual(digests(), [old.digest, old.digest, old.digest, old.digest])
    const status = (await succeed('app show shop')).status as object
    assert.partialDeepStrictEqual(status, {
      image: cached,
      source: image,
      isCached: true,
      isPinned: true,
      hasOptedIn: true,
      drift: 'unknown',
    })
    assert.equal(first(await succeed('stage shop')).action, 'unchanged')
    origin = await startDockerRegistry({root, port})
    assert.partialDeepStrictEqual((await succeed('app show shop')).status, {drift: 'moved', currentDigest: fresh.digest})
    const refreshed = await user.run(['refresh', 'shop', '--stage'])
    assert.match(refreshed.stdout, new RegExp(`^${cache.host}/[0-9a-f-]{36}@${fresh.digest}$`, 'm'), refreshed.stderr)
    assert.deepEqual(new Set(digests()), new Set([fresh.digest]))
  })

  it('go back to the droplet before, and on again', async () => {
    await addShop()
    const cached = first(await succeed('stage shop')).image
    assert.equal((await succeed('rollback shop')).image, image)
    assert.equal(runningImage(), image)
    assert.equal((await succeed('rollback shop')).image, cached)
    assert.equal(runningImage(), cached)
  })

  it('get their user’s image back when they have opted out', async () => {
    await addShop()
    await succeed('stage shop')
    await succeed('unset-env shop DIEGO_DOCKER_CACHE')
    assert.equal(first(await succeed('stage shop')).action, 'uncached')
    assert.equal(runningImage(), image)
    assert.deepEqual([...foundation.app('shop').annotations.keys()], [])
    assert.equal(first(await succeed('stage shop')).action, 'none')
  })

  it('that have not opted in are left alone, and the failure of one does not stop the others', async () => {
    await addShop()
    await foundation.addApp(spaceGuid, {name: 'blog', image, variables: {DIEGO_DOCKER_CACHE: 'True'}})
    await foundation.addApp(spaceGuid, {name: 'broken', image: `${origin.host}/no/such:v1`, variables: {DIEGO_DOCKER_CACHE: 'true'}})
    await foundation.addApp(spaceGuid, {name: 'code', lifecycle: 'buildpack', variables: {DIEGO_DOCKER_CACHE: 'true'}})
    const {exitCode, envelope} = await run('stage --all')
    assert.deepEqual([exitCode, envelope.error?.code], [9, 'PARTIAL'])
    const {apps, failures} = envelope.result as {apps: {app: string}[]; failures: {app: string; error: {code: string}}[]}
    assert.deepEqual(
      apps.map(({app}) => app),
      ['shop'],
    )
    assert.deepEqual(
      failures.map(({app, error}) => [app, error.code]),
      [['broken', 'MANIFEST_NOT_FOUND']],
    )
    assert.equal(runningImage('blog'), image)
    const listed = (await succeed('app list')).apps as {code: string; status: {isCached: boolean}}[]
    assert.deepEqual(
      listed.map(({code, status}) => [code, status.isCached]),
      [
        ['blog', false],
        ['broken', false],
        ['shop', true],
      ],
    )
    await fail('UNSUPPORTED', 5, 'stage code')
  })

  it('are shown every call that staging would make, and none is made', async () => {
    await addShop()
    const {calls} = first(await succeed('stage shop --dry-run'))
    assert.ok((calls as string[]).some((call) => call.startsWith(`POST ${foundation.url}/v3/packages`)))
    assert.deepEqual(changes(), [])
    assert.deepEqual(
      (await cache.accessLog()).filter(({method, path}) => method === 'PUT' && path.includes(`/${foundation.app('shop').guid}/`)),
      [],
    )
  })

  it('keep running what they run when the platform could not pull, when staging fails, and when the foundation refuses', async () => {
    await addShop()
    foundation.app('shop').labels.set('holdfast-opt-in', 'true')
    const wrong = await user.json(['stage', 'shop'], {env: {HOLDFAST_PULL_PASSWORD: 'wrong'}})
    assert.deepEqual([wrong.envelope.error?.code, wrong.exitCode], ['UNAUTHENTICATED', 4], wrong.stdout)
    assert.deepEqual(changes(), [])
    foundation.failNextBuild('cannot fetch image')
    assert.match(await fail('STAGING_FAILED', 5, 'stage shop'), /StagingError - Staging error: cannot fetch image/)
    foundation.disableFeature('diego_docker')
    const disabled = await run('stage shop')
    assert.equal(disabled.envelope.error?.code, 'DENIED')
    assert.match(disabled.envelope.error?.hints[0] ?? '', /cf enable-feature-flag diego_docker/)
    foundation.enableFeature('diego_docker')
    assert.equal(runningImage(), image)
    assert.deepEqual(digests(), [old.digest])
    assert.equal(first(await succeed('stage shop')).action, 'cached')
  })

  for (const point of ['/v3/packages', '/v3/builds', '/v3/deployments']) {
    it(`are finished by the next run when one was killed at ${point}`, async () => {
      await foundation.stop()
      await setUp({pollsUntilDone: 3})
      await addShop()
      const child = spawnChild(process.execPath, [HOLDFAST_LAUNCHER, 'stage', 'shop'], {env: user.env, stdio: 'ignore'})
      while (!foundation.requests.some(({method, path}) => method === 'POST' && path === point)) {
        assert.equal(child.exitCode, null, 'it ended by itself')
        await sleep(POLL_MS)
      }
      child.kill('SIGKILL')
      await once(child, 'exit')
      const {action, image: cached} = first(await succeed('stage shop'))
      assert.ok(action === 'cached' || action === 'unchanged')
      assert.equal(runningImage(), cached)
      assert.deepEqual(digests(), [old.digest])
      assert.deepEqual(foundation.state.deployments.at(-1)?.reason, 'DEPLOYED')
      assert.equal((await succeed('rollback shop')).image, image)
    })
  }

  it('are left as they are when a command that waits for their staging is told to end', async () => {
    await foundation.stop()
    await setUp({pollsUntilDone: 1_000_000})
    await addShop()
    const command = startCommand(user, ['stage', 'shop'])
    await until(async () => foundation.requests.some(({method, path}) => method === 'GET' && path.startsWith('/v3/builds/')), 60_000)
    command.kill('SIGTERM')
    const {exitCode, stderr} = await command.ended()
    assert.equal(exitCode, 130)
    assert.match(
      stderr,
      /^Error: stopped by a signal: app "shop" runs what it ran; the package .* stay at the platform, .*\(INTERRUPTED\)$/m,
    )
    assert.deepEqual(digests(), [old.digest])
  })

  it('are told each what stays when a command for all of them is stopped, and of a rollback what it ran', async () => {
    await foundation.stop()
    await setUp({pollsUntilDone: 4})
    await addShop()
    await addShop({name: 'web'})
    const deployments = () => foundation.requests.filter(({method, path}) => method === 'POST' && path === '/v3/deployments').length
    const stopAt = async (count: number, args: readonly string[]) => {
      const command = startCommand(user, [...args, '--json'])
      await until(() => deployments() >= count, 60_000)
      command.kill('SIGINT')
      const {exitCode, stdout} = await command.ended()
      assert.equal(exitCode, 130, stdout)
      return JSON.parse(stdout)
    }
    const {error, result} = await stopAt(2, ['stage', '--all'])
    assert.equal(
      error.message,
      'stopped by a signal: app "shop" is done; the rolling deployment of app "web" goes on at the platform, if it has begun: cf app web shows it, cf cancel-deployment web cancels it; the same command again goes on',
    )
    assert.deepEqual(
      result.apps.map(({app, action}: {readonly app: string; readonly action: string}) => [app, action]),
      [['shop', 'cached']],
    )
    const rotation = await stopAt(3, ['rotate-credentials', 'shop'])
    assert.match(rotation.error.message, /^stopped by a signal: the rolling deployment of app "shop" goes on/)
    // What the rotation left under way is cancelled, and not waited for.
    assert.equal((await succeed('rollback shop')).hasCancelled, true)
    const rollback = await stopAt(4, ['rollback', 'shop'])
    assert.ok(
      rollback.error.message.includes(
        `goes on at the platform, if it has begun: cf app shop shows it, cf cancel-deployment shop cancels it; it ran ${result.apps[0].image}, release `,
      ),
    )
  })

  it('that are stopped get their release, and start with it', async () => {
    await addShop({state: 'STOPPED'})
    const {image: cached} = first(await succeed('stage shop'))
    assert.equal(runningImage(), cached)
    assert.deepEqual(foundation.state.deployments, [])
    assert.deepEqual(first(await succeed('stage shop')).action, 'unchanged')
    assert.equal(foundation.app('shop').state, 'STOPPED')
    const shown = await user.run(['app', 'show', 'shop'])
    assert.match(shown.stdout, /^state: +cached, pinned, stopped$/m)
    assert.match(shown.stdout, /^starts with: +/m)
    assert.match((await user.run(['app', 'list'])).stdout, /^shop +cached, pinned, (?:.*, )?stopped/m)
  })

  it('that a run was to start again, and was cut off, are started by the next one, which shows its calls before', async () => {
    await addShop()
    await succeed('stage shop')
    const app = foundation.app('shop')
    const {dropletGuid = ''} = app
    app.annotations.set('holdfast-pending-release', dropletGuid).set('holdfast-pending-started', 'true')
    Object.assign(app, {state: 'STOPPED', instances: []})
    const planned = first(await succeed('stage shop --dry-run'))
    assert.match(JSON.stringify(planned.calls), /actions\/start, and GET until it runs/)
    assert.equal(app.state, 'STOPPED')
    const staged = await user.run(['stage', 'shop'])
    assert.match(staged.stderr, /^starting app "shop", which a run that was cut off has stopped$/m)
    assert.match(staged.stderr, /^app "shop" runs a cached copy of /m)
    assert.deepEqual([app.state, app.annotations.has('holdfast-pending-started')], ['STARTED', false])
    assert.equal(((await succeed('app show shop')).status as {isStopped?: true}).isStopped, undefined)
    app.annotations.set('holdfast-pending-release', dropletGuid).set('holdfast-pending-started', 'true')
    Object.assign(app, {state: 'STOPPED', instances: []})
    assert.partialDeepStrictEqual(first(await succeed('refresh shop --stage')), {hasMoved: false, isStaged: true})
    assert.equal(app.state, 'STARTED')
  })

  it('are left with what they run by a deployment that cannot start, which is shown, cancelled and named', async () => {
    await addShop()
    foundation.deployments.behaviours.set('shop', 'STARTING')
    foundation.deployments.complaints.set('shop', 'insufficient resources: memory')
    const hung = await user.run(['stage', 'shop', '--timeout', '1s'])
    outputs.push(hung.stdout, hung.stderr)
    assert.equal(hung.exitCode, 7, hung.stderr)
    assert.match(hung.stderr, /^new instances of app "shop": 1 starting; the platform says: insufficient resources: memory$/m)
    assert.match(
      hung.stderr,
      /^Error: cannot deploy app "shop": no further new instance ran in 1 s .*; the deployment was cancelled, and what ran/m,
    )
    assert.match(hung.stderr, /cf logs shop --recent/)
    assert.deepEqual([foundation.state.deployments.at(-1)?.reason, runningImage()], ['CANCELED', image])
    const {envelope} = await user.json(['stage', 'shop'], {env: {CF_STARTUP_TIMEOUT: '0.02'}})
    assert.equal(envelope.error?.code, 'TIMEOUT')
    foundation.deployments.behaviours.set('shop', 'CRASHED')
    await fail('STAGING_FAILED', 5, 'stage shop')
    assert.deepEqual([foundation.state.deployments.at(-1)?.reason, runningImage(), digests()], ['CANCELED', image, [old.digest]])
    await fail('USAGE', 2, 'stage shop --timeout soon')
    await fail('USAGE', 2, 'stage shop --strategy recreate --max-in-flight 2')
  })

  it('go back at once while a deployment is under way, whose own command says that it was cancelled', async () => {
    await addShop()
    foundation.deployments.behaviours.set('shop', 'STARTING')
    const staging = startCommand(user, ['stage', 'shop', '--json'])
    await until(() => foundation.state.deployments.length > 0, 60_000)
    assert.equal(((await succeed('app show shop')).status as {underWay: {state: string}}).underWay.state, 'deploying')
    foundation.deployments.complaints.set('shop', 'insufficient resources: memory')
    await until(() => foundation.state.deployments[0]?.error !== undefined, 60_000)
    assert.deepEqual(((await succeed('app show shop')).status as {underWay: object}).underWay, {
      state: 'failing',
      error: 'insufficient resources: memory',
      instances: {running: 0, starting: 1, crashed: 0},
    })
    assert.match(
      (await user.run(['app', 'show', 'shop'])).stdout,
      /deployment: +deployment fails; new instances: 1 starting; .*holdfast rollback shop/,
    )
    assert.partialDeepStrictEqual(await succeed('rollback shop'), {app: 'shop', image, hasCancelled: true})
    const {exitCode, stdout} = await staging.ended()
    assert.deepEqual([exitCode, JSON.parse(stdout).error.code], [6, 'DEPLOYMENT_CANCELLED'], stdout)
    assert.deepEqual([foundation.state.deployments.length, runningImage(), digests()], [1, image, [old.digest]])
    assert.equal(((await succeed('app show shop')).status as {underWay?: object}).underWay, undefined)
  })

  it('are moved by a canary, whose pause is shown and gone on from, and by recreate where a space has no room', async () => {
    await addShop({instances: 2})
    const {underWay, image: cached} = first(await succeed('stage shop --strategy canary'))
    assert.equal(underWay, 'paused')
    assert.match(
      (await user.run(['app', 'show', 'shop'])).stdout,
      /deployment: +canary paused; .*to go on: cf continue-deployment shop; to go back: holdfast rollback shop/,
    )
    assert.deepEqual((await run('stage shop')).envelope.error?.hints.slice(0, 2), ['cf continue-deployment shop', 'holdfast rollback shop'])
    foundation.deployments.continue(foundation.state.deployments[0] ?? assert.fail())
    assert.equal(first(await succeed('stage shop')).action, 'unchanged')
    assert.deepEqual([runningImage(), digests()], [cached, [old.digest, old.digest]])
    assert.equal((await succeed('rollback shop --strategy canary')).underWay, 'paused')
    assert.equal((await succeed('rollback shop')).hasCancelled, true)
    assert.equal(runningImage(), cached)
    foundation.deployments.instanceQuota = 2
    const full = await run('rollback shop')
    assert.equal(full.envelope.error?.code, 'PLATFORM_REFUSED')
    assert.match(full.envelope.error?.hints.join('\n') ?? '', /--strategy recreate/)
    assert.equal((await succeed('rollback shop --strategy recreate')).image, image)
    assert.deepEqual([runningImage(), foundation.app('shop').state, foundation.state.deployments.length], [image, 'STARTED', 2])
  })

  it('are followed by their first instance alone with --no-wait', async () => {
    await addShop({instances: 2})
    foundation.deployments.behaviours.set('shop', (index) => (index === 0 ? 'RUNNING' : 'STARTING'))
    assert.equal(first(await succeed('stage shop --no-wait')).underWay, 'deploying')
    assert.equal(foundation.state.deployments[0]?.reason, 'DEPLOYING')
  })

  it('are listed, 120 of them, in a few requests that read no variable, also for an auditor', async () => {
    for (let index = 0; index < 120; index++) {
      const name = `app-${String(index).padStart(3, '0')}`
      const app = await foundation.addApp(spaceGuid, {name, variables: {SECRET: CANARY}})
      if (index === 2) app.labels.set('holdfast-opt-in', 'true')
      if (index === 3) app.labels.set('holdfast-opt-in', 'false')
      if (index === 0) continue
      foundation.state.droplets.push({
        guid: `droplet-${index}`,
        appGuid: app.guid,
        packageGuid: '',
        image: `r/${name}:v1`,
        credentials: undefined,
        metadata: noMetadata(),
      })
      app.dropletGuid = `droplet-${index}`
    }
    foundation.addUser({name: 'eve', password: 'password of eve', role: 'auditor'})
    const home = join(folder, `u${count++}`)
    const {home: cfHome} = await writeCfSession(
      join(home, 'cf'),
      foundation,
      {username: 'eve', password: 'password of eve'},
      {organization: 'acme', space: 'dev'},
    )
    const auditor = await createHoldfast(home, {CF_HOME: cfHome})
    foundation.requests.length = 0
    const {exitCode, stdout, envelope} = await auditor.json(['app', 'list'])
    assert.equal(exitCode, 0, stdout)
    const asked = foundation.requests.map(({method, path}) => `${method} ${path.split('?')[0]}`)
    assert.ok(asked.length <= 8, asked.join('\n'))
    assert.deepEqual(foundation.state.auditEvents, [])
    const {apps} = envelope.result as {apps: {code: string; status: {hasOptedIn?: boolean; image?: string}}[]}
    assert.equal(apps.length, 120)
    assert.deepEqual(
      apps.slice(0, 4).map(({status}) => [status.image, status.hasOptedIn]),
      [
        [undefined, undefined],
        ['r/app-001:v1', undefined],
        ['r/app-002:v1', true],
        ['r/app-003:v1', false],
      ],
    )
    const {stdout: listed} = await auditor.run(['app', 'list'])
    assert.match(listed, /^app-001 +not cached, not pinned, opt-in unknown: holdfast env app-001 +- +r\/app-001:v1/m)
  })

  it('have their opt-in mirrored in a label that can be selected, is written where it is missing, and repaired where it disagrees', async () => {
    const label = () => ['shop', 'blog', 'mine'].map((name) => foundation.app(name).labels.get('holdfast-opt-in'))
    // What the genuine cf sets, which knows no label.
    await addShop()
    await foundation.addApp(spaceGuid, {name: 'blog', image})
    await foundation.addApp(spaceGuid, {name: 'mine', image, variables: {DIEGO_DOCKER_CACHE: 'true'}})
    const code = await foundation.addApp(spaceGuid, {name: 'code', lifecycle: 'buildpack'})
    code.labels.set('holdfast-opt-in', 'true')
    const dry = await succeed('stage --all --dry-run')
    assert.deepEqual([changes(), label()], [[], [undefined, undefined, undefined]])
    const skipped = [
      {app: 'blog', reason: 'not-opted-in'},
      {app: 'code', reason: 'no-image'},
    ]
    assert.deepEqual(dry.skipped, skipped)
    const all = await user.run(['stage', '--all'])
    assert.equal(all.exitCode, 0, all.stderr)
    assert.match(all.stderr, /^skipped 1 app without the opt-in \(holdfast set-env APP DIEGO_DOCKER_CACHE true\): blog$/m)
    assert.match(all.stderr, /^skipped 1 app that opted in and run no image, since they are built from source code: code$/m)
    assert.deepEqual(label(), ['true', 'false', 'true'])
    foundation.state.auditEvents.length = 0
    assert.deepEqual((await succeed('stage --all')).skipped, skipped)
    assert.equal(foundation.state.auditEvents.length, 2, 'apps that were staged are read again, and no other')
    foundation.app('shop').labels.set('holdfast-opt-in', 'false')
    foundation.app('blog').labels.set('holdfast-opt-in', 'true')
    assert.equal((await succeed('env blog')).hasOptedIn, false)
    await succeed('stage shop')
    assert.deepEqual(label(), ['true', 'false', 'true'])
    const authorization = String((await session.read()).AccessToken)
    const selected = await fetch(`${foundation.url}/v3/apps?label_selector=holdfast-opt-in=true`, {headers: {authorization}})
    assert.deepEqual(
      ((await selected.json()) as {resources: {name: string}[]}).resources.map(({name}) => name),
      ['shop', 'mine', 'code'],
    )
  })

  it('are warned of when they run no image and opt in', async () => {
    await foundation.addApp(spaceGuid, {name: 'code', lifecycle: 'buildpack'})
    const {exitCode, envelope} = await run('set-env code DIEGO_DOCKER_CACHE true')
    assert.deepEqual([exitCode, envelope.warnings], [0, ['app "code" is built from source code: it runs no image that could be cached']])
  })

  it('whose image is private name what opens it when they opt out, and that rollback needs nothing', async () => {
    const owner = {username: 'owner', password: 'password-of-the-owner'}
    const open = await startDockerRegistry()
    await pushImage(open.url, 'shop/web', 'v1', old)
    await open.kill()
    const closed = await startDockerRegistry({root: open.root, port: open.port, htpasswd: owner})
    afterwards(() => closed.stop())
    const mine = `${closed.host}/shop/web:v1`
    await addShop({image: mine, credentials: owner})
    const variable = `HOLDFAST_AUTH_127_0_0_1_${closed.port}`
    const opened = {env: {[`${variable}_USERNAME`]: owner.username, [`${variable}_PASSWORD`]: owner.password}}
    assert.equal((await user.json(['stage', 'shop'], opened)).exitCode, 0)
    await succeed('unset-env shop DIEGO_DOCKER_CACHE')
    const before = changes().length
    const {exitCode, envelope} = await run('stage shop')
    assert.deepEqual([exitCode, envelope.error?.code], [4, 'UNAUTHENTICATED'])
    assert.match(
      envelope.error?.message ?? '',
      /^cannot give app "shop" its image ".*" back: the platform could not pull it without credentials: /,
    )
    assert.deepEqual(envelope.error?.hints, [
      `export ${variable}_USERNAME=… ${variable}_PASSWORD=…   # then the same command again`,
      'holdfast rollback shop   # needs no credentials: the release before keeps its own',
    ])
    assert.equal(changes().length, before)
    assert.equal((await succeed('rollback shop')).image, mine)
    assert.deepEqual(digests(), [old.digest])
  })

  it('are those of the session that auth list shows, without its tokens', async () => {
    const {cloudFoundry} = await succeed('auth list')
    assert.deepEqual(cloudFoundry, [{api: foundation.url, madeBy: 'cf', organization: 'acme', space: 'dev'}])
    assert.match((await user.run(['auth', 'list'])).stdout, /^http:\S+ +acme +dev +cf login$/m)
  })

  it('get new credentials, and keep their image to the byte', async () => {
    await addShop()
    const {image: cached} = first(await succeed('stage shop'))
    const {apps} = await succeed('rotate-credentials --all')
    assert.deepEqual(apps, [{app: 'shop', image: cached, space: 'acme/dev'}])
    assert.equal(runningImage(), cached)
    assert.equal(foundation.state.packages.length, 3)
    assert.deepEqual(digests(), [old.digest])
    const wrong = await user.json(['rotate-credentials', 'shop'], {env: {HOLDFAST_PULL_PASSWORD: 'wrong'}})
    assert.equal(wrong.envelope.error?.code, 'UNAUTHENTICATED')
    assert.equal(foundation.state.packages.length, 3)
  })

  it('of one name in two spaces share no copy; all of them get new credentials, and those that cannot are listed', async () => {
    await addShop()
    const other = foundation.addSpace('acme', 'prod')
    await foundation.addApp(other.spaceGuid, {name: 'shop', image, variables: {DIEGO_DOCKER_CACHE: 'true'}})
    const prod = await writeCfSession(join(folder, `u${count++}`, 'cf'), foundation, ANN, {organization: 'acme', space: 'prod'})
    const one = String(first(await succeed('stage shop')).image)
    const {envelope} = await user.json(['stage', 'shop'], {env: {CF_HOME: prod.home}})
    const two = String(first(envelope.result as Record<string, unknown>).image)
    assert.deepEqual([one.replace(/^.*@/, ''), one === two], [two.replace(/^.*@/, ''), false])
    assert.deepEqual((await succeed('rotate-credentials --all')).apps, [
      {app: 'shop', space: 'acme/dev', image: one},
      {app: 'shop', space: 'acme/prod', image: two},
    ])
    const elsewhere = await run('rotate-credentials --all --to elsewhere.example.com')
    assert.deepEqual([elsewhere.exitCode, elsewhere.envelope.error?.code], [9, 'PARTIAL'], elsewhere.stdout)
    const {failures} = elsewhere.envelope.result as {failures: {app: string; space: string; error: {code: string}}[]}
    assert.deepEqual(
      failures.map(({app, space, error}) => [app, space, error.code]),
      [
        ['shop', 'acme/dev', 'CONFLICT'],
        ['shop', 'acme/prod', 'CONFLICT'],
      ],
    )
  })

  it('are checked as the platform would pull, and the command fails when one would not start', async () => {
    await addShop()
    await foundation.addApp(spaceGuid, {name: 'blog', image: `${origin.host}/no/such:v1`})
    await succeed('stage shop')
    const {exitCode, envelope} = await run('app check --all')
    assert.deepEqual([exitCode, envelope.error?.code], [9, 'PARTIAL'])
    const {apps} = envelope.result as {apps: {app: string; verdict: string; tried: string}[]}
    assert.deepEqual(
      apps.map(({app, verdict, tried}) => [app, verdict, tried]),
      [
        ['blog', 'gone', 'platform'],
        ['shop', 'unknown', 'named'],
      ],
    )
    assert.deepEqual(envelope.error?.hints, [])
    const running = foundation.app('shop').dropletGuid
    assert.equal(first(await succeed('app check shop --build')).tried, 'build')
    assert.equal(foundation.app('shop').dropletGuid, running)
  })

  it('whose copy is gone from the cache are told the command that puts it back, and it does', async () => {
    await addShop()
    const cached = String(first(await succeed('stage shop')).image)
    const repository = /\/([^@]+)@/.exec(cached)?.[1] ?? ''
    const authorization = `Basic ${Buffer.from(`${PULLER.username}:${PULLER.password}`).toString('base64')}`
    const deleted = await fetch(`${cache.url}/v2/${repository}/manifests/${old.digest}`, {method: 'DELETE', headers: {authorization}})
    assert.equal(deleted.status, 202)
    const {exitCode, envelope} = await run('app check shop')
    assert.deepEqual([exitCode, envelope.error?.hints], [9, ['holdfast stage shop   # in space acme/dev']])
    await pushImage(origin.url, 'shop/web', 'v1', fresh)
    const running = foundation.app('shop').dropletGuid
    assert.partialDeepStrictEqual(first(await succeed('stage shop')), {action: 'unchanged', image: cached, isRestored: true})
    assert.equal(foundation.app('shop').dropletGuid, running)
    await foundation.restart('shop')
    assert.deepEqual(digests(), [old.digest])
  })

  it('are found by their exact name', async () => {
    await addShop()
    const {envelope, exitCode} = await run('stage Shop')
    assert.deepEqual([envelope.error?.code, exitCode], ['OBJECT_NOT_FOUND', 3])
    assert.match(envelope.error?.hints.join('\n') ?? '', /it has "shop"/)
    await foundation.addApp(spaceGuid, {name: 'a,b', image})
    assert.equal(((await succeed('app show', ['a,b'])).status as {app: string}).app, 'a,b')
  })

  it('are worked on under rate limits and failing routers, and a list that breaks off is no list', async () => {
    await addShop()
    foundation.rateLimitNext(2, 0)
    assert.equal((await succeed('env shop')).hasOptedIn, true)
    foundation.failNext(2, 502)
    assert.equal((await succeed('env shop')).hasOptedIn, true)
    foundation.failNext(3, 502)
    await fail('REGISTRY_UNAVAILABLE', 7, 'env shop')
    foundation.rateLimitNext(1, 3600)
    await fail('RATE_LIMITED', 11, 'env shop')
    foundation.failPage(1)
    await fail('REGISTRY_UNAVAILABLE', 7, 'stage --all')
    foundation.failPage(undefined)
  })

  it('are worked on through the end of a token, whose successor is written back, and nothing else of the file is touched', async () => {
    await foundation.stop()
    await setUp({rotate: true})
    await addShop()
    const before = await session.read()
    foundation.uaa.expireTokens()
    assert.equal((await succeed('env shop')).hasOptedIn, true)
    const after = await session.read()
    assert.notEqual(after.RefreshToken, before.RefreshToken)
    assert.match(String(after.AccessToken), /^bearer /)
    assert.deepEqual({...after, AccessToken: '', RefreshToken: ''}, {...before, AccessToken: '', RefreshToken: ''})
    assert.equal((await stat(session.file)).mode & 0o777, 0o600)
    foundation.uaa.expireTokens()
    const both = await Promise.all([run('env shop'), run('env shop')])
    assert.ok(both.some(({exitCode}) => exitCode === 0))
    assert.equal((await succeed('env shop')).hasOptedIn, true)
    foundation.uaa.revokeAll()
    const {envelope, exitCode} = await run('env shop')
    assert.deepEqual([envelope.error?.code, exitCode, envelope.error?.hints], ['UNAUTHENTICATED', 4, ['cf login']])
  })

  it('are those of this machine when told so, or where there is no session', async () => {
    await addShop()
    foundation.app('shop').labels.set('holdfast-opt-in', 'true')
    await fail('OBJECT_NOT_FOUND', 3, 'env shop --no-cf')
    assert.partialDeepStrictEqual(await succeed('set-env shop DIEGO_DOCKER_CACHE true --no-cf'), {platform: 'local'})
    const nobody = await createHoldfast(join(folder, `u${count++}`))
    const local = await nobody.json(['set-env', 'shop', 'DIEGO_DOCKER_CACHE', 'true'])
    assert.deepEqual(local.envelope.result, {platform: 'local', app: 'shop', variable: 'DIEGO_DOCKER_CACHE', hasOptedIn: true})
    const {envelope, exitCode} = await nobody.json(['env', 'shop', '--cf'])
    assert.deepEqual([envelope.error?.code, exitCode], ['CONFIGURATION', 10])
    const embedded = await user.json(['stage', 'shop'], {env: {HOLDFAST_TO: ''}})
    assert.deepEqual([embedded.exitCode, embedded.envelope.error?.code], [10, 'CONFIGURATION'], embedded.stdout)
    assert.deepEqual(changes(), [])
  })

  it('are never mistaken for those of this machine: a session that names no space, or cannot be used, is an error', async () => {
    await addShop()
    const config = await session.read()
    const nothing = {GUID: '', Name: ''}
    for (const [changed, code, hint] of [
      [{SpaceFields: nothing}, 'CONFIGURATION', 'cf target -o acme -s SPACE'],
      [{OrganizationFields: nothing, SpaceFields: nothing}, 'CONFIGURATION', 'cf target -o ORG -s SPACE'],
      [{AccessToken: '', RefreshToken: ''}, 'UNAUTHENTICATED', `cf login -a ${foundation.url}`],
      [{ConfigVersion: 7}, 'UNSUPPORTED', 'cf login'],
      [{CFOnK8s: {Enabled: true, AuthInfo: 'kind'}}, 'UNSUPPORTED', '--no-cf   # the apps of this machine'],
    ] as const) {
      await writeFile(session.file, JSON.stringify({...config, ...changed}))
      for (const words of [
        'set-env shop DIEGO_DOCKER_CACHE true',
        'unset-env shop DIEGO_DOCKER_CACHE',
        'env shop',
        'stage shop',
        'stage --all',
        'refresh shop',
        'rollback shop',
        'rotate-credentials shop',
        'app list',
        'app show shop',
      ]) {
        const {envelope, exitCode, stdout} = await run(words)
        assert.equal(envelope.error?.code, code, `${words}: ${stdout}`)
        assert.notEqual(exitCode, 0)
        assert.ok(envelope.error?.hints.includes(hint), `${words}: ${envelope.error?.hints.join('\n')}`)
      }
    }
    assert.deepEqual(changes(), [])
    assert.deepEqual((await user.json(['app', 'list', '--no-cf'])).envelope.result, {platform: 'local', apps: []})
  })

  it('say in every result which platform and which space they are of', async () => {
    await addShop()
    const place = {platform: 'cloud-foundry', space: {api: foundation.url, organization: 'acme', name: 'dev'}}
    for (const words of [
      'set-env shop DIEGO_DOCKER_CACHE true',
      'env shop',
      'stage shop --dry-run',
      'stage shop',
      'refresh shop',
      'rotate-credentials shop',
      'rollback shop',
      'app list',
      'app show shop',
      'unset-env shop DIEGO_DOCKER_CACHE',
    ]) {
      const {platform, space} = await succeed(words)
      assert.deepEqual({platform, space}, place, words)
    }
    await addShop({name: 'broken', image: `${origin.host}/no/such:v1`})
    const partial = await run('stage --all')
    assert.equal(partial.envelope.error?.code, 'PARTIAL')
    assert.partialDeepStrictEqual(partial.envelope.result, place)
  })

  it('are reached by a session of our own, by password, passcode and client, kept in the keychain', async () => {
    needs('gnome-keyring-daemon', 'dbus-daemon')
    await addShop()
    foundation.addClient({id: 'robot', secret: 'secret of robot', role: 'developer'})
    foundation.uaa.passcodes.set('once', 'ann')
    const home = join(folder, `u${count++}`)
    const desktop = await startDesktopSession(join(home, 's'), 'unlocked')
    afterwards(desktop.stop)
    user = await createHoldfast(home, {DBUS_SESSION_BUS_ADDRESS: desktop.env.DBUS_SESSION_BUS_ADDRESS})
    const login = async (args: readonly string[], input: string): Promise<JsonRun> => {
      const result = await user.json(['login', '--cf', foundation.url, '--org', 'acme', '--space', 'dev', ...args], {input})
      outputs.push(result.stdout, result.stderr)
      return result
    }
    for (const [args, input] of [
      [['--username', 'ann', '--password-stdin'], ANN.password],
      [['--passcode-stdin'], 'once'],
      [['--username', 'robot', '--password-stdin', '--client-credentials'], 'secret of robot'],
    ] as const) {
      const {exitCode, stdout} = await login(args, input)
      assert.equal(exitCode, 0, stdout)
      assert.equal((await succeed('env shop')).hasOptedIn, true)
      foundation.uaa.expireTokens()
      assert.equal((await succeed('env shop')).hasOptedIn, true, args.join(' '))
    }
    assert.equal((await login(['--username', 'ann', '--password-stdin'], 'wrong')).envelope.error?.code, 'UNAUTHENTICATED')
    for (let attempt = 0; attempt < 4; attempt++) await login(['--username', 'ann', '--password-stdin'], 'wrong')
    assert.equal((await login(['--username', 'ann', '--password-stdin'], ANN.password)).envelope.error?.code, 'ACCOUNT_LOCKED')
    assert.equal((await succeed('env shop')).hasOptedIn, true, 'a login that failed has ended the one before')
    const nowhere = await user.json(
      ['login', '--cf', foundation.url, '--org', 'nobody', '--username', 'robot', '--password-stdin', '--client-credentials'],
      {input: 'secret of robot'},
    )
    assert.equal(nowhere.envelope.error?.code, 'OBJECT_NOT_FOUND')
    assert.equal((await succeed('logout --cf')).cloudFoundry, foundation.url)
    await fail('CONFIGURATION', 10, 'env shop --cf')
  })

  after(() => {
    const all = outputs.join('\n')
    for (const secret of [CANARY, ANN.password, PULLER.password, 'secret of robot'])
      assert.ok(!all.includes(secret), `an output shows "${secret}"`)
    assert.doesNotMatch(all, /eyJ[A-Za-z0-9_-]{10,}\./)
  })
})
