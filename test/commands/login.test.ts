/** The commands of logins, from `login` to `logout`, against genuine registries and a genuine Secret Service; their results are held against the schemas. */
import assert from 'node:assert/strict'
import {readdirSync, readFileSync} from 'node:fs'
import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {Ajv2020} from 'ajv/dist/2020.js'
import {parseRegistryHost} from '../../src/lib/oci/reference.ts'
import {openSqliteStore} from '../../src/lib/records/sqlite/open-store.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createCertificateAuthority} from '../support/certificates.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast, type JsonRun} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {type KeyringState, startDeadBus, startDesktopSession} from '../support/keyring.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import type {RunOptions} from '../support/run-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {startTokenServer, type TokenServer} from '../support/token-server.ts'

const SCHEMAS = join(import.meta.dirname, '../../schemas')
const ALICE = 'alice'
const PASSWORD = 'the-password-of-alice'
const SERVICE_SECRET = 'the-secret-of-web'

describe('the login commands', function () {
  this.timeout(180_000)
  needs('docker-registry', 'htpasswd', 'openssl', 'gnome-keyring-daemon', 'dbus-daemon', 'dbus-send', 'dbus-test-tool')
  const afterwards = cleanUpAfterwards()
  const ajv = new Ajv2020({strict: true, allErrors: true})
  const image = createImage([createLayer('private', 'not for everybody', 1000)])
  let directory: string
  let tokens: TokenServer
  let withTokens: DockerRegistry
  let withPasswords: DockerRegistry
  let open: DockerRegistry
  let user: Holdfast
  let count = 0

  before(async () => {
    for (const file of readdirSync(SCHEMAS)) ajv.addSchema(JSON.parse(readFileSync(join(SCHEMAS, file), 'utf8')))
    const temporary = await createTemporaryDirectory('login-commands')
    afterwards(temporary.remove)
    directory = temporary.path
    tokens = await startTokenServer({
      directory: join(directory, 'tokens'),
      users: {[ALICE]: PASSWORD, bob: 'b', locked: 'l', 'web@service': SERVICE_SECRET},
      refreshTokens: {givenBy: ['get']},
    })
    afterwards(tokens.stop)
    tokens.lock('locked')
    open = await startDockerRegistry()
    afterwards(open.stop)
    await pushImage(open.url, 'private', 'v1', image)
    withTokens = await startDockerRegistry({root: open.root, token: tokens.registryOptions})
    afterwards(withTokens.stop)
    withPasswords = await startDockerRegistry({root: open.root, htpasswd: {username: ALICE, password: PASSWORD}})
    afterwards(withPasswords.stop)
  })

  /** A user whose keychain is in this state. */
  const userWith = async (state: KeyringState): Promise<Holdfast> => {
    const folder = join(directory, `u${count++}`)
    const home = join(folder, 's')
    // A keyring that is closed was open once.
    if (state === 'locked' || state === 'unanswered') await (await startDesktopSession(home, 'unlocked')).stop()
    const session = await startDesktopSession(home, state)
    afterwards(session.stop)
    return await createHoldfast(folder, {DBUS_SESSION_BUS_ADDRESS: session.env.DBUS_SESSION_BUS_ADDRESS})
  }

  beforeEach(async () => {
    user = await userWith('unlocked')
  })

  function assertValid(schema: string, value: unknown): void {
    assert.ok(ajv.validate(`${schema}.schema.json`, value), `${ajv.errorsText()}: ${JSON.stringify(value)}`)
  }

  async function succeed(args: readonly string[], options?: RunOptions): Promise<unknown> {
    const {exitCode, stdout, stderr, envelope} = await user.json(args, options)
    assert.equal(exitCode, 0, stdout + stderr)
    assertValid('envelope', envelope)
    const command = String(envelope.command)
    assert.ok(args.join(' ').startsWith(command))
    assertValid(command.replace(' ', '-'), envelope.result)
    return envelope.result
  }

  async function fail(code: string, exitCode: number, args: readonly string[], options?: RunOptions): Promise<JsonRun> {
    const answer = await user.json(args, options)
    assertValid('envelope', answer.envelope)
    assert.deepEqual([answer.envelope.error?.code, answer.exitCode], [code, exitCode], answer.stdout)
    return answer
  }

  const logIn = (registry: string, ...more: readonly string[]): Promise<unknown> =>
    succeed(['login', registry, '--username', ALICE, '--password-stdin', ...more], {input: `${PASSWORD}\n`})

  const LISTED = {registry: '', account: ALICE, kind: 'identity-token'}

  it('exchange a password for a token, say who one is, and forget it', async () => {
    assert.deepEqual(await logIn(withTokens.host), {
      registry: withTokens.host,
      account: ALICE,
      scheme: 'bearer',
      kept: 'identity-token',
      isProven: true,
      keychain: 'Secret Service',
    })
    const login = {...LISTED, registry: withTokens.host}
    assert.partialDeepStrictEqual(await succeed(['auth', 'list']), {logins: [login], keychain: 'Secret Service', allowedHelpers: []})
    assert.partialDeepStrictEqual(await succeed(['whoami', withTokens.host]), {...login, source: 'keychain', keychain: 'Secret Service'})
    await succeed(['inspect', `${withTokens.host}/private:v1`])
    assert.partialDeepStrictEqual(await succeed(['logout', withTokens.host]), {removed: [login]})
    assert.partialDeepStrictEqual(await succeed(['auth', 'list']), {logins: []})
    await fail('UNAUTHENTICATED', 4, ['inspect', `${withTokens.host}/private:v1`])
    await fail('CREDENTIAL_NOT_FOUND', 3, ['whoami', withTokens.host])
    await fail('CREDENTIAL_NOT_FOUND', 3, ['logout', withTokens.host])
  })

  it('keep the password where there is no token, and say why; nothing with --token-only', async () => {
    await fail('NO_IDENTITY_TOKEN', 5, ['login', withPasswords.host, '-u', ALICE, '--password-stdin', '--token-only'], {input: PASSWORD})
    assert.partialDeepStrictEqual(await succeed(['auth', 'list']), {logins: []})
    assert.partialDeepStrictEqual(await logIn(withPasswords.host), {scheme: 'basic', kept: 'password'})
    const {stderr} = await user.run(['login', withPasswords.host, '-u', ALICE, '--password-stdin'], {input: PASSWORD})
    assert.match(stderr, /the password is kept in Secret Service: /)
    await succeed(['inspect', `${withPasswords.host}/private:v1`])
  })

  it('take an identity token, and keep a login without a proof where nobody asks who one is, and say so', async () => {
    const token = tokens.issueRefreshToken(ALICE)
    const given = await succeed(['login', withTokens.host, '-u', ALICE, '--identity-token-stdin'], {input: token})
    assert.partialDeepStrictEqual(given, {kept: 'identity-token', account: ALICE})
    assert.partialDeepStrictEqual(await logIn(open.host), {account: ALICE, scheme: 'none', kept: 'password', isProven: false})
    const {stdout, stderr} = await user.run(['login', open.host, '-u', ALICE, '--password-stdin'], {input: PASSWORD})
    assert.equal(stdout, `Kept for ${open.host} as ${ALICE}, without a proof\n`)
    assert.match(stderr, /^not proven: .* answers without asking who you are/m)
    const who = await user.run(['whoami', open.host])
    assert.match(who.stderr, /^not proven: /m)
    assert.equal(((await succeed(['auth', 'list'])) as {logins: unknown[]}).logins.length, 2)
  })

  it('tell what is wrong, each by its own error, and keep nothing then', async () => {
    const login = (host: string, username: string, ...more: readonly string[]) => [
      'login',
      host,
      '--username',
      username,
      '--password-stdin',
      ...more,
    ]
    await fail('UNAUTHENTICATED', 4, login(withTokens.host, ALICE), {input: 'wrong'})
    await fail('UNAUTHENTICATED', 4, login(withPasswords.host, ALICE), {input: 'wrong'})
    await fail('ACCOUNT_LOCKED', 5, login(withTokens.host, 'locked'), {input: 'l'})
    await fail('NETWORK', 7, login('127.0.0.1:1', ALICE), {input: PASSWORD})
    await fail('USAGE', 2, login(withTokens.host, ALICE), {input: ''})
    await fail('USAGE', 2, login(withTokens.host, ALICE, '--identity-token-stdin'), {input: 'x'})
    await fail('INPUT_REQUIRED', 2, ['login', withTokens.host])
    await fail('INPUT_REQUIRED', 2, ['login', withTokens.host, '-u', ALICE])
    await fail('USAGE', 2, ['login', withTokens.host, '--password', PASSWORD])
    const authority = await createCertificateAuthority(join(directory, 'ca'))
    const secure = await startDockerRegistry({tls: await authority.issue('server', {names: 'DNS:localhost'})})
    afterwards(secure.stop)
    await fail('TLS', 7, login(`localhost:${secure.port}`, ALICE), {input: PASSWORD})
    assert.deepEqual(((await succeed(['auth', 'list'])) as {logins: unknown[]}).logins, [])
  })

  it('tell which keychain is not there, is locked, or does not answer; nothing is kept elsewhere', async () => {
    const states = [
      ['absent', 'KEYCHAIN_UNAVAILABLE'],
      ['locked', 'KEYCHAIN_LOCKED'],
      ['unanswered', 'KEYCHAIN_TIMEOUT'],
      ['silent', 'KEYCHAIN_TIMEOUT'],
    ] as const
    for (const [state, code] of states) {
      user = await userWith(state)
      const {envelope} = await fail(code, 10, ['login', withTokens.host, '-u', ALICE, '--password-stdin'], {input: PASSWORD})
      assert.ok((envelope.error?.hints.length ?? 0) > 0, `${code} has no way out`)
      assert.deepEqual(((await succeed(['auth', 'list'])) as {logins: unknown[]}).logins, [])
    }
    const folder = join(directory, 'dead')
    const dead = await startDeadBus(folder)
    afterwards(dead.stop)
    user = await createHoldfast(folder, {DBUS_SESSION_BUS_ADDRESS: dead.env.DBUS_SESSION_BUS_ADDRESS})
    await fail('KEYCHAIN_TIMEOUT', 10, ['login', withTokens.host, '-u', ALICE, '--password-stdin'], {input: PASSWORD})
    user = await createHoldfast(join(directory, 'no-bus'))
    await fail('KEYCHAIN_UNAVAILABLE', 10, ['login', withTokens.host, '-u', ALICE, '--password-stdin'], {input: PASSWORD})
  })

  it('keep several accounts: the longest path wins, then the account that is named, then the newest', async () => {
    await logIn(withTokens.host)
    await succeed(['login', `${withTokens.host}/team`, '-u', 'bob', '--password-stdin'], {input: 'b'})
    const who = async (...args: readonly string[]) => ((await succeed(['whoami', ...args])) as {account: string}).account
    assert.equal(await who(withTokens.host), ALICE)
    assert.equal(await who(`${withTokens.host}/team`), 'bob')
    await succeed(['login', withTokens.host, '-u', 'bob', '--password-stdin'], {input: 'b'})
    assert.equal(await who(withTokens.host), 'bob')
    assert.equal(await who(withTokens.host, '--account', ALICE), ALICE)
    await fail('CREDENTIAL_NOT_FOUND', 3, ['whoami', withTokens.host, '--account', 'carol'])
    await succeed(['logout', withTokens.host, '--account', 'bob'])
    assert.equal(await who(withTokens.host), ALICE)
    const {removed} = (await succeed(['logout', '--all'])) as {removed: unknown[]}
    assert.equal(removed.length, 2)
  })

  it('forget with the last login which hosts a login trusts, and keep those that a collector is trusted with', async () => {
    await logIn(withTokens.host)
    const records = await openSqliteStore({file: join(user.dataDirectory, 'holdfast.db')})
    const registry = parseRegistryHost(withTokens.host)
    await records.trustHost(registry, 'auth.example.com', 'login')
    await records.trustHost(registry, 'collector.example.com', 'collector')
    records.close()
    const trusted = async () => ((await succeed(['registry', 'list'])) as {trustedHosts: unknown}).trustedHosts
    const ofCollector = {registry, host: 'collector.example.com', trustedBy: 'collector'}
    assert.deepEqual(await trusted(), [{registry, host: 'auth.example.com', trustedBy: 'login'}, ofCollector])
    await succeed(['logout', withTokens.host])
    assert.deepEqual(await trusted(), [ofCollector])
  })

  it('log in as a service with its own secret, and expand %as_service%', async () => {
    const direct = ['login', withTokens.host, '--service', 'web', '--password-stdin']
    const spelled = ['login', withTokens.host, '--username', '%as_service%', '--service', 'web', '--password-stdin']
    for (const args of [direct, spelled]) {
      assert.partialDeepStrictEqual(await succeed(args, {input: SERVICE_SECRET}), {account: 'web@service', kept: 'identity-token'})
    }
    await succeed(['inspect', `${withTokens.host}/private:v1`])
    await fail('INPUT_REQUIRED', 2, ['login', withTokens.host, '--username', '%as_service%', '--password-stdin'], {input: SERVICE_SECRET})
  })

  it('are not needed in CI: a private image is cached with what the environment or standard input gives, and nothing is kept', async () => {
    user = await createHoldfast(join(directory, 'ci'))
    const cache = ['cache-image', `${withTokens.host}/private:v1`, '--to', open.host, '--app', 'shop']
    await fail('UNAUTHENTICATED', 4, cache)
    const variable = `HOLDFAST_AUTH_${withTokens.host.replaceAll(/[.:]/g, '_')}`
    const environments = [
      {[`${variable}_USERNAME`]: ALICE, [`${variable}_PASSWORD`]: PASSWORD},
      {[`${variable}_IDENTITY_TOKEN`]: tokens.issueRefreshToken(ALICE)},
    ]
    for (const env of environments) {
      await succeed([...cache, '--new'], {env})
      assert.partialDeepStrictEqual(await succeed(['whoami', withTokens.host], {env}), {source: 'environment'})
    }
    await succeed([...cache, '--new', '--source-username', ALICE, '--source-password-stdin'], {input: PASSWORD})
    const {access_token} = (await (
      await fetch(`${tokens.realm}?service=${tokens.service}&scope=repository:private:pull`, {
        headers: {authorization: `Basic ${btoa(`${ALICE}:${PASSWORD}`)}`},
      })
    ).json()) as {access_token: string}
    await succeed([...cache, '--new', '--registry-token-stdin'], {input: access_token})
    await fail('UNAUTHENTICATED', 4, [...cache, '--new', '--source-username', ALICE, '--source-password-stdin'], {input: 'wrong'})
    assert.deepEqual(((await succeed(['auth', 'list'])) as {logins: unknown[]}).logins, [])
    const {images} = (await succeed(['cached', 'shop'])) as {images: unknown[]}
    assert.equal(images.length, 4)
  })

  it('tell which variables contradict each other, and never what they hold', async () => {
    const variable = `HOLDFAST_AUTH_${withTokens.host.replaceAll(/[.:]/g, '_')}`
    const {stdout} = await fail('CONFIGURATION', 10, ['inspect', `${withTokens.host}/private:v1`], {
      env: {[`${variable}_PASSWORD`]: PASSWORD},
    })
    assert.ok(stdout.includes(`${variable}_PASSWORD`) && !stdout.includes(PASSWORD), stdout)
  })

  it('allow a credential helper by name, and take that back', async () => {
    assert.deepEqual(await succeed(['auth', 'allow-helper', 'secretservice']), {name: 'secretservice', isAllowed: true})
    assert.partialDeepStrictEqual(await succeed(['auth', 'list']), {allowedHelpers: ['secretservice']})
    assert.deepEqual(await succeed(['auth', 'allow-helper', 'secretservice', '--remove']), {name: 'secretservice', isAllowed: false})
    assert.partialDeepStrictEqual(await succeed(['auth', 'list']), {allowedHelpers: []})
    await fail('USAGE', 2, ['auth', 'allow-helper', '../evil'])
  })

  it("name the helper in docker's configuration, change nothing else there, and take it back to the byte", async () => {
    const file = join(directory, 'config.json')
    const before = '{\n\t"auths": { "old.example.com": {"auth": "YTpi"} }, "HttpHeaders":{}\n}'
    await writeFile(file, before)
    const configure = ['auth', 'configure-docker', '--file', file]
    await fail('INPUT_REQUIRED', 2, [...configure, '--yes'])
    await logIn(withTokens.host)
    await fail('INPUT_REQUIRED', 2, configure)
    assert.equal(await readFile(file, 'utf8'), before)
    const change = await succeed([...configure, '--yes'])
    assert.deepEqual(change, {path: file, isChanged: true, changes: [{registry: withTokens.host, to: 'holdfast'}]})
    const after = await readFile(file, 'utf8')
    assert.deepEqual(JSON.parse(after), {...JSON.parse(before), credHelpers: {[withTokens.host]: 'holdfast'}})
    assert.partialDeepStrictEqual(await succeed([...configure, '--yes']), {isChanged: false, changes: []})
    await succeed([...configure, '--undo', '--yes'])
    assert.equal(await readFile(file, 'utf8'), before)
    await writeFile(file, '{"auths": ')
    await fail('CONFIGURATION', 10, [...configure, '--yes'])
    assert.equal(await readFile(file, 'utf8'), '{"auths": ')
  })
})
