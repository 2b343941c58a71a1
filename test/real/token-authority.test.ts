/** The collector as the authority of registries: the embedded one and a genuine docker-registry, asked by skopeo, podman and Holdfast itself. */
import assert from 'node:assert/strict'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type ContainerClients, createContainerClients} from '../support/clients.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {freePort} from '../support/free-port.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {type OidcIssuer, startOidcIssuer} from '../support/oidc-issuer.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {command, type ServedCollector, serveCollector} from '../support/served-collector.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const PASSWORD = 'correct horse'

interface TokenAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: {
    readonly token?: string
    readonly access_token?: string
    readonly refresh_token?: string
    readonly expires_in?: number
    readonly issued_at?: string
    readonly scope?: string
    readonly error?: string
    readonly errors?: readonly {readonly code: string}[]
  }
}

describe('the collector as an authority', function () {
  this.timeout(180_000)
  needs('docker-registry', 'skopeo', 'podman', 'openssl')
  const afterwards = cleanUpAfterwards()
  const image = createImage([createLayer('app', 'some content', 5000)])
  let directory: string
  let owner: Holdfast
  let collector: ServedCollector
  let genuine: DockerRegistry
  let origin: DockerRegistry
  let serviceSecret: string
  let issuer: OidcIssuer
  let downIssuer: string

  before(async () => {
    const temporary = await createTemporaryDirectory('authority')
    afterwards(temporary.remove)
    directory = temporary.path
    owner = await createHoldfast(directory)
    origin = await startDockerRegistry()
    afterwards(origin.stop)
    await pushImage(origin.url, 'app', 'v1', image)
    await fill()
    issuer = await startOidcIssuer()
    afterwards(issuer.stop)
    const rule = {
      name: 'ci',
      issuer: issuer.url,
      audience: 'holdfast',
      claims: {sub: 'repo:acme/shop:ref:refs/heads/main'},
      account: 'web@service',
    }
    const down = {...rule, name: 'down', issuer: `http://127.0.0.1:${await freePort()}`}
    await writeFile(join(directory, 'directories.yaml'), JSON.stringify({federation: [rule, down]}))
    downIssuer = down.issuer
    collector = await serveCollector(owner, ['--directories', join(directory, 'directories.yaml')])
    afterwards(async () => assert.equal(await collector.stop(), 0, 'serve did not stop in order'))
    await command(owner, ['registry', 'manage', 'embedded', '--responsible', 'ops', '--publication', 'everybody'])
    const bundle = join(directory, 'authority.pem')
    await writeFile(bundle, ((await command(owner, ['collector', 'keys', 'export'])) as {authority: string}).authority)
    genuine = await startDockerRegistry({
      token: {realm: `${collector.url}/token`, service: 'genuine', issuer: 'holdfast', rootCertBundle: bundle},
    })
    afterwards(genuine.stop)
    await command(owner, [
      'registry',
      'manage',
      'genuine',
      '--url',
      genuine.url,
      '--service',
      'genuine',
      '--responsible',
      'ops',
      '--publication',
      'everybody',
    ])
  })

  /** ann answers for the registries and may do everything, bob may pull and push his own, eve is nobody's. */
  async function fill(): Promise<void> {
    for (const group of ['ops', 'everybody', 'shop-team']) await command(owner, ['group', 'add', group])
    const add = (name: string, ...more: readonly string[]) => command(owner, ['user', 'add', name, '--password-stdin', ...more], PASSWORD)
    await add('ann', '--group', 'ops,everybody', '--privilege', 'Manager,Pusher,Puller')
    await add('bob', '--group', 'everybody,shop-team', '--privilege', 'Pusher,Puller')
    await add('eve', '--privilege', 'Pusher,Puller')
    await command(owner, ['app', 'add', 'shop', '--responsible', 'shop-team', '--publication', 'everybody'])
    await command(owner, ['app', 'add', 'blog', '--publication', 'everybody'])
    const {secret} = (await command(owner, ['service', 'add', 'web', '--app', 'shop'])) as {secret: string}
    serviceSecret = secret
  }

  const basic = (name: string, password = PASSWORD) => ({authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`})

  async function askToken(query: string, headers: Record<string, string> = {}, path = '/token'): Promise<TokenAnswer> {
    const response = await fetch(`${collector.url}${path}?${query}`, {headers})
    return {status: response.status, headers: response.headers, body: (await response.json()) as TokenAnswer['body']}
  }

  async function postToken(form: Record<string, string>): Promise<TokenAnswer> {
    const response = await fetch(`${collector.url}/token`, {method: 'POST', body: new URLSearchParams(form)})
    return {status: response.status, headers: response.headers, body: (await response.json()) as TokenAnswer['body']}
  }

  const claimsOf = ({body}: TokenAnswer) => JSON.parse(Buffer.from((body.token ?? '').split('.')[1] ?? '', 'base64url').toString())

  async function clientsOf(name: string): Promise<ContainerClients> {
    return await createContainerClients(join(directory, name), {insecure: [collector.host, genuine.host]})
  }

  it('gives by GET what the policy allows, for several scopes at once, also where OpenSVC’s agents ask', async () => {
    const scopes = ['users/bob/x:pull,push', 'users/ann/x:pull', 'base:pull,push', 'apps/shop/web:push'].map(
      (scope) => `scope=repository:${scope}`,
    )
    for (const path of ['/token', '/init/registry/token']) {
      const answer = await askToken(`service=embedded&account=bob&${scopes.join('&')}`, basic('bob'), path)
      assert.equal(answer.status, 200)
      assert.equal(answer.headers.get('cache-control'), 'no-store')
      assert.equal(answer.body.token, answer.body.access_token)
      assert.equal(answer.body.expires_in, 900)
      assert.equal(answer.body.refresh_token, undefined)
      const claims = claimsOf(answer)
      assert.deepEqual([claims.iss, claims.sub, claims.aud], ['holdfast', 'bob', 'embedded'])
      // The registry is restricted, and bob does not answer for it: he pulls.
      assert.deepEqual(claims.access, [
        {type: 'repository', name: 'base', actions: ['pull']},
        {type: 'repository', name: 'users/bob/x', actions: ['pull']},
      ])
    }
  })

  it('answers by the OAuth 2 form as well, and gives the same identity token again and again', async () => {
    const login = await postToken({
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
      service: 'embedded',
      client_id: 'test',
      access_type: 'offline',
      scope: 'repository:base:pull,push',
    })
    assert.equal(login.status, 200)
    assert.equal(login.body.scope, 'repository:base:pull,push')
    const refreshToken = login.body.refresh_token ?? ''
    const refresh = {
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
      service: 'embedded',
      client_id: 'test',
      scope: 'repository:base:pull',
    }
    for (const _ of [1, 2]) {
      const again = await postToken(refresh)
      assert.equal(again.body.refresh_token, refreshToken)
      assert.deepEqual(claimsOf(again).access, [{type: 'repository', name: 'base', actions: ['pull']}])
    }
    const elsewhere = await postToken({...refresh, service: 'genuine'})
    assert.deepEqual([elsewhere.status, elsewhere.body.error], [401, 'invalid_grant'])
    const {tokens} = (await command(owner, ['token', 'list'])) as {tokens: {id: number; account: string; client: string}[]}
    const mine = tokens.find(({client}) => client === 'test')
    assert.equal(mine?.account, 'ann')
    await command(owner, ['token', 'revoke', String(mine?.id)])
    assert.equal((await postToken(refresh)).status, 401)
  })

  it('refuses whom it does not know, for what, and without saying why', async () => {
    const query = 'service=embedded&scope=repository:base:pull'
    for (const headers of [{}, basic('bob', 'wrong'), basic('nobody'), basic('web@service'), basic('', ''), {authorization: 'Bearer x'}]) {
      const answer = await askToken(query, headers)
      assert.deepEqual([answer.status, answer.headers.get('www-authenticate')], [401, 'Basic realm="holdfast"'])
    }
    assert.equal((await askToken('service=unknown', basic('bob'))).status, 400)
    assert.equal((await askToken('', basic('bob'))).status, 400)
    assert.equal((await askToken(`${query}&account=ann`, basic('bob'))).status, 400)
    assert.equal((await askToken('service=embedded&service=genuine', basic('bob'))).status, 400)
    assert.equal((await askToken('service=embedded&scope=nonsense', basic('bob'))).status, 400)
    const many = Array.from({length: 400}, (_, number) => `scope=repository:r${number}:pull`).join('&')
    assert.equal((await askToken(`service=embedded&${many}`, basic('bob'))).status, 400)
    assert.deepEqual(claimsOf(await askToken('service=embedded', basic('bob'))).access, [])
    assert.deepEqual(claimsOf(await askToken(query, basic('eve'))).access, [], 'eve sees a registry that is not published to her')
    const refused = await postToken({grant_type: 'authorization_code', service: 'embedded'})
    assert.deepEqual([refused.status, refused.body.error], [400, 'unsupported_grant_type'])
  })

  it('slows down who guesses, and says for how long', async () => {
    const statuses: number[] = []
    for (let attempt = 0; attempt < 12; attempt++)
      statuses.push((await askToken('service=embedded', basic('victim', String(attempt)))).status)
    assert.deepEqual(
      statuses.slice(0, 10),
      Array.from({length: 10}, () => 401),
    )
    const {status, headers} = await askToken('service=embedded', basic('victim', 'x'))
    assert.equal(status, 429)
    assert.ok(Number(headers.get('retry-after')) >= 1)
    assert.equal((await askToken('service=embedded', basic('bob'))).status, 200)
  })

  for (const [which, hostOf] of [
    ['the embedded registry', () => collector.host],
    ['a genuine docker-registry', () => genuine.host],
  ] as const) {
    it(`lets skopeo and podman log in to ${which}, push and pull, as far as they may`, async () => {
      const host = hostOf()
      const ann = await clientsOf('ann')
      const bob = await clientsOf('bob')
      for (const [clients, name] of [
        [ann, 'ann'],
        [bob, 'bob'],
      ] as const) {
        const {exitCode, stderr} = await clients.skopeo(
          'login',
          '--tls-verify=false',
          '-u',
          name,
          '-p',
          PASSWORD,
          '--authfile',
          clients.authFile,
          host,
        )
        assert.equal(exitCode, 0, stderr)
      }
      const push = async (clients: ContainerClients, repository: string) =>
        await clients.skopeo(
          'copy',
          '--src-tls-verify=false',
          '--dest-tls-verify=false',
          '--authfile',
          clients.authFile,
          `docker://${origin.host}/app:v1`,
          `docker://${host}/${repository}:v1`,
        )
      const pull = async (clients: ContainerClients, repository: string) =>
        (await clients.podman('pull', '--quiet', `${host}/${repository}:v1`)).exitCode === 0
      for (const repository of ['base', 'users/ann/x', 'apps/shop/web']) {
        const {exitCode, stderr} = await push(ann, repository)
        assert.equal(exitCode === 0, repository !== 'apps/shop/web', `${repository}: ${stderr}`)
      }
      assert.notEqual((await push(bob, 'base')).exitCode, 0)
      assert.deepEqual([await pull(bob, 'base'), await pull(bob, 'users/ann/x')], [true, false])
      // An unrestricted registry takes pushes of everybody who sees it, into what is his.
      await command(owner, ['registry', 'manage', host === collector.host ? 'embedded' : 'genuine', '--no-restricted'])
      for (const repository of ['apps/shop/web', 'users/bob/x']) assert.equal((await push(bob, repository)).exitCode, 0, repository)
      assert.notEqual((await push(bob, 'apps/blog/web')).exitCode, 0)
      assert.equal(await pull(ann, 'apps/shop/web'), true)
      await command(owner, ['registry', 'manage', host === collector.host ? 'embedded' : 'genuine', '--restricted'])
    })

    it(`lets a service pull from ${which} what is its own app’s, with its own secret`, async () => {
      const host = hostOf()
      const web = await clientsOf('web')
      const login = await web.podman(
        'login',
        '--tls-verify=false',
        '-u',
        'web@service',
        '-p',
        serviceSecret,
        '--authfile',
        web.authFile,
        host,
      )
      assert.equal(login.exitCode, 0, login.stderr)
      const mayPull = async (repository: string) => (await web.podman('pull', '--quiet', `${host}/${repository}:v1`)).exitCode === 0
      // The registry is published to a group that its app is published to.
      assert.deepEqual([await mayPull('apps/shop/web'), await mayPull('base'), await mayPull('users/ann/x')], [true, true, false])
    })
  }

  it('lets in a CI job by its own identity token, as the service that a rule names, without a password anywhere', async () => {
    const exchange = (subject: string, type = 'urn:ietf:params:oauth:token-type:id_token') =>
      postToken({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: subject,
        subject_token_type: type,
        service: 'genuine',
        scope: 'repository:apps/shop/web:pull,push',
      })
    const answer = await exchange(issuer.issue({aud: 'holdfast', sub: 'repo:acme/shop:ref:refs/heads/main'}))
    assert.equal(answer.status, 200)
    assert.equal(Reflect.get(answer.body, 'issued_token_type'), 'urn:ietf:params:oauth:token-type:access_token')
    assert.equal(answer.body.refresh_token, undefined)
    const claims = claimsOf(answer)
    assert.deepEqual([claims.sub, claims.access], ['web@service', [{type: 'repository', name: 'apps/shop/web', actions: ['pull']}]])
    const pulled = await fetch(`${genuine.url}/v2/apps/shop/web/tags/list`, {headers: {authorization: `Bearer ${answer.body.token}`}})
    assert.equal(pulled.status, 200)
    const branch = await exchange(issuer.issue({aud: 'holdfast', sub: 'repo:acme/shop:ref:refs/heads/evil'}))
    assert.deepEqual([branch.status, branch.body.error], [401, 'invalid_grant'])
    assert.equal((await exchange('x', 'urn:ietf:params:oauth:token-type:saml2')).status, 400)
    // The client is not told why; the operator is.
    assert.doesNotMatch(JSON.stringify(branch.body), /evil|main/)
    const {entries} = (await command(owner, ['collector', 'audit', '--principal', '-'])) as {entries: {rule: string; reason?: string}[]}
    assert.match(
      entries.at(-1)?.reason ?? '',
      /^rule "ci": sub: expected repo:acme\/shop:ref:refs\/heads\/main, seen "repo:acme\/shop:ref:refs\/heads\/evil"$/,
    )
  })

  it('says 503 in the form of OAuth when the issuer of an identity token is down, at /token and for a session', async () => {
    const token = issuer.issue({iss: downIssuer, aud: 'holdfast', sub: 'repo:acme/shop:ref:refs/heads/main'})
    const form = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
      service: 'genuine',
    }
    const answer = await postToken(form)
    assert.deepEqual([answer.status, answer.body.error, answer.headers.get('retry-after')], [503, 'temporarily_unavailable', '10'])
    const session = await fetch(`${collector.url}/api/v1/sessions`, {method: 'POST', headers: {authorization: `Bearer ${token}`}})
    assert.deepEqual([session.status, session.headers.get('retry-after')], [503, '10'])
  })

  it('takes everything from a user who is disabled, at once', async () => {
    await command(owner, ['user', 'add', 'carol', '--password-stdin', '--group', 'everybody', '--privilege', 'Puller'], PASSWORD)
    const form = {
      grant_type: 'password',
      username: 'carol',
      password: PASSWORD,
      service: 'embedded',
      client_id: 'c',
      access_type: 'offline',
    }
    const {refresh_token = ''} = (await postToken(form)).body
    await command(owner, ['user', 'update', 'carol', '--disabled'])
    assert.equal((await postToken(form)).status, 401)
    assert.equal((await postToken({grant_type: 'refresh_token', refresh_token, service: 'embedded', client_id: 'c'})).status, 401)
    await command(owner, ['user', 'update', 'carol', '--no-disabled'])
    assert.equal((await postToken(form)).status, 200)
  })

  it('changes its key without a registry being restarted', async () => {
    const tags = `${genuine.url}/v2/base/tags/list`
    const get = async () => {
      const {body} = await askToken('service=genuine&scope=repository:base:pull', basic('ann'))
      return (await fetch(tags, {headers: {authorization: `Bearer ${body.token}`}})).status
    }
    const kid = async () =>
      JSON.parse(Buffer.from((await askToken('service=genuine', basic('ann'))).body.token?.split('.')[0] ?? '', 'base64url').toString())
        .x5c[0]
    assert.equal(await get(), 200)
    const before = await kid()
    await command(owner, ['collector', 'keys', 'rotate'])
    assert.equal(await get(), 200)
    // The process that serves sees the rotation within a minute; another one at once.
    const second = await serveCollector(owner)
    afterwards(second.stop)
    const answer = await fetch(`${second.url}/token?service=genuine&scope=repository:base:pull`, {headers: basic('ann')})
    const {token} = (await answer.json()) as {token: string}
    assert.notEqual(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).x5c[0], before)
    assert.equal((await fetch(tags, {headers: {authorization: `Bearer ${token}`}})).status, 200)
  })

  it('finds out which setting of a registry is wrong: audience, key, issuer, events', async () => {
    interface Step {
      readonly name: string
      readonly status: string
      readonly detail: string
    }
    const check = async (name: string) => {
      const {envelope} = await owner.json(['registry', 'check', name])
      const {trust} = (envelope.error?.details?.check ?? envelope.result) as {trust: readonly Step[]}
      return trust
    }
    const summary = async (name: string) => (await check(name)).map(({name: step, status}) => `${step} ${status}`)
    await command(owner, ['registry', 'discover', 'genuine'])
    for (const name of ['genuine', genuine.host]) {
      assert.deepEqual(await summary(name), ['challenge ok', 'token ok', 'catalog ok', 'events failed', 'index ok'], name)
    }
    assert.deepEqual((await summary('embedded')).slice(0, 4), ['challenge ok', 'token ok', 'catalog ok', 'events ok'])
    // A registry that was declared under the name of another one that is managed is neither of them without a word.
    await command(owner, ['registry', 'add', 'genuine', origin.url, '--plain-http'])
    const {envelope: both} = await owner.json(['registry', 'check', 'genuine'])
    assert.deepEqual(
      [both.error?.code, both.error?.hints],
      ['CONFLICT', [`holdfast registry check ${origin.host}`, `holdfast registry check ${genuine.host}`]],
    )
    assert.deepEqual(await check(origin.host), undefined)
    await command(owner, ['registry', 'remove', 'genuine', '--yes'])
    const {secret} = (await command(owner, ['registry', 'renew-events-secret', 'genuine'])) as {secret: string}
    assert.match((await check(genuine.host))[3]?.detail ?? '', /not notified of anything/)
    const event = {
      id: 'x',
      timestamp: '2026-11-21T12:00:00Z',
      action: 'push',
      target: {mediaType: image.mediaType, digest: image.digest, repository: 'base', tag: 'v1'},
    }
    const headers = {authorization: `Bearer ${secret}`, 'content-type': 'application/vnd.docker.distribution.events.v1+json'}
    await fetch(`${collector.url}/events/genuine`, {method: 'POST', headers, body: JSON.stringify({events: [event]})})
    assert.deepEqual(await summary(genuine.host), ['challenge ok', 'token ok', 'catalog ok', 'events ok', 'index ok'])

    await command(owner, ['registry', 'manage', 'genuine', '--token-header', 'kid-rfc7638'])
    assert.match((await check(genuine.host))[1]?.detail ?? '', /^key: .* takes x5c/)
    await command(owner, ['registry', 'manage', 'genuine', '--token-header', 'x5c', '--service', 'other'])
    assert.match((await check(genuine.host))[0]?.detail ?? '', /^audience: it wants tokens for the service "genuine"/)
    await command(owner, ['registry', 'manage', 'genuine', '--service', 'genuine'])
    const {envelope} = await owner.json(['registry', 'check', genuine.host], {env: {HOLDFAST_ISSUER: 'somebody-else'}})
    const {trust} = (envelope.error?.details?.check ?? envelope.result) as {trust: readonly Step[]}
    assert.match(trust[1]?.detail ?? '', /^issuer or key: .*"somebody-else"/)
    await command(owner, ['registry', 'manage', 'untold', '--url', origin.url, '--service', 'untold'])
    assert.match((await check(origin.host))[0]?.detail ?? '', /^it asks for no token/)
    await command(owner, ['registry', 'unmanage', 'untold', '--yes'])
  })

  it('publishes its keys and its authority, and nothing secret of them', async () => {
    const jwks = await (await fetch(`${collector.url}/.well-known/jwks.json`)).text()
    const {keys} = JSON.parse(jwks) as {keys: {kid: string; alg: string; d?: string}[]}
    assert.ok(keys.length >= 2 && keys.every(({alg, d}) => alg === 'ES256' && d === undefined))
    const pem = await (await fetch(`${collector.url}/pki/registry-token-ca.pem`)).text()
    assert.equal(pem, ((await command(owner, ['collector', 'keys', 'export'])) as {authority: string}).authority)
    assert.ok(!pem.includes('PRIVATE'))
  })

  it('writes down who was granted and refused what, under which rule', async () => {
    await askToken('service=embedded&scope=repository:users/ann/secret:pull', basic('bob'))
    const {entries} = (await command(owner, ['collector', 'audit', '--principal', 'bob', '--limit', '1000'])) as {
      entries: {object: string; outcome: string; rule: string}[]
    }
    const last = entries.at(-1)
    assert.deepEqual([last?.object, last?.outcome, last?.rule], ['embedded repository:users/ann/secret:pull', 'refused', 'U2'])
  })

  it('answers others while many passwords are being looked at', async () => {
    const GUESSES = 90
    let answered = 0
    const guesses = Array.from({length: GUESSES}, async (_, number) => {
      const {status} = await askToken('service=embedded', basic(`nobody-${number}`))
      answered++
      return status
    })
    const health = await fetch(`${collector.url}/healthz`)
    assert.equal(health.status, 200)
    assert.ok(answered < GUESSES / 2, `${answered} of ${GUESSES} were answered before`)
    const statuses = await Promise.all(guesses)
    assert.deepEqual(
      [...new Set(statuses)].filter((status) => status !== 429),
      [401],
    )
  })
})
