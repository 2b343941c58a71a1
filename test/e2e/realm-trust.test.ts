/** Who gets a password: every command, at registries that name a token endpoint on another host, which writes down what it is sent. */
import assert from 'node:assert/strict'
import {join} from 'node:path'
import {type Answer, reply, type ScriptedRegistry, startScriptedRegistry} from '../integration/remote/scripted-registry.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {startCommand} from '../support/started-command.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const PASSWORD = 'canary-7f3a-password'
const IDENTITY_TOKEN = 'canary-7f3a-identity-token'

/** How a registry comes to name the realm; `elsewhere` is that realm's challenge. */
const KINDS: Readonly<Record<string, (elsewhere: string) => Answer>> = {
  'asks for tokens': (elsewhere) => (_seen, response) => reply(response, 401, {'www-authenticate': elsewhere}),
  'asks for passwords at /v2/ and for tokens at repositories':
    (elsewhere) =>
    ({url, headers}, response) => {
      if (url !== '/v2/') return reply(response, 401, {'www-authenticate': elsewhere})
      return headers.authorization === undefined ? reply(response, 401, {'www-authenticate': 'Basic realm="r"'}) : reply(response, 200)
    },
  'asks for either': (elsewhere) => (_seen, response) => reply(response, 401, {'www-authenticate': `Basic realm="r", ${elsewhere}`}),
  'is open at /v2/ and asks for tokens at repositories':
    (elsewhere) =>
    ({url}, response) =>
      url === '/v2/' ? reply(response, 200) : reply(response, 401, {'www-authenticate': elsewhere}),
  'names its own token endpoint first and refuses its tokens':
    (elsewhere) =>
    ({url, headers}, response) => {
      if (url.startsWith('/token')) return reply(response, 200, {}, {token: 'good'})
      const own = `Bearer realm="http://${headers.host}/token",service="s"`
      return reply(response, 401, {'www-authenticate': headers.authorization === undefined ? own : elsewhere})
    },
}

