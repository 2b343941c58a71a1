import assert from 'node:assert/strict'
import {createHmac, generateKeyPairSync} from 'node:crypto'
import {checkProvider} from '../../../src/lib/accounts/federation/identity-provider.ts'
import {createFederation} from '../../../src/lib/accounts/federation/identity-tokens.ts'
import {checkRule, mismatchOf, type TrustRule} from '../../../src/lib/accounts/federation/trust-rule.ts'
import {HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import {Secret} from '../../../src/lib/core/secret.ts'
import {type OidcIssuer, startOidcIssuer} from '../../support/oidc-issuer.ts'

const AUDIENCE = 'holdfast'
const MAIN = {aud: AUDIENCE, sub: 'repo:acme/shop:ref:refs/heads/main', repository: 'acme/shop', environment: 'production'}

describe('a rule of trust', () => {
  const rule = (claims: TrustRule['claims'], change: Partial<TrustRule> = {}): TrustRule => ({
    name: 'ci',
    issuer: 'https://token.actions.example.com',
    audience: AUDIENCE,
    claims,
    account: 'web@service',
    ...change,
  })

  it('takes claims that are as it says, whole, with stars that stop at / and :', () => {
    const cases = [
      ['repo:acme/shop:ref:refs/heads/main', true],
      ['repo:acme/*:ref:refs/heads/main', true],
      ['repo:acme/**', true],
      ['repo:*', false],
      ['repo:acme/sho', false],
      ['epo:acme/shop:ref:refs/heads/main', false],
      ['repo.acme/shop:ref:refs/heads/main', false],
      ['', false],
    ] as const
    for (const [pattern, expected] of cases) assert.equal(mismatchOf(rule({sub: pattern}), MAIN) === undefined, expected, pattern)
  })

  it('takes no token that lacks a claim, or has it as something else', () => {
    assert.equal(mismatchOf(rule({sub: '**', missing: '**'}), MAIN) === undefined, false)
    assert.equal(mismatchOf(rule({groups: '**'}), {...MAIN, groups: ['a']}) === undefined, false)
    assert.equal(mismatchOf(rule({constructor: '**'}), MAIN) === undefined, false)
    assert.equal(mismatchOf(rule({verified: 'true'}), {...MAIN, verified: true}) === undefined, true)
  })

  it('is refused where it would let in everybody, or where keys come over an open line', () => {
    for (const wrong of [
      rule({}),
      rule({sub: '*'}),
      rule({sub: '**', repository: '*'}),
      rule({sub: 'x'}, {issuer: 'http://ci.example.com'}),
    ]) {
      assert.throws(
        () => checkRule(wrong),
        (error) => hasCode(error, 'CONFIGURATION'),
      )
    }
    checkRule(rule({sub: 'repo:acme/**'}))
  })
})

describe('identity tokens of another issuer', () => {
  let issuer: OidcIssuer
  let time: number

  beforeEach(async () => {
    issuer = await startOidcIssuer()
    time = Date.now()
  })
  afterEach(() => issuer.stop())

  const open = (...more: readonly TrustRule[]) =>
    createFederation({
      providers: [],
      rules: [
        {name: 'main', issuer: issuer.url, audience: AUDIENCE, claims: {sub: 'repo:acme/shop:ref:refs/heads/main'}, account: 'web@service'},
        {name: 'all', issuer: issuer.url, audience: AUDIENCE, claims: {repository: 'acme/*'}, account: 'reader@service'},
        ...more,
      ],
      fetchJson: async (url) => (await fetch(url)).json(),
      now: () => new Date(time),
    })
  const ask = (federation: ReturnType<typeof open>, token: string) =>
    federation.identify(new Secret(token)).then((identity) => (identity.kind === 'account' ? identity.name : undefined))
  const reasonOf = (federation: ReturnType<typeof open>, token: string) =>
    federation.identify(new Secret(token)).then((identity) => (identity.kind === 'refused' ? identity.reason : undefined))

  it('stand for the account of the first rule that they fit', async () => {
    const federation = open()
    assert.equal(await ask(federation, issuer.issue(MAIN)), 'web@service')
    assert.equal(await ask(federation, issuer.issue(MAIN, {alg: 'ES256'})), 'web@service')
    assert.equal(await ask(federation, issuer.issue({...MAIN, sub: 'repo:acme/shop:pull_request'})), 'reader@service')
    assert.equal(await ask(federation, issuer.issue({...MAIN, sub: 'x', repository: 'evil/shop'})), undefined)
    assert.equal(issuer.keyRequests(), 1)
  })

  it('stand for nobody when they are for others, have ended, are of the future, or are signed by something else', async () => {
    const federation = open()
    const now = Math.floor(time / 1000)
    const other = await startOidcIssuer()
    const good = issuer.issue(MAIN)
    const [header = '', body = '', signature = ''] = good.split('.')
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const hs256 = encode({...JSON.parse(Buffer.from(header, 'base64url').toString()), alg: 'HS256'})
    const wrong = {
      'another audience': issuer.issue({...MAIN, aud: 'other'}),
      'no audience': issuer.issue({...MAIN, aud: undefined}),
      ended: issuer.issue({...MAIN, exp: now - 100}),
      'no end': issuer.issue({...MAIN, exp: undefined}),
      'of the future': issuer.issue({...MAIN, iat: now + 500, exp: now + 900}),
      'not yet good': issuer.issue({...MAIN, nbf: now + 500}),
      'of an issuer that nobody trusts': other.issue(MAIN),
      'of another issuer in its name': other.issue({...MAIN, iss: issuer.url}),
      'with other claims': `${header}.${encode({...MAIN, iss: issuer.url, iat: now, exp: now + 300, admin: true})}.${signature}`,
      'alg none': `${encode({alg: 'none', typ: 'JWT'})}.${body}.`,
      'the public key as an HMAC secret': `${hs256}.${body}.${createHmac('sha256', issuer.publicKey()).update(`${hs256}.${body}`).digest('base64url')}`,
      'a key elsewhere': `${encode({alg: 'RS256', jku: `${other.url}/keys`, kid: 'x'})}.${body}.${signature}`,
      nothing: '',
      'no token': 'a.b.c',
      'far too much': `${header}.${'a'.repeat(100_000)}.${signature}`,
    }
    for (const [what, token] of Object.entries(wrong)) assert.equal(await ask(federation, token), undefined, what)
    assert.equal(other.keyRequests(), 0, 'an issuer was asked because a token said so')
    await other.stop()
  })

  it('are good under new keys, for which an issuer is not asked at every token', async () => {
    const federation = open()
    assert.equal(await ask(federation, issuer.issue(MAIN)), 'web@service')
    issuer.rotate()
    assert.equal(await ask(federation, issuer.issue(MAIN)), undefined)
    assert.equal(issuer.keyRequests(), 1)
    time += 31_000
    assert.equal(await ask(federation, issuer.issue(MAIN)), 'web@service')
    assert.equal(issuer.keyRequests(), 2)
  })

  it('cannot be looked at while the issuer is broken, whatever the fault; that is told apart, with when to ask again', async () => {
    const token = issuer.issue(MAIN)
    const refused = (error: unknown): boolean => {
      assert.ok(error instanceof HoldfastError)
      assert.deepEqual([error.code, error.message], ['REGISTRY_UNAVAILABLE', `cannot get the keys of issuer "${issuer.url}"`])
      return error.details.retryAfterSeconds === 10
    }
    const discovery = (more: object): string => JSON.stringify({issuer: issuer.url, jwks_uri: `${issuer.url}/keys`, ...more})
    for (const [status, body] of [
      [500, ''],
      [200, 'not JSON'],
      [200, 'null'],
      [200, '[]'],
      [200, discovery({issuer: 'https://evil.example.com'})],
      [200, discovery({jwks_uri: undefined})],
      [200, discovery({jwks_uri: 'http://elsewhere.example.com/keys'})],
      [200, discovery({jwks_uri: 7})],
      [200, discovery({keys: null})],
      [200, discovery({keys: {}})],
    ] as const) {
      issuer.broken = {status, body}
      await assert.rejects(ask(open(), token), refused, body)
    }
    issuer.broken = undefined
    assert.equal(await ask(open(), token), 'web@service')
  })

  it('make a broken issuer be asked once in 10 seconds, and stay good while its keys are known', async () => {
    const federation = open()
    issuer.broken = {status: 503, body: ''}
    const token = issuer.issue(MAIN)
    await Promise.all([1, 2, 3].map(() => assert.rejects(ask(federation, token))))
    time += 9_000
    await assert.rejects(ask(federation, token))
    assert.equal(issuer.requests(), 1)
    issuer.broken = undefined
    time += 1_001
    assert.equal(await ask(federation, token), 'web@service')
    issuer.broken = {status: 503, body: ''}
    time += 31_000
    await assert.rejects(ask(federation, issuer.issue(MAIN, {kid: 'made up'})), (error) => hasCode(error, 'REGISTRY_UNAVAILABLE'))
    assert.equal(await ask(federation, issuer.issue(MAIN)), 'web@service')
  })

  it('are good though the key set has members that are no keys, weak, malformed or of another kind', async () => {
    const weak = generateKeyPairSync('rsa', {modulusLength: 1024}).publicKey.export({format: 'jwk'})
    issuer.keyList = (keys) => [
      null,
      'x',
      7,
      [],
      {},
      {kty: 7},
      {kty: 'RSA', kid: 7},
      {kty: 'RSA'},
      {kty: 'RSA', n: '!', e: 'AQAB'},
      {kty: 'oct', k: 'c2VjcmV0'},
      {kty: 'new', kid: 'x'},
      weak,
      ...keys,
    ]
    const federation = open()
    for (const alg of ['RS256', 'RS512', 'ES256', 'ES384'] as const) {
      assert.equal(await ask(federation, issuer.issue(MAIN, {alg})), 'web@service', alg)
      assert.equal(await ask(federation, issuer.issue(MAIN, {alg, kid: null})), 'web@service', `${alg} without a key id`)
    }
  })

  it('are good under keys that have no id, also several of a kind', async () => {
    const other = generateKeyPairSync('rsa', {modulusLength: 2048}).publicKey.export({format: 'jwk'})
    issuer.keyList = (keys) => [other, ...keys.map((key) => ({...key, kid: undefined}))]
    const federation = open()
    assert.equal(await ask(federation, issuer.issue(MAIN)), 'web@service')
    assert.equal(await ask(federation, issuer.issue(MAIN, {alg: 'ES384', kid: null})), 'web@service')
    issuer.rotate()
    time += 31_000
    assert.equal(await ask(federation, issuer.issue(MAIN)), 'web@service', 'new keys were not asked for')
  })

  it('are refused with the claim, what was expected, and what was seen; the token is not in it', async () => {
    const federation = open()
    const now = Math.floor(time / 1000)
    const at = (claims: object, options = {}) => reasonOf(federation, issuer.issue({...MAIN, ...claims}, options))
    const reasons: readonly (readonly [Promise<string | undefined>, RegExp])[] = [
      [at({iss: 'https://evil.example.com'}), /^iss: expected an issuer of a rule or provider, seen "https:\/\/evil\.example\.com"$/],
      [at({aud: 'other'}), /rule "main": aud: expected holdfast, seen "other"/],
      [at({exp: now - 100}), /exp: expected after \d+, seen \d+/],
      [at({nbf: now + 500}), /nbf: expected before \d+, seen \d+/],
      [at({iat: now + 500, exp: now + 900}), /iat: expected before \d+, seen \d+/],
      [at({sub: undefined}), /sub: expected to be there, seen nothing/],
      [
        at({sub: 'repo:x', repository: 'evil/shop'}),
        /rule "main": sub: expected repo:\S+, seen "repo:x"; rule "all": repository: expected acme\/\*, seen "evil\/shop"/,
      ],
      [at({}, {kid: 'made up'}), /signature: expected by a key that the issuer publishes, seen \{"alg":"RS256","kid":"made up"\}/],
      [at({sub: 'x'.repeat(5_000), repository: 'x'}), /seen "x{90,}…/],
      [reasonOf(federation, 'a.b.c'), /^it is not a JSON Web Token$/],
    ]
    for (const [reason, expected] of reasons) assert.match((await reason) ?? 'none', expected)
    const token = issuer.issue({...MAIN, aud: 'other'})
    const told = await reasonOf(federation, token)
    for (const part of token.split('.')) assert.ok(!told?.includes(part))
  })
})

describe('ID tokens of an identity provider', () => {
  const CORP = {
    name: 'corp',
    clientId: 'holdfast',
    scopes: ['openid'],
    nameClaim: 'preferred_username',
    emailClaim: 'email',
    groupsClaim: 'groups',
  }
  const ERIN = {aud: 'holdfast', sub: 'id-of-erin', preferred_username: 'erin', email: 'erin@example.com', groups: ['ops', 7]}
  let issuer: OidcIssuer

  beforeEach(async () => {
    issuer = await startOidcIssuer()
  })
  afterEach(() => issuer.stop())

  const identify = (claims: Readonly<Record<string, unknown>>) =>
    createFederation({
      rules: [],
      providers: [{...CORP, issuer: issuer.url}],
      fetchJson: async (url) => (await fetch(url)).json(),
      now: () => new Date(),
    }).identify(new Secret(issuer.issue(claims)))

  it('stand for the person that they name, with what else they say of him', async () => {
    const person = {name: 'erin', subject: 'id-of-erin', groups: ['ops']}
    assert.deepEqual(await identify(ERIN), {kind: 'person', source: 'corp', person})
    assert.deepEqual(await identify({...ERIN, azp: 'holdfast', email_verified: true}), {
      kind: 'person',
      source: 'corp',
      person: {...person, email: 'erin@example.com'},
    })
  })

  it('give no address that the provider has not verified', async () => {
    for (const verified of [false, undefined, 'true', 1, null]) {
      const identity = await identify({...ERIN, email_verified: verified})
      assert.equal(identity.kind === 'person' && 'email' in identity.person, false, String(verified))
    }
  })

  it('stand for nobody when they were made for another client or name nobody', async () => {
    const wrong = {
      'another audience': {...ERIN, aud: 'console'},
      'another client': {...ERIN, aud: ['holdfast', 'console'], azp: 'console'},
      'no name': {...ERIN, preferred_username: undefined},
      'a name that is no text': {...ERIN, preferred_username: ['erin']},
      'no subject': {...ERIN, sub: undefined},
    }
    for (const [what, claims] of Object.entries(wrong)) assert.equal((await identify(claims)).kind, 'refused', what)
  })

  it('are not taken where keys come over an open line', () => {
    checkProvider({...CORP, issuer: 'https://login.example.com'})
    assert.throws(
      () => checkProvider({...CORP, issuer: 'http://login.example.com'}),
      (error) => hasCode(error, 'CONFIGURATION'),
    )
  })
})
