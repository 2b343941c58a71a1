/** A foundation for CI: reached by variables and standard input alone, without cf, a keychain, or anything that is kept. */
import assert from 'node:assert/strict'
import {readdirSync, readFileSync} from 'node:fs'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {writeCfSession} from '../support/cf-session.ts'
import {FakeCloudFoundry} from '../support/fake-cf/fake-cf.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {startDesktopSession} from '../support/keyring.ts'
import {needs} from '../support/required-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const PASSWORD = 'canary/of-ann+"&%<é>'
const CLIENT_SECRET = 'canary/of-the-robot"&'
const PASSCODE = 'canary-of-the-passcode'

describe('a foundation that variables name', function () {
  this.timeout(120_000)
  needs('gnome-keyring-daemon', 'dbus-daemon')
  const afterwards = cleanUpAfterwards()
  let folder: string
  let foundation: FakeCloudFoundry
  let user: Holdfast
  let count = 0

  before(async () => {
    const temporary = await createTemporaryDirectory('cf-variables')
    afterwards(temporary.remove)
    folder = temporary.path
  })

  beforeEach(async () => {
    // Tokens end so soon that each request needs another one.
    foundation = new FakeCloudFoundry({accessTokenSeconds: 30})
    await foundation.start()
    foundation.addUser({name: 'ann', password: PASSWORD, role: 'developer'})
    foundation.addClient({id: 'robot', secret: CLIENT_SECRET, role: 'developer'})
    foundation.uaa.passcodes.set(PASSCODE, 'ann')
    const {spaceGuid} = foundation.addSpace('acme', 'dev')
    foundation.addSpace('acme', 'prod')
    await foundation.addApp(spaceGuid, {name: 'shop', image: 'registry.example.com/shop:v1', variables: {DIEGO_DOCKER_CACHE: 'true'}})
    user = await createHoldfast(join(folder, `u${count++}`))
  })

  afterEach(() => foundation.stop())

  const variables = (more: Readonly<Record<string, string>>): Record<string, string> => ({
    HOLDFAST_CF_API: foundation.url,
    HOLDFAST_CF_ORG: 'acme',
    HOLDFAST_CF_SPACE: 'dev',
    ...more,
  })
  const place = (space = 'dev') => ({platform: 'cloud-foundry', space: {api: foundation.url, organization: 'acme', name: space}})

  /** Every file below the home of the user but the compiled program. */
  const keptText = (): string =>
    readdirSync(user.home, {recursive: true, withFileTypes: true})
      .filter((entry) => entry.isFile() && !entry.parentPath.includes('.cache'))
      .map(({parentPath, name}) => readFileSync(join(parentPath, name), 'latin1'))
      .join('\n')

  it('is worked on by password, client and passcode, of variables or standard input, and nothing of it is kept', async () => {
    for (const [env, input] of [
      [{HOLDFAST_CF_USERNAME: 'ann', HOLDFAST_CF_PASSWORD: PASSWORD}, undefined],
      [{HOLDFAST_CF_CLIENT_ID: 'robot', HOLDFAST_CF_CLIENT_SECRET: CLIENT_SECRET}, undefined],
      [{HOLDFAST_CF_PASSCODE: PASSCODE}, undefined],
      [{HOLDFAST_CF_USERNAME: 'ann'}, PASSWORD],
      [{HOLDFAST_CF_CLIENT_ID: 'robot'}, CLIENT_SECRET],
      [{}, PASSCODE],
    ] as const) {
      foundation.uaa.passcodes.set(PASSCODE, 'ann')
      const more = input === undefined ? [] : ['--cf-secret-stdin']
      const {exitCode, stdout, envelope} = await user.json(['env', 'shop', ...more], {
        env: variables(env),
        ...(input === undefined ? {} : {input}),
      })
      assert.equal(exitCode, 0, `${Object.keys(env).join()}: ${stdout}`)
      assert.deepEqual(envelope.result, {...place(), app: 'shop', variable: 'DIEGO_DOCKER_CACHE', hasOptedIn: true})
    }
    const kept = keptText()
    for (const text of ['canary', 'eyJ', 'acme', foundation.url]) assert.ok(!kept.includes(text), `"${text}" was kept`)
    assert.equal((await user.json(['env', 'shop', '--cf'])).envelope.error?.code, 'CONFIGURATION')
  })

  it('comes before the session of cf, and another org and space before the targeted ones', async () => {
    const other = new FakeCloudFoundry()
    await other.start()
    afterwards(() => other.stop())
    other.addUser({name: 'bob', password: 'password of bob', role: 'developer'})
    other.addSpace('other', 'place')
    const session = await writeCfSession(
      join(folder, `cf${count}`),
      other,
      {username: 'bob', password: 'password of bob'},
      {organization: 'other', space: 'place'},
    )
    const CF_HOME = session.home
    const byVariables = await user.json(['env', 'shop'], {
      env: {CF_HOME, ...variables({HOLDFAST_CF_USERNAME: 'ann', HOLDFAST_CF_PASSWORD: PASSWORD})},
    })
    assert.partialDeepStrictEqual(byVariables.envelope.result, place())

    const own = await writeCfSession(
      join(folder, `cf-own${count}`),
      foundation,
      {username: 'ann', password: PASSWORD},
      {organization: 'acme', space: 'dev'},
    )
    const elsewhere = await user.json(['app', 'list'], {env: {CF_HOME: own.home, HOLDFAST_CF_SPACE: 'prod'}})
    assert.deepEqual(elsewhere.envelope.result, {...place('prod'), apps: []})
    const nowhere = await user.json(['app', 'list'], {env: {CF_HOME: own.home, HOLDFAST_CF_SPACE: 'none'}})
    assert.deepEqual([nowhere.exitCode, nowhere.envelope.error?.code], [3, 'OBJECT_NOT_FOUND'])
    // The space of another org is none of this one.
    const unclear = await user.json(['app', 'list'], {env: {CF_HOME: own.home, HOLDFAST_CF_ORG: 'acme'}})
    assert.equal(unclear.envelope.error?.code, 'CONFIGURATION')
    assert.equal(unclear.envelope.error?.hints[0], 'cf target -o acme -s SPACE')
  })

  it('is refused with what is missing, before anything is asked', async () => {
    const api = foundation.url
    const before = foundation.requests.length
    for (const [env, reason, args] of [
      [{HOLDFAST_CF_API: api}, 'HOLDFAST_CF_API is set, and no credentials are', []],
      [{HOLDFAST_CF_API: api, HOLDFAST_CF_USERNAME: 'ann'}, 'the password of HOLDFAST_CF_USERNAME is missing', []],
      [{HOLDFAST_CF_API: api, HOLDFAST_CF_CLIENT_ID: 'robot'}, 'the secret of HOLDFAST_CF_CLIENT_ID is missing', []],
      [{HOLDFAST_CF_API: api, HOLDFAST_CF_PASSWORD: PASSWORD}, 'HOLDFAST_CF_PASSWORD is of no use without HOLDFAST_CF_USERNAME', []],
      [
        {HOLDFAST_CF_API: api, HOLDFAST_CF_CLIENT_SECRET: CLIENT_SECRET},
        'HOLDFAST_CF_CLIENT_SECRET is of no use without HOLDFAST_CF_CLIENT_ID',
        [],
      ],
      [{HOLDFAST_CF_USERNAME: 'ann', HOLDFAST_CF_PASSWORD: PASSWORD}, 'HOLDFAST_CF_USERNAME is of no use without HOLDFAST_CF_API', []],
      [{}, '--cf-secret-stdin is of no use without HOLDFAST_CF_API', ['--cf-secret-stdin']],
      [
        {HOLDFAST_CF_API: api, HOLDFAST_CF_USERNAME: 'ann', HOLDFAST_CF_CLIENT_ID: 'robot'},
        'HOLDFAST_CF_USERNAME, HOLDFAST_CF_CLIENT_ID are more than one account',
        [],
      ],
      [
        {HOLDFAST_CF_API: api, HOLDFAST_CF_USERNAME: 'ann', HOLDFAST_CF_PASSWORD: PASSWORD},
        'HOLDFAST_CF_USERNAME, HOLDFAST_CF_PASSWORD, --cf-secret-stdin are more than one account',
        ['--cf-secret-stdin'],
      ],
    ] as const) {
      const {exitCode, envelope, stdout} = await user.json(['env', 'shop', ...args], {env, input: 'secret'})
      assert.deepEqual([exitCode, envelope.error?.code], [10, 'CONFIGURATION'], stdout)
      assert.equal(envelope.error?.message, `cannot log in to Cloud Foundry with variables: ${reason}`)
      assert.ok((envelope.error?.hints.length ?? 0) > 0, reason)
    }
    assert.equal(foundation.requests.length, before)
    const untargeted = await user.json(['env', 'shop'], {
      env: {HOLDFAST_CF_API: api, HOLDFAST_CF_USERNAME: 'ann', HOLDFAST_CF_PASSWORD: PASSWORD},
    })
    assert.equal(untargeted.envelope.error?.code, 'CONFIGURATION')
    assert.equal(untargeted.envelope.error?.hints[0], 'export HOLDFAST_CF_ORG=ORG HOLDFAST_CF_SPACE=SPACE')
    const wrong = await user.json(['env', 'shop'], {env: variables({HOLDFAST_CF_USERNAME: 'ann', HOLDFAST_CF_PASSWORD: 'canary-wrong'})})
    assert.deepEqual([wrong.exitCode, wrong.envelope.error?.code], [4, 'UNAUTHENTICATED'])
    for (const unsafe of ['http://api.example.com', 'ftp://api.example.com', 'https://ann:canary@api.example.com']) {
      const refused = await user.json(['env', 'shop'], {
        env: {...variables({HOLDFAST_CF_USERNAME: 'ann', HOLDFAST_CF_PASSWORD: PASSWORD}), HOLDFAST_CF_API: unsafe},
      })
      assert.ok(refused.exitCode !== 0 && !refused.stdout.includes('canary'), refused.stdout)
    }
  })

  it('shows no secret, though its login server repeats what it was sent', async () => {
    const echo = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk) => (body += String(chunk)))
      request.on('end', () => {
        const answer = (status: number, value: object): void =>
          void response.writeHead(status, {'content-type': 'application/json'}).end(JSON.stringify(value))
        if (request.url === '/') answer(200, {links: {cloud_controller_v3: {href: `${url}/v3`}, login: {href: url}}})
        else answer(401, {error: 'invalid_client', error_description: `${body} ${[...new URLSearchParams(body).values()].join(' ')}`})
      })
    })
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
    afterwards(() => void echo.close())
    const url = `http://127.0.0.1:${(echo.address() as AddressInfo).port}`
    for (const [env, input] of [
      [{HOLDFAST_CF_USERNAME: 'ann', HOLDFAST_CF_PASSWORD: PASSWORD}, ''],
      [{HOLDFAST_CF_CLIENT_ID: 'robot', HOLDFAST_CF_CLIENT_SECRET: CLIENT_SECRET}, ''],
      [{HOLDFAST_CF_PASSCODE: PASSCODE}, ''],
      [{HOLDFAST_CF_USERNAME: 'ann'}, PASSWORD],
    ] as const) {
      for (const more of [[], ['--json'], ['--debug']]) {
        const flags = input === '' ? more : [...more, '--cf-secret-stdin']
        const {exitCode, stdout, stderr} = await user.run(['env', 'shop', ...flags], {
          env: {...variables(env), HOLDFAST_CF_API: url},
          input,
        })
        assert.equal(exitCode, 4, stdout + stderr)
        assert.match(stdout + stderr, /\*\*\*/)
        assert.ok(!(stdout + stderr).includes('canary'), stdout + stderr)
      }
    }
  })

  it('is what target shows, as is every other session', async () => {
    const none = await user.json(['target'])
    assert.deepEqual([none.exitCode, none.envelope.error?.code], [10, 'CONFIGURATION'])
    const ann = {HOLDFAST_CF_USERNAME: 'ann', HOLDFAST_CF_PASSWORD: PASSWORD}
    const byVariables = await user.json(['target'], {env: variables(ann)})
    assert.deepEqual(byVariables.envelope.result, {
      ...{session: 'variables', api: foundation.url, account: 'ann'},
      ...{organization: 'acme', space: 'dev'},
    })
    const changed = await user.json(['target', '-s', 'prod'], {env: variables(ann)})
    assert.deepEqual(
      [changed.exitCode, changed.envelope.error?.hints],
      [2, ['export HOLDFAST_CF_ORG=acme HOLDFAST_CF_SPACE=prod']],
      changed.stdout,
    )
    const session = await writeCfSession(
      join(folder, `cf${count}`),
      foundation,
      {username: 'ann', password: PASSWORD},
      {organization: 'acme', space: 'dev'},
    )
    const ofCf = await user.run(['target'], {env: {CF_HOME: session.home}})
    assert.deepEqual(
      [ofCf.exitCode, ofCf.stdout, ofCf.stderr],
      [0, `api:      ${foundation.url}\naccount:  ann\norg:      acme\nspace:    dev\nsession:  cf login\n`, ''],
    )
    const refused = await user.json(['target', '-o', 'acme', '-s', 'prod'], {env: {CF_HOME: session.home}})
    assert.deepEqual([refused.exitCode, refused.envelope.error?.hints], [2, ['cf target -o acme -s prod']])
  })

  it('can be another space of a session of our own', async () => {
    const desktop = await startDesktopSession(join(folder, 's'), 'unlocked')
    afterwards(desktop.stop)
    user = await createHoldfast(join(folder, `u${count++}`), {DBUS_SESSION_BUS_ADDRESS: desktop.env.DBUS_SESSION_BUS_ADDRESS})
    const login = await user.json(['login', '--cf', foundation.url, '--username', 'ann', '--password-stdin'], {input: PASSWORD})
    assert.equal(login.exitCode, 0, login.stdout)
    const ofOurs = {session: 'holdfast', api: foundation.url, account: 'ann'}
    const untargeted = await user.run(['target'])
    assert.match(untargeted.stderr, /^no space is targeted: holdfast target -o ORG -s SPACE$/m)
    assert.equal((await user.json(['app', 'list'])).envelope.error?.hints[0], 'holdfast target -o ORG -s SPACE')
    const alone = await user.json(['target', '-s', 'dev'])
    assert.deepEqual([alone.exitCode, alone.envelope.error?.code], [2, 'USAGE'])
    const first = await user.json(['target', '-o', 'acme', '-s', 'dev'])
    assert.deepEqual(first.envelope.result, {...ofOurs, organization: 'acme', space: 'dev'})
    const second = await user.json(['target', '-s', 'prod'])
    assert.deepEqual(second.envelope.result, {...ofOurs, organization: 'acme', space: 'prod'})
    assert.partialDeepStrictEqual((await user.json(['app', 'list'])).envelope.result, place('prod'))
    const wrong = await user.json(['target', '-o', 'nobody', '-s', 'dev'])
    assert.deepEqual([wrong.exitCode, wrong.envelope.error?.code], [3, 'OBJECT_NOT_FOUND'])
    assert.deepEqual((await user.json(['target'])).envelope.result, second.envelope.result, 'a target that is not there was kept')
    const orgAlone = await user.json(['target', '-o', 'acme'])
    assert.deepEqual(orgAlone.envelope.result, {...ofOurs, organization: 'acme'})
  })
})