describe('the credentials of a registry', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  let directory: string
  let user: Holdfast
  let realm: ScriptedRegistry
  let count = 0

  before(async () => {
    const temporary = await createTemporaryDirectory('realm-trust')
    afterwards(temporary.remove)
    directory = temporary.path
  })
  beforeEach(async () => {
    user = await createHoldfast(join(directory, `u${count++}`))
    realm = await start((_seen, response) => reply(response, 200, {}, {token: 'good'}))
  })

  async function start(answer: Answer): Promise<ScriptedRegistry> {
    const registry = await startScriptedRegistry(answer)
    afterwards(registry.close)
    return registry
  }
  /** Another host name than that of registries, which are at 127.0.0.1. */
  const realmHost = (): string => realm.host.replace('127.0.0.1', 'localhost')
  const challenge = (): string => `Bearer realm="http://${realmHost()}/token",service="s",scope="repository:team/app:pull"`
  const variables = (registry: ScriptedRegistry, values: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [`HOLDFAST_AUTH_${registry.host.replaceAll(/[.:]/g, '_')}_${name}`, value]),
    )
  const password = (registry: ScriptedRegistry) => variables(registry, {USERNAME: 'alice', PASSWORD})

  const commands = ({host}: ScriptedRegistry): readonly (readonly string[])[] => [
    ['whoami', host],
    ['inspect', `${host}/team/app:v1`],
    ['copy', `${host}/team/app:v1`, `oci:${join(directory, 'layout')}`],
    ['cache-image', `${host}/team/app:v1`],
    ['tag', 'list', `${host}/team/app`],
    ['login', host, '--username', 'alice', '--password-stdin'],
    ['registry', 'check', host],
    ['registry', 'add', 'it', host],
  ]

  for (const [kind, answer] of Object.entries(KINDS)) {
    it(`go nowhere else from any command, where the registry ${kind}`, async () => {
      const registry = await start(answer(challenge()))
      const codes: string[] = []
      for (const args of commands(registry)) {
        const {envelope, stdout, stderr} = await user.json(args, {env: password(registry), input: PASSWORD})
        assert.deepEqual(realm.lines(), [], args.join(' '))
        assert.ok(!`${stdout}${stderr}`.includes(PASSWORD), args.join(' '))
        codes.push(envelope.error?.code ?? 'ok')
      }
      // Reading an image needs the token.
      assert.deepEqual(codes.slice(1, 5), Array(4).fill('UNTRUSTED_HOST'), codes.join())
    })
  }

  it('go where the command says that is in the error', async () => {
    const registry = await start((_seen, response) => reply(response, 401, {'www-authenticate': challenge()}))
    const {envelope, exitCode} = await user.json(['inspect', `${registry.host}/team/app:v1`], {env: password(registry)})
    assert.equal(exitCode, 10)
    const [login, variable] = envelope.error?.hints ?? []
    assert.match(login ?? '', new RegExp(`^holdfast login ${registry.host} --trust-host ${realmHost()} `))
    const [, name = '', value = ''] = /^export (\w+)=(\S+) /.exec(variable ?? '') ?? []
    for (const [args, env] of [
      [[], {[name]: value}],
      [['--trust-host', realmHost()], {}],
      [['--trust-host', `${registry.host}=${realmHost()}`], {}],
    ] as const) {
      realm.seen.length = 0
      await user.json(['inspect', `${registry.host}/team/app:v1`, ...args], {env: {...password(registry), ...env}})
      assert.equal(realm.seen[0]?.headers.authorization, `Basic ${btoa(`alice:${PASSWORD}`)}`)
    }
    realm.seen.length = 0
    for (const [args, env] of [
      [['--trust-host', `other.example.com=${realmHost()}`], {}],
      [['--trust-host', 'localhost:1'], {}],
      [[], {[name]: `other.example.com=${realmHost()}`}],
    ] as const) {
      const refused = await user.json(['inspect', `${registry.host}/team/app:v1`, ...args], {env: {...password(registry), ...env}})
      assert.equal(refused.envelope.error?.code, 'UNTRUSTED_HOST')
    }
    assert.deepEqual(realm.lines(), [])
  })

  /** Commands that reach registries in ways of their own; each ends, or is ended, once it has asked for the image. */
  const READERS: Readonly<
    Record<string, (registry: ScriptedRegistry, trust: readonly string[], env: NodeJS.ProcessEnv) => Promise<unknown>>
  > = {
    warm: ({host}, trust, env) => user.json(['warm', '-', ...trust], {env, input: `${host}/team/app:v1\n`}),
    builder: ({host}, trust, env) =>
      user.run(['builder', '-dockerRef', `${host}/team/app:v1`, '-outputMetadataJSONFilename', join(directory, 'result.json'), ...trust], {
        env,
      }),
    'mirror serve': async ({host}, trust, env) => {
      const mirror = startCommand(user, ['mirror', 'serve', '--upstream', host, '--listen', '127.0.0.1:0', '--json', ...trust], {env})
      const port = await mirror.listening()
      await (await fetch(`http://127.0.0.1:${port}/v2/team/app/manifests/v1`)).arrayBuffer()
      mirror.kill('SIGTERM')
      await mirror.ended()
    },
  }
  for (const [command, read] of Object.entries(READERS)) {
    it(`go where --trust-host and HOLDFAST_TRUST_HOST say with ${command}, and nowhere else without`, async () => {
      const registry = await start((_seen, response) => reply(response, 401, {'www-authenticate': challenge()}))
      const env = password(registry)
      await read(registry, [], env)
      assert.deepEqual(realm.lines(), [])
      assert.ok(registry.seen.length > 0, 'the registry was asked')
      for (const [trust, variable] of [
        [['--trust-host', realmHost()], {}],
        [[`--trust-host=${registry.host}=${realmHost()}`], {}],
        [[], {HOLDFAST_TRUST_HOST: `${registry.host}=${realmHost()}`}],
      ] as const) {
        realm.seen.length = 0
        await read(registry, trust, {...env, ...variable})
        assert.equal(realm.seen[0]?.headers.authorization, `Basic ${btoa(`alice:${PASSWORD}`)}`, `${trust}`)
      }
    })
  }

  it('go to a realm elsewhere no more as an identity token than as a password; requests without them do', async () => {
    const registry = await start((_seen, response) => reply(response, 401, {'www-authenticate': challenge()}))
    const args = ['inspect', `${registry.host}/team/app:v1`]
    const env = variables(registry, {IDENTITY_TOKEN})
    assert.equal((await user.json(args, {env})).envelope.error?.code, 'UNTRUSTED_HOST')
    assert.deepEqual(realm.lines(), [])
    await user.json(args)
    assert.ok(realm.seen.length > 0)
    for (const {headers, url, body} of realm.seen)
      assert.deepEqual([headers.authorization, url.includes('account'), body.length], [undefined, false, 0])
  })

  it('are pinned to a realm elsewhere by registry add when it is told to, and nothing is saved otherwise', async () => {
    const registry = await start(({headers}, response) =>
      headers.authorization === undefined ? reply(response, 401, {'www-authenticate': challenge()}) : reply(response, 200),
    )
    const env = password(registry)
    const refused = await user.json(['registry', 'add', 'it', registry.host], {env})
    assert.deepEqual(
      [refused.envelope.error?.code, refused.envelope.error?.hints],
      ['UNTRUSTED_HOST', [`holdfast registry add it ${registry.host} --trust-host ${realmHost()}`]],
    )
    assert.deepEqual((await user.json(['registry', 'list'])).envelope.result, {registries: [], trustedHosts: []})
    assert.deepEqual(realm.lines(), [])
    const [, ...words] = refused.envelope.error?.hints[0]?.split(' ') ?? []
    const added = await user.json(words, {env})
    assert.partialDeepStrictEqual(added.envelope.result, {pinnedHosts: [realmHost()]})
    assert.ok(realm.seen.every(({headers}) => headers.authorization === `Basic ${btoa(`alice:${PASSWORD}`)}`) && realm.seen.length > 0)
    assert.notEqual((await user.json(['registry', 'check', 'it'], {env})).envelope.error?.code, 'UNTRUSTED_HOST')
  })

  it('go to no link-local or metadata address, whatever is trusted and however it is spelt', async () => {
    for (const host of ['169.254.169.254', '2852039166', '[::ffff:169.254.169.254]', '0.0.0.0']) {
      const registry = await start((_seen, response) =>
        reply(response, 401, {'www-authenticate': `Bearer realm="http://${host}/token",service="s"`}),
      )
      const {envelope} = await user.json(['registry', 'add', 'it', registry.host, '--trust-host', new URL(`http://${host}`).host], {
        env: password(registry),
      })
      assert.deepEqual([envelope.error?.code, envelope.error?.hints], ['UNTRUSTED_HOST', []], host)
      assert.ok(registry.seen.every(({headers}) => headers.authorization === undefined))
    }
  })

  describe('that a collector manages', () => {
    /** The same host as the realm: the collector lists `registry` as the one that it manages. */
    const managing = (registry: ScriptedRegistry): Record<string, string> => {
      realm.answer = ({url}, response) => {
        if (url.startsWith('/api/v1/registries')) return reply(response, 200, {}, {registries: [{name: 'it', url: registry.url}]})
        reply(response, 200, {}, {token: 'good'})
      }
      const host = realmHost().toUpperCase().replaceAll(/[.:]/g, '_')
      return {
        HOLDFAST_COLLECTOR: `http://${realmHost()}`,
        [`HOLDFAST_AUTH_${host}_USERNAME`]: 'ci',
        [`HOLDFAST_AUTH_${host}_PASSWORD`]: 'p',
      }
    }
    const askingForTokens = () => start((_seen, response) => reply(response, 401, {'www-authenticate': challenge()}))
    const tokenRequests = () => realm.seen.filter(({url}) => url.startsWith('/token')).map(({headers}) => headers.authorization)

    it('go to the collector that HOLDFAST_COLLECTOR names, and to no collector from another registry', async () => {
      const [registry, other] = [await askingForTokens(), await askingForTokens()]
      const env = managing(registry)
      const refused = await user.json(['inspect', `${other.host}/team/app:v1`], {env: {...password(other), ...env}})
      assert.deepEqual([refused.envelope.error?.code, tokenRequests()], ['UNTRUSTED_HOST', []])
      await user.json(['inspect', `${registry.host}/team/app:v1`], {env: {...password(registry), ...env}})
      assert.ok(tokenRequests().includes(`Basic ${btoa(`alice:${PASSWORD}`)}`), tokenRequests().join())
      assert.deepEqual((await user.json(['registry', 'list'])).envelope.result, {registries: [], trustedHosts: []}, 'nothing is kept')
    })

    it('stay where they are, with a warning, when that collector cannot tell what it manages', async () => {
      const registry = await askingForTokens()
      const env = {...password(registry), ...managing(registry)}
      realm.answer = (_seen, response) => reply(response, 500)
      const {envelope, stderr, stdout} = await user.json(['inspect', `${registry.host}/team/app:v1`], {env})
      assert.equal(envelope.error?.code, 'UNTRUSTED_HOST')
      assert.match(stdout + stderr, /is not trusted with the credentials of the registries that it manages/)
      assert.deepEqual(tokenRequests(), [])
    })
  })

  it('go to no identity provider at a link-local address, wherever it is named', async () => {
    const offers = {identityProviders: [{name: 'corp', issuer: 'https://169.254.169.254', clientId: 'c', scopes: []}]}
    const place = await start(({url, headers}, response) => {
      if (url === '/.well-known/identity-providers') return reply(response, 200, {}, offers)
      reply(response, 401, {'www-authenticate': `Bearer realm="http://${headers.host}/token",service="s"`})
    })
    for (const args of [
      ['collector', 'use', place.url, '--sso'],
      ['login', place.host, '--sso'],
    ]) {
      const {envelope, exitCode} = await user.json([...args, '--trust-host', '169.254.169.254'])
      assert.deepEqual([exitCode, envelope.error?.code, envelope.error?.hints], [10, 'UNTRUSTED_HOST', []], envelope.error?.message)
      assert.match(envelope.error?.message ?? '', /link-local or metadata/)
    }
  })

  it('are refused a variable that does not name the registry', async () => {
    const {envelope, exitCode} = await user.json(['inspect', 'registry.example.com/a:1'], {env: {HOLDFAST_TRUST_HOST: 'auth.example.com'}})
    assert.deepEqual(
      [exitCode, envelope.error?.code, envelope.error?.hints],
      [10, 'CONFIGURATION', ['export HOLDFAST_TRUST_HOST=registry.example.com=auth.example.com']],
    )
  })
})
