/** `docker-credential-holdfast` as docker, podman and skopeo run it: its protocol, and genuine pulls from private registries with the logins that Holdfast keeps. */
import assert from 'node:assert/strict'
import {mkdir, readFile, symlink} from 'node:fs/promises'
import {delimiter, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type ContainerClients, createContainerClients} from '../support/clients.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {type KeyringState, startDeadBus, startDesktopSession} from '../support/keyring.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {type ProgramResult, run} from '../support/run-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {startTokenServer, type TokenServer} from '../support/token-server.ts'

const HELPER = fileURLToPath(new URL('../../bin/docker-credential-holdfast.js', import.meta.url))
const ALICE = 'alice'
const PASSWORD = 'the-password-of-alice'
/** The words by which the tools know that there is no credential (docker-credential-helpers). */
const NOT_FOUND = 'credentials not found in native keychain\n'
/** Between our bound (2.5 s, and the starts of two processes on a busy machine) and what a keychain takes that does not answer (25 s, or for ever). */
const MAX_WAIT_MS = 20_000

describe('docker-credential-holdfast', function () {
  this.timeout(180_000)
  needs('docker-registry', 'htpasswd', 'openssl', 'podman', 'skopeo', 'gnome-keyring-daemon', 'dbus-daemon', 'dbus-send', 'dbus-test-tool')
  const afterwards = cleanUpAfterwards()
  const image = createImage([createLayer('private', 'not for everybody', 1000)])
  let directory: string
  let user: Holdfast
  let tokens: TokenServer
  let withTokens: DockerRegistry
  let withPasswords: DockerRegistry

  before(async () => {
    const temporary = await createTemporaryDirectory('helper')
    afterwards(temporary.remove)
    directory = temporary.path
    user = await userWith('unlocked')
    tokens = await startTokenServer({
      directory: join(directory, 'tokens'),
      users: {[ALICE]: PASSWORD},
      refreshTokens: {givenBy: ['get']},
    })
    afterwards(tokens.stop)
    const open = await startDockerRegistry()
    afterwards(open.stop)
    await pushImage(open.url, 'private', 'v1', image)
    withTokens = await startDockerRegistry({root: open.root, token: tokens.registryOptions})
    afterwards(withTokens.stop)
    withPasswords = await startDockerRegistry({root: open.root, htpasswd: {username: ALICE, password: PASSWORD}})
    afterwards(withPasswords.stop)
  })

  /** A user with a keychain of its own. */
  async function userWith(state: KeyringState, folder = join(directory, state)): Promise<Holdfast> {
    const session = await startDesktopSession(join(folder, 's'), state)
    afterwards(session.stop)
    return await createHoldfast(folder, {DBUS_SESSION_BUS_ADDRESS: session.env.DBUS_SESSION_BUS_ADDRESS})
  }

  const helper = (action: string, input = '', env = user.env): Promise<ProgramResult> =>
    run(process.execPath, [HELPER, action], {env, input})

  async function logIn(registry: DockerRegistry): Promise<void> {
    const {exitCode, stderr} = await user.run(['login', registry.host, '--username', ALICE, '--password-stdin'], {input: PASSWORD})
    assert.equal(exitCode, 0, stderr)
  }

  it('stores, gets, lists and erases what docker hands over', async () => {
    const ServerURL = 'https://index.docker.io/v1/'
    const given = {ServerURL, Username: 'ann', Secret: 'a "secret" \\ of ünicode'}
    assert.deepEqual(await helper('store', JSON.stringify(given)), {stdout: '', stderr: '', exitCode: 0, signal: null})
    assert.deepEqual(JSON.parse((await helper('get', ServerURL)).stdout), given)
    assert.deepEqual(JSON.parse((await helper('get', 'docker.io\n')).stdout), {...given, ServerURL: 'docker.io'})
    assert.deepEqual(JSON.parse((await helper('list')).stdout), {[ServerURL]: 'ann'})
    const {stdout} = await user.run(['auth', 'list'])
    assert.match(stdout, /docker\.io +ann +password/)
    assert.deepEqual(await helper('erase', ServerURL), {stdout: '', stderr: '', exitCode: 0, signal: null})
    assert.partialDeepStrictEqual(await helper('get', ServerURL), {stdout: NOT_FOUND, exitCode: 1})
    assert.deepEqual(JSON.parse((await helper('list')).stdout), {})
  })

  it('answers what makes no sense with one line and exit code 1, and repeats no secret', async () => {
    const wrong = [
      ['get', '', 'no credentials server URL\n'],
      ['erase', '\n', 'no credentials server URL\n'],
      ['get', 'not a registry', NOT_FOUND],
      ['get', 'registry.example.com', NOT_FOUND],
      ['store', '{"ServerURL":"a.example.com","Username":"","Secret":"canary"}', 'no credentials username\n'],
    ] as const
    for (const [action, input, answer] of wrong) {
      assert.partialDeepStrictEqual(await helper(action, input), {stdout: answer, exitCode: 1}, `${action} ${input}`)
    }
    for (const input of ['canary', '{"Secret":"canary"', '["canary"]', '{"ServerURL":"a b","Username":"x","Secret":"canary"}']) {
      const {stdout, stderr, exitCode} = await helper('store', input)
      assert.deepEqual([exitCode, stderr, stdout.trimEnd().includes('\n'), stdout.includes('canary')], [1, '', false, false], stdout)
    }
    assert.match((await helper('')).stdout, /^usage: docker-credential-holdfast store\|get\|erase\|list/)
    assert.equal((await helper('frobnicate')).exitCode, 1)
  })

  it('erases one registry only, and the repositories below a path apart from their registry', async () => {
    const store = (ServerURL: string, Username: string) => helper('store', JSON.stringify({ServerURL, Username, Secret: Username}))
    for (const [server, name] of [
      ['a.example.com', 'ann'],
      ['a.example.com/team', 'bob'],
      ['b.example.com:5000', 'eve'],
    ] as const) {
      assert.equal((await store(server, name)).exitCode, 0)
    }
    await helper('erase', 'a.example.com')
    assert.deepEqual(JSON.parse((await helper('list')).stdout), {'a.example.com/team': 'bob', 'b.example.com:5000': 'eve'})
    assert.equal(JSON.parse((await helper('get', 'a.example.com/team/app')).stdout).Username, 'bob')
    for (const server of ['a.example.com/team', 'b.example.com:5000']) await helper('erase', server)
  })

  it('says in time which keychain is not there, is locked, or does not answer', async () => {
    const folder = join(directory, 'states')
    const session = await startDesktopSession(join(folder, 's'), 'unlocked')
    const {env} = await createHoldfast(folder, {DBUS_SESSION_BUS_ADDRESS: session.env.DBUS_SESSION_BUS_ADDRESS})
    const stored = await helper('store', JSON.stringify({ServerURL: 'c.example.com', Username: 'ann', Secret: 'x'}), env)
    await session.stop()
    assert.equal(stored.exitCode, 0, stored.stdout)
    const expectations = [
      ['absent', 'KEYCHAIN_UNAVAILABLE'],
      ['locked', 'KEYCHAIN_LOCKED'],
      ['unanswered', 'KEYCHAIN_TIMEOUT'],
      ['silent', 'KEYCHAIN_TIMEOUT'],
    ] as const
    const failsInTime = async (bus: string | undefined, code: string): Promise<void> => {
      const start = performance.now()
      const answer = await helper('get', 'c.example.com', {...env, DBUS_SESSION_BUS_ADDRESS: bus})
      const waitedMs = performance.now() - start
      assert.ok(answer.stdout.includes(`(${code})`), `${code}: ${JSON.stringify(answer)}`)
      assert.notEqual(answer.exitCode, 0)
      assert.ok(waitedMs < MAX_WAIT_MS, `${code}: ${Math.round(waitedMs)} ms`)
    }
    for (const [state, code] of expectations) await failsInTime((await userWith(state, folder)).env.DBUS_SESSION_BUS_ADDRESS, code)
    const dead = await startDeadBus(join(directory, 'dead'))
    afterwards(dead.stop)
    await failsInTime(dead.env.DBUS_SESSION_BUS_ADDRESS, 'KEYCHAIN_TIMEOUT')
    await failsInTime(undefined, 'KEYCHAIN_UNAVAILABLE')
  })

  describe('behind genuine clients', () => {
    let clients: ContainerClients

    before(async () => {
      const programs = join(directory, 'programs')
      await mkdir(programs)
      await symlink(HELPER, join(programs, 'docker-credential-holdfast'))
      const node = process.execPath.replace(/\/[^/]*$/, '')
      clients = await createContainerClients(directory, {
        insecure: [withTokens.host, withPasswords.host],
        env: {
          PATH: [programs, node, process.env.PATH].join(delimiter),
          HOLDFAST_DATA_DIR: user.dataDirectory,
          DBUS_SESSION_BUS_ADDRESS: user.env.DBUS_SESSION_BUS_ADDRESS,
        },
      })
      for (const registry of [withTokens, withPasswords]) await logIn(registry)
    })

    const configure = (...args: readonly string[]): Promise<ProgramResult> =>
      user.run(['auth', 'configure-docker', '--podman', '--file', clients.authFile, '--yes', ...args])

    it('lets podman and skopeo pull, with an identity token or a password, once it is configured, and no more when that is undone', async () => {
      const references = [withTokens, withPasswords].map(({host}) => `${host}/private:v1`)
      const pullAll = async (): Promise<readonly boolean[]> => {
        const codes: boolean[] = []
        for (const reference of references) {
          codes.push((await clients.podman('pull', reference)).exitCode === 0)
          codes.push((await clients.skopeo('inspect', '--raw', `docker://${reference}`)).exitCode === 0)
        }
        return codes
      }
      assert.deepEqual(await pullAll(), [false, false, false, false], 'the registries are open to everybody')
      assert.equal((await configure()).exitCode, 0)
      assert.deepEqual(await pullAll(), [true, true, true, true])
      const written = await readFile(clients.authFile, 'utf8')
      assert.ok(!written.includes(PASSWORD) && !tokens.tokens.some((token) => written.includes(token)), 'a secret is in the file')
      assert.equal((await configure('--undo')).exitCode, 0)
      assert.deepEqual(await pullAll(), [false, false, false, false])
    })

    it('keeps what `podman login` hands over, and forgets it with `podman logout`', async () => {
      await configure()
      await user.run(['logout', withPasswords.host])
      const login = await clients.podman('login', '--tls-verify=false', '-u', ALICE, '-p', PASSWORD, withPasswords.host)
      assert.equal(login.exitCode, 0, login.stderr)
      const {stdout} = await user.run(['whoami', withPasswords.host])
      assert.equal(stdout, `${ALICE}\n`)
      const logout = await clients.podman('logout', withPasswords.host)
      assert.equal(logout.exitCode, 0, logout.stderr)
      assert.equal((await user.run(['whoami', withPasswords.host])).exitCode, 3)
    })
  })
})
