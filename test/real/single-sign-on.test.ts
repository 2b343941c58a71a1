/** People of a genuine OpenID Connect provider at the collector: they log in with a browser, with their own groups, and nobody takes over a name. */
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {spawnChild} from '../support/child-process.ts'
import {createHoldfast, HOLDFAST_LAUNCHER, type Holdfast} from '../support/holdfast.ts'
import {startDesktopSession} from '../support/keyring.ts'
import {type OidcPerson, type OidcProvider, startOidcProvider} from '../support/oidc-provider.ts'
import {needs} from '../support/required-program.ts'
import {command, type ServedCollector, serveCollector} from '../support/served-collector.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const ERIN: OidcPerson = {subject: 'id-of-erin', name: 'erin', email: 'erin@example.com', groups: ['baristas', 'no/group name']}

interface Signing {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

describe('single sign-on', function () {
  this.timeout(180_000)
  needs('gnome-keyring-daemon', 'dbus-daemon')
  const afterwards = cleanUpAfterwards()
  let directory: string
  let owner: Holdfast
  let provider: OidcProvider
  let collector: ServedCollector
  let count = 0

  before(async () => {
    const temporary = await createTemporaryDirectory('single-sign-on')
    afterwards(temporary.remove)
    directory = temporary.path
    provider = await startOidcProvider()
    afterwards(provider.stop)
    owner = await createHoldfast(join(directory, 'owner'))
    await command(owner, ['user', 'add', 'frank', '--password-stdin'], 'password of frank')
    const file = join(directory, 'directories.yaml')
    const {issuer, clientId} = provider
    await writeFile(file, `oidc:\n  - {name: corp, issuer: '${issuer}', clientId: ${clientId}, scopes: [groups]}\n`)
    collector = await serveCollector(owner, ['--directories', file])
    afterwards(() => collector.stop())
  })

  async function newcomer(): Promise<Holdfast> {
    const folder = join(directory, `u${count++}`)
    const session = await startDesktopSession(join(folder, 's'), 'unlocked')
    afterwards(session.stop)
    return await createHoldfast(folder, {DBUS_SESSION_BUS_ADDRESS: session.env.DBUS_SESSION_BUS_ADDRESS})
  }

  /** Runs a command that says where to go, goes there as a person, and waits for the command. */
  async function sign(
    user: Holdfast,
    args: readonly string[],
    person: OidcPerson,
    decision: 'confirm' | 'abort' = 'confirm',
  ): Promise<Signing> {
    const child = spawnChild(process.execPath, [HOLDFAST_LAUNCHER, ...args, '--json'], {env: user.env, stdio: ['ignore', 'pipe', 'pipe']})
    const exit = once(child, 'exit')
    const stdout = text(child.stdout)
    let stderr = ''
    const where = new Promise<string>((resolve) => {
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        stderr += chunk
        const uri = /or open (\S+)/.exec(stderr)?.[1]
        if (uri !== undefined) resolve(uri)
      })
    })
    const uri = await Promise.race([where, exit])
    if (typeof uri === 'string') await provider.confirm(uri, person, decision)
    const [exitCode] = await exit
    return {exitCode, stdout: await stdout, stderr}
  }

  it('keeps an identity token of whoever has logged in with a browser, who is a user from then on, with the groups of the provider', async () => {
    const user = await newcomer()
    const {exitCode, stdout, stderr} = await sign(user, ['login', collector.host, '--sso'], ERIN)
    assert.equal(exitCode, 0, stdout + stderr)
    const {result} = JSON.parse(stdout) as {result: {account: string; kept: string}}
    assert.deepEqual([result.account, result.kept], ['erin', 'identity-token'])
    assert.match(stderr, /enter the code [A-Z]{4}-[A-Z]{4}/)
    assert.doesNotMatch(stdout + stderr, /eyJ|hfr_/)
    const known = (await command(owner, ['user', 'show', 'erin'])) as {source: string; email: string; groups: string[]}
    assert.deepEqual([known.source, known.email, known.groups], ['corp', 'erin@example.com', ['baristas']])
    // What is kept opens the registry.
    const whoami = await user.json(['whoami', collector.host])
    assert.equal(whoami.exitCode, 0, whoami.stdout + whoami.stderr)
  })

  it('begins a session of commands at the collector', async () => {
    const user = await newcomer()
    const {exitCode, stdout, stderr} = await sign(user, ['collector', 'use', collector.url, '--sso'], ERIN)
    assert.equal(exitCode, 0, stdout + stderr)
    const {exitCode: asked, envelope} = await user.json(['user', 'show', 'erin'])
    assert.deepEqual([asked, (envelope.result as {name: string}).name], [0, 'erin'])
    assert.equal((await user.json(['user', 'add', 'eve', '--password-stdin'], {input: 'p'.repeat(12)})).envelope.error?.code, 'DENIED')
  })

  it('lets nobody be an account of the collector, nor the next one at the provider who has a name that was somebody’s', async () => {
    for (const person of [
      {subject: 'id-of-another-frank', name: 'frank'},
      {...ERIN, subject: 'id-of-another-erin'},
    ]) {
      const {exitCode, stdout} = await sign(await newcomer(), ['login', collector.host, '--sso'], person)
      assert.equal(exitCode, 4, stdout)
      assert.match(stdout, /UNAUTHENTICATED/)
    }
  })

  it('ends with a clear error when somebody refuses at the provider', async () => {
    const {exitCode, stdout} = await sign(await newcomer(), ['login', collector.host, '--sso'], ERIN, 'abort')
    assert.equal(exitCode, 5, stdout)
    assert.match(stdout, /refused there; nothing was kept/)
  })

  it('ends at once for somebody who was disabled here, whatever the provider says', async () => {
    const user = await newcomer()
    const person = {subject: 'id-of-gina', name: 'gina'}
    assert.equal((await sign(user, ['login', collector.host, '--sso'], person)).exitCode, 0)
    await command(owner, ['user', 'update', 'gina', '--disabled'])
    assert.equal((await user.json(['whoami', collector.host])).exitCode, 4)
    assert.equal((await sign(user, ['login', collector.host, '--sso'], person)).exitCode, 4)
  })

  it('says where there is no identity provider, or none of that name', async () => {
    const user = await newcomer()
    const named = await user.json(['login', collector.host, '--sso', '--identity-provider', 'nowhere'])
    assert.deepEqual([named.exitCode, named.envelope.error?.code], [2, 'USAGE'])
    assert.deepEqual(named.envelope.error?.hints, ['--identity-provider corp'])
    const plain = await serveCollector(await createHoldfast(join(directory, 'plain')))
    afterwards(() => plain.stop())
    const none = await user.json(['login', plain.host, '--sso'])
    assert.deepEqual([none.exitCode, none.envelope.error?.code], [5, 'UNSUPPORTED'])
  })
})
