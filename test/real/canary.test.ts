/**
 * A canary password and the tokens that it is exchanged for, through every command against genuine servers: none of them may turn up in what is printed, with `--debug`
 * too, in a file that Holdfast leaves behind, or in the arguments and environments of processes.
 */
import assert from 'node:assert/strict'
import {readdirSync, readFileSync} from 'node:fs'
import {chmod, mkdir, readFile, writeFile} from 'node:fs/promises'
import {delimiter, join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {FakeCloudFoundry} from '../support/fake-cf/fake-cf.ts'
import {startFakeConsul} from '../support/fake-consul.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {startDesktopSession} from '../support/keyring.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {type ProgramResult, type RunOptions, run} from '../support/run-program.ts'
import {serveCollector} from '../support/served-collector.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {startTokenServer, type TokenServer} from '../support/token-server.ts'

/** Below the home; see bin/compile-cache.js. */
const COMPILE_CACHE = join('.cache', 'holdfast')

const ROOT = join(import.meta.dirname, '../..')
const ALICE = 'alice'
/** Each encoding on the way changes it: URLs, JSON, HTML, base64. */
const PASSWORD = 'canary/5f1c+"&%<é>'
const POLL_MS = 2

describe('secrets', function () {
  this.timeout(180_000)
  needs('docker-registry', 'htpasswd', 'openssl', 'gnome-keyring-daemon', 'dbus-daemon', 'dbus-send', 'dbus-test-tool')
  const afterwards = cleanUpAfterwards()
  const said: string[] = []
  const commands = new Set<string>()
  /** Secrets that Holdfast makes and prints once. */
  const madeSecrets: string[] = []
  let directory: string
  let temporaryFiles: string
  let tokens: TokenServer
  let withTokens: DockerRegistry
  let withPasswords: DockerRegistry
  let open: DockerRegistry
  let user: Holdfast

  before(async () => {
    const temporary = await createTemporaryDirectory('canary')
    afterwards(temporary.remove)
    directory = temporary.path
    temporaryFiles = join(directory, 'tmp')
    await mkdir(temporaryFiles)
    tokens = await startTokenServer({
      directory: join(directory, 'tokens'),
      users: {[ALICE]: PASSWORD},
      refreshTokens: {givenBy: ['get']},
    })
    afterwards(tokens.stop)
    open = await startDockerRegistry()
    afterwards(open.stop)
    await pushImage(open.url, 'private', 'v1', createImage([createLayer('private', 'not for everybody', 1000)]))
    withTokens = await startDockerRegistry({root: open.root, token: tokens.registryOptions})
    afterwards(withTokens.stop)
    withPasswords = await startDockerRegistry({root: open.root, htpasswd: {username: ALICE, password: PASSWORD}})
    afterwards(withPasswords.stop)
    const session = await startDesktopSession(join(directory, 's'), 'unlocked')
    afterwards(session.stop)
    const programs = join(directory, 'programs')
    await mkdir(programs)
    // A credential helper that shows what it was started with.
    const helper = join(programs, 'docker-credential-shows')
    await writeFile(
      helper,
      `#!/bin/sh\nenv >> '${join(directory, 'home', 'helper.env')}'\necho credentials not found in native keychain\nexit 1\n`,
    )
    await chmod(helper, 0o755)
    user = await createHoldfast(directory, {
      DBUS_SESSION_BUS_ADDRESS: session.env.DBUS_SESSION_BUS_ADDRESS,
      TMPDIR: temporaryFiles,
      PATH: [programs, process.env.PATH].join(delimiter),
    })
  })

  /** The secrets of the test in every form that may lie about. */
  function forms(): readonly string[] {
    const pair = `${ALICE}:${PASSWORD}`
    const plain = [PASSWORD, ...tokens.tokens, ...madeSecrets]
    const encoded = [pair, PASSWORD].flatMap((text) => [Buffer.from(text).toString('base64'), Buffer.from(text).toString('base64url')])
    const escaped = [
      JSON.stringify(PASSWORD).slice(1, -1),
      encodeURIComponent(PASSWORD),
      new URLSearchParams({p: PASSWORD}).toString().slice(2),
    ]
    // A signature alone proves nothing; the claims of a token are shown in no place either.
    const parts = tokens.tokens.flatMap((token) => token.split('.').slice(1))
    return [...new Set([...plain, ...encoded, ...escaped, ...parts])]
  }

  const assertClean = (text: string, where: string): void => {
    for (const form of forms()) assert.ok(!text.includes(form), `"${form}" is in ${where}: ${text.slice(0, 2000)}`)
  }

  async function tell(args: readonly string[], options: RunOptions = {}): Promise<ProgramResult> {
    const result = await user.run(args, options)
    for (const words of [1, 2, 3]) commands.add(args.slice(0, words).join(' '))
    said.push(`${args.join(' ')}\n${result.stdout}\n${result.stderr}`)
    return result
  }

  /** Runs a command as people, as a script, and as somebody who looks for a fault; it succeeds or fails alike. */
  async function tellAll(
    args: readonly string[],
    options: RunOptions & {readonly exitCode?: number; readonly again?: number} = {},
  ): Promise<void> {
    for (const [index, more] of [[], ['--json'], ['--debug'], ['--debug', '--json']].entries()) {
      const {exitCode, stderr, stdout} = await tell([...args, ...more], options)
      assert.equal(exitCode, (index === 0 ? undefined : options.again) ?? options.exitCode ?? 0, `${args.join(' ')}: ${stderr}${stdout}`)
    }
  }

  it('are printed by no command', async () => {
    const image = `${withTokens.host}/private:v1`
    const cache = ['cache-image', image, '--to', open.host, '--app', 'shop', '--new']
    const password = {input: PASSWORD}
    const loginAs = (host: string, ...more: readonly string[]) => ['login', host, '-u', ALICE, '--password-stdin', ...more]
    await tellAll(loginAs(withPasswords.host), password)
    await tellAll(loginAs(withPasswords.host, '--token-only'), {...password, exitCode: 5})
    await tellAll(loginAs(withTokens.host), password)
    await tellAll(['login', withTokens.host, '-u', ALICE, '--identity-token-stdin'], {input: tokens.issueRefreshToken(ALICE)})
    await tellAll(['login', withTokens.host, '-u', ALICE, '--password-stdin'], {input: `${PASSWORD}x`, exitCode: 4})
    assert.equal((await tell(['login', '127.0.0.1:1', '-u', ALICE, '--password-stdin', '--debug'], password)).exitCode, 7)
    await tellAll(['login', withTokens.host, '--service', 'web', '--password-stdin'], {...password, exitCode: 4})
    await tellAll(['auth', 'list'])
    await tellAll(['whoami', withTokens.host])
    await tellAll(['whoami', withPasswords.host])
    await tellAll(['registry', 'add', 'lab', withTokens.url, '--default'], {again: 6})
    await tellAll(['registry', 'check', 'lab'])
    await tellAll(['registry', 'show', 'lab'])
    await tellAll(['registry', 'list'])
    await tellAll(['registry', 'update', 'lab', '--no-default'])
    await tellAll(cache)
    await tellAll(['copy', image, `${withPasswords.host}/copies:v1`])
    await tellAll(['copy', image, `oci:${join(user.home, 'layout')}:v1`])
    await tellAll(['inspect', image])
    await tellAll(['warm', '-', '--to', open.host], {input: `${image}\n`})
    await tellAll(['cached'])
    await tellAll(['tag', 'list', `${withPasswords.host}/copies`])
    await tellAll(['tag', 'delete', `${withPasswords.host}/copies:v1`], {again: 3})
    const variable = `HOLDFAST_AUTH_${withTokens.host.replaceAll(/[.:]/g, '_')}`
    const inCi = {[`${variable}_USERNAME`]: ALICE, [`${variable}_PASSWORD`]: PASSWORD}
    await tellAll(cache, {env: inCi})
    await tellAll(cache, {env: {...inCi, [`${variable}_IDENTITY_TOKEN`]: tokens.issueRefreshToken(ALICE)}, exitCode: 10})
    await tellAll([...cache, '--source-username', ALICE, '--source-password-stdin'], password)
    await tellAll([...cache, '--source-username', ALICE, '--source-password-stdin'], {input: `${PASSWORD}x`, exitCode: 4})
    tokens.fault = () => ({status: 500, body: {errors: [{code: 'UNKNOWN', message: `echo of ${PASSWORD}`}]}})
    assert.equal((await tell([...cache, '--source-username', ALICE, '--source-password-stdin', '--debug'], password)).exitCode, 7)
    tokens.fault = undefined
    await tellAll(['auth', 'allow-helper', 'shows'])
    const config = join(user.home, '.docker', 'config.json')
    await mkdir(join(user.home, '.docker'), {recursive: true})
    await writeFile(config, JSON.stringify({credHelpers: {[`localhost:${withPasswords.port}`]: 'shows'}}))
    await tellAll(['inspect', `localhost:${withPasswords.port}/private:v1`], {env: inCi, exitCode: 4})
    await tellAll(['auth', 'configure-docker', '--yes'])
    await tellAll(['auth', 'configure-docker', '--undo', '--yes'])
    await tellAll(['completion', 'bash'])
    await tellAll(['registry', 'remove', 'lab', '--yes'], {again: 3})
    for (const text of said) assertClean(text, 'what was printed')
  })

  it('are printed by no command of the collector, but for a secret that is made for whoever asks for it', async () => {
    const password = {input: PASSWORD}
    const one = async (args: readonly string[], options: RunOptions = {}): Promise<void> => {
      const {exitCode, stderr, stdout} = await tell([...args, '--debug'], options)
      assert.equal(exitCode, 0, `${args.join(' ')}: ${stderr}${stdout}`)
    }
    for (const group of ['ops', 'gone']) await one(['group', 'add', group])
    for (const name of ['root', 'gone']) await one(['user', 'add', name, '--password-stdin', '--administrator', '--group', 'ops'], password)
    await one(['user', 'update', 'root', '--password-stdin'], password)
    await one(['cache-image', `${withTokens.host}/private:v1`, '--repository', 'private'])
    const served = await serveCollector(user)
    const document = join(directory, 'collector.yaml')
    await writeFile(document, 'groups: [ops, applied]\n')
    afterwards(served.stop)
    await one(['collector', 'use', served.url, '--username', 'root', '--password-stdin'], password)
    for (const words of [
      ['user', 'list'],
      ['user', 'show', 'root'],
      ['group', 'list'],
      ['group', 'show', 'ops'],
      ['group', 'add-member', 'gone', 'root'],
      ['group', 'remove-member', 'gone', 'root'],
      ['privilege', 'grant', 'Manager', 'root'],
      ['privilege', 'list'],
      ['privilege', 'revoke', 'Manager', 'gone'],
      ['app', 'add', 'shop', '--responsible', 'ops'],
      ['app', 'list'],
      ['app', 'show', 'shop'],
      ['app', 'update', 'shop', '--publication', 'ops'],
      ['registry', 'manage', 'open', '--url', open.url, '--publication', 'ops'],
      ['registry', 'managed'],
      ['registry', 'discover', 'embedded'],
      ['repository', 'list', 'embedded'],
      ['repository', 'show', 'embedded/private'],
      ['repository', 'describe', 'embedded/private', '--official'],
      ['repository', 'star', 'embedded/private'],
      ['repository', 'delete', 'embedded/private', '--yes'],
      ['registry', 'render', 'open', '--collector-url', served.url, '--directory', join(directory, 'rendered')],
      ['search', 'private'],
      ['explain', 'root', 'open/private'],
      ['events'],
      ['collector', 'settings'],
      ['collector', 'retention'],
      ['export'],
      ['apply', document],
      ['collector', 'audit'],
      ['collector', 'keys', 'list'],
      ['collector', 'keys', 'rotate'],
      ['collector', 'keys', 'export'],
      ['token', 'list'],
      ['token', 'revoke', '--user', 'gone'],
      ['group', 'remove', 'gone', '--yes'],
      ['user', 'remove', 'gone', '--yes'],
      ['collector', 'removed'],
      ['group', 'restore', 'gone'],
      ['user', 'restore', 'gone'],
    ]) {
      await one(words)
    }
    for (const text of said) assertClean(text, 'what was printed')
    // Made for whoever asks, printed once, and kept by nobody.
    const made = [
      ['service', 'add', 'web', '--app', 'shop'],
      ['service', 'renew-secret', 'web'],
      ['registry', 'renew-events-secret', 'open'],
    ]
    for (const words of made) {
      const {stdout} = await tell([...words, '--quiet'])
      assert.match(stdout, /^hf[se]_[A-Za-z0-9_-]{43}\n$/)
      madeSecrets.push(stdout.trim())
      said.pop()
    }
    for (const words of [
      ['service', 'list'],
      ['service', 'show', 'web'],
      ['service', 'update', 'web', '--disabled'],
      ['service', 'remove', 'web', '--yes'],
      ['app', 'remove', 'shop', '--yes'],
      ['registry', 'unmanage', 'open', '--yes'],
      ['app', 'restore', 'shop'],
      ['service', 'restore', 'web'],
      ['registry', 'restore', 'open'],
      ['collector', 'use', 'local'],
    ]) {
      await one(words)
    }
    await one(['user', 'password', 'gone', '--password-stdin'], password)
    await served.stop()
    for (const text of said) assertClean(text, 'what was printed')
  })

  it('are printed by no command of apps, though the foundation echoes every variable', async () => {
    const foundation = new FakeCloudFoundry()
    await foundation.start()
    afterwards(() => foundation.stop())
    foundation.addUser({name: ALICE, password: PASSWORD, role: 'admin'})
    const {spaceGuid} = foundation.addSpace('acme', 'dev')
    const image = `${open.host}/private:v1`
    await foundation.addApp(spaceGuid, {name: 'shop', image, variables: {SECRET: PASSWORD}})
    const consul = await startFakeConsul()
    afterwards(() => consul.stop())
    const variable = `HOLDFAST_AUTH_${withPasswords.host.replaceAll(/[.:]/g, '_')}`
    const env = {
      HOLDFAST_TO: withPasswords.host,
      [`${variable}_USERNAME`]: ALICE,
      [`${variable}_PASSWORD`]: PASSWORD,
      HOLDFAST_PULL_USERNAME: ALICE,
      HOLDFAST_PULL_PASSWORD: PASSWORD,
      HOLDFAST_CONSUL_TOKEN: PASSWORD,
      HOLDFAST_BUILDER_PASSWORD: PASSWORD,
    }
    const cf = ['--cf', foundation.url, '--org', 'acme', '--space', 'dev', '-u', ALICE, '--password-stdin']
    await tellAll(['login', ...cf], {input: PASSWORD})
    await tellAll(['login', ...cf], {input: `${PASSWORD}x`, exitCode: 4})
    await tellAll(['target'])
    const inCi = {HOLDFAST_CF_API: foundation.url, HOLDFAST_CF_USERNAME: ALICE, HOLDFAST_CF_ORG: 'acme', HOLDFAST_CF_SPACE: 'dev'}
    await tellAll(['target'], {env: {...inCi, HOLDFAST_CF_PASSWORD: PASSWORD}})
    await tellAll(['target', '--cf-secret-stdin'], {env: inCi, input: PASSWORD})
    await tellAll(['target'], {env: {...inCi, HOLDFAST_CF_PASSWORD: `${PASSWORD}x`}, exitCode: 4})
    await tellAll(['set-env', 'shop', 'DIEGO_DOCKER_CACHE', 'true'], {env})
    await tellAll(['env', 'shop'], {env})
    await tellAll(['stage', 'shop'], {env})
    await tellAll(['stage', 'shop', '--dry-run'], {env})
    await tellAll(['rotate-credentials', 'shop'], {env})
    await tellAll(['app', 'show', 'shop'], {env})
    await tellAll(['app', 'check', 'shop'], {env})
    await tellAll(['refresh', 'shop'], {env})
    await tellAll(['rollback', 'shop'], {env})
    foundation.failNextBuild(`the foundation echoes ${ALICE}`)
    await tellAll(['unset-env', 'shop', 'DIEGO_DOCKER_CACHE'], {env})
    await tellAll(['egress', '--docker-registry-address', '10.0.0.1:8080', '--apply'], {env})
    await tellAll(['registry', 'add', 'cache', open.url], {again: 6})
    await tellAll(['registry', 'register', 'cache', '--consul', consul.url], {env})
    await tellAll(['registry', 'deregister', 'cache', '--consul', consul.url], {env})
    const request = {
      app_id: 'a',
      environment: [{name: 'DIEGO_DOCKER_CACHE', value: 'true'}],
      lifecycle_data: {docker_image: image, docker_user: ALICE, docker_password: PASSWORD},
    }
    const stager = ['stager', 'args', '--request', '-', '--docker-registry-address', withPasswords.host]
    await tellAll(stager, {input: JSON.stringify(request), env})
    const builder = ['builder', '-outputMetadataJSONFilename', join(temporaryFiles, 'result.json'), '-insecureDockerRegistries', open.host]
    const login = ['-dockerLoginServer', withPasswords.url, '-dockerUser', ALICE]
    const caching = [
      '-cacheDockerImage',
      '-dockerRegistryHost',
      'localhost',
      '-dockerRegistryPort',
      String(open.port),
      '-dockerRegistryIPs',
      '127.0.0.1',
    ]
    await tellAll([...builder, ...caching, ...login, '-dockerRef', `${withPasswords.host}/private:v1`], {env})
    await tellAll(['registry', 'remove', 'cache', '--yes'], {again: 3})
    await tellAll(['logout', '--cf'])
    for (const text of said) assertClean(text, 'what was printed')
  })

  it('are in no file that Holdfast, its keychain or its helpers leave behind', async () => {
    const files = [user.home, temporaryFiles, join(directory, 's')].flatMap((folder) =>
      readdirSync(folder, {recursive: true, withFileTypes: true})
        .filter((entry) => entry.isFile())
        .map(({parentPath, name}) => join(parentPath, name)),
    )
    for (const expected of ['.db', 'helper.env', 'config.json', COMPILE_CACHE, 'login.keyring']) {
      assert.ok(
        files.some((file) => file.includes(expected)),
        `no file of ${expected}: ${files.slice(0, 50).join(' ')}`,
      )
    }
    for (const file of files) assertClean(readFileSync(file, 'latin1'), file)
    // Non-ASCII is read right as well.
    for (const file of files.filter((name) => !name.includes(COMPILE_CACHE))) assertClean(readFileSync(file, 'utf8'), file)
  })

  it('are in the arguments of no process, and in the environment of none but the one that was given them', async () => {
    const silent = await startDesktopSession(join(directory, 'silent'), 'silent')
    afterwards(silent.stop)
    const variable = `HOLDFAST_AUTH_${withTokens.host.replaceAll(/[.:]/g, '_')}`
    const env = {
      DBUS_SESSION_BUS_ADDRESS: silent.env.DBUS_SESSION_BUS_ADDRESS,
      [`${variable}_IDENTITY_TOKEN`]: tokens.issueRefreshToken(ALICE),
    }
    let holdfast: number | undefined
    let running = true
    // The keychain does not answer: what talks to it lives for some seconds.
    const login = tell(['login', withTokens.host, '-u', ALICE, '--password-stdin'], {
      input: PASSWORD,
      env,
      onStart: (pid) => {
        holdfast = pid
      },
    }).finally(() => {
      running = false
    })
    const children = new Map<number, {readonly commandLine: string; readonly environment: string}>()
    while (running) {
      for (const seen of readProcesses()) {
        assertClean(seen.commandLine, `the arguments of ${seen.pid}`)
        if (seen.parent === holdfast && seen.commandLine.includes('keychain-process')) children.set(seen.pid, seen)
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
    assert.equal((await login).exitCode, 10)
    assert.ok(children.size > 0, 'no child of holdfast was seen')
    for (const [pid, {environment}] of children) {
      assert.match(environment, /DBUS_SESSION_BUS_ADDRESS=/)
      assertClean(environment, `the environment of ${pid}`)
    }
  })

  it('go with a logout, out of the keychain too', async () => {
    await tellAll(['logout', withPasswords.host], {again: 3})
    await tellAll(['logout', '--all'])
    const {stdout} = await run(process.execPath, [join(ROOT, 'bin/docker-credential-holdfast.js'), 'list'], {env: user.env})
    assert.equal(stdout, '{}\n')
  })

  it('were looked for in every command', async () => {
    const manifest: {readonly commands: Readonly<Record<string, {readonly aliases: readonly string[]}>>} = JSON.parse(
      await readFile(join(ROOT, 'oclif.manifest.json'), 'utf8'),
    )
    // Servers end when they are told to; what they print and keep of credentials they are given is tested with them.
    const others = [
      'serve',
      'mirror serve',
      'mirror verify',
      'mirror list',
      'mirror evict',
      'mirror render',
      'mirror init',
      'mirror deploy',
      'mirror status',
    ]
    const missing = Object.keys(manifest.commands)
      .map((id) => id.replaceAll(':', ' '))
      .filter((id) => !commands.has(id) && !others.includes(id))
    assert.deepEqual(missing, [])
  })
})

interface SeenProcess {
  readonly pid: number
  readonly parent: number
  readonly commandLine: string
  readonly environment: string
}

/** Every process of the machine, as far as this user may look at it. */
function readProcesses(): readonly SeenProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .flatMap((name) => {
      try {
        const read = (file: string): string => readFileSync(`/proc/${name}/${file}`, 'utf8')
        const parent = Number(/^PPid:\s*([0-9]+)/m.exec(read('status'))?.[1])
        return [{pid: Number(name), parent, commandLine: read('cmdline'), environment: read('environ')}]
      } catch {
        // It has ended meanwhile, or is somebody else's.
        return []
      }
    })
}
