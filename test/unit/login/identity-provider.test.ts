/** Where a collector and its identity provider may send a login. */
import assert from 'node:assert/strict'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {type DeviceCode, type DeviceLoginNetwork, findIdentityProvider, logInByDevice} from '../../../src/lib/login/identity-provider.ts'

interface Provider {
  readonly issuer: string
  readonly device_authorization_endpoint?: string
  readonly token_endpoint?: string
  readonly verification_uri?: string
  readonly verification_uri_complete?: string
}

const HTTPS: Provider = {issuer: 'https://id.example.com'}

describe('a login at an identity provider', () => {
  /** Logs in at a collector whose provider is that; answers what was asked for, in order. */
  async function logIn(
    collector: string,
    provider: Provider,
    device: object = {},
    tokenAnswers: readonly object[] = [{id_token: 'a token'}],
  ) {
    const asked: string[] = []
    const slept: number[] = []
    let tokens = 0
    const {issuer, verification_uri: page = `${issuer}/device`, verification_uri_complete: complete} = provider
    const answers: Readonly<Record<string, object>> = {
      [`${collector}/.well-known/identity-providers`]: {identityProviders: [{name: 'corp', issuer, clientId: 'c', scopes: []}]},
      [`${issuer}/.well-known/openid-configuration`]: {
        device_authorization_endpoint: `${issuer}/begin`,
        token_endpoint: `${issuer}/token`,
        ...provider,
      },
      [provider.device_authorization_endpoint ?? `${issuer}/begin`]: {
        device_code: 'secret',
        user_code: 'ABCD',
        verification_uri: page,
        expires_in: 5,
        interval: 1,
        ...device,
        ...(complete === undefined ? {} : {verification_uri_complete: complete}),
      },
    }
    const tokenEndpoint = provider.token_endpoint ?? `${issuer}/token`
    const request: DeviceLoginNetwork['request'] = async ({url}) => {
      asked.push(url.href)
      if (url.href !== tokenEndpoint) return {status: 200, headers: {}, json: answers[url.href]}
      const json = tokenAnswers[Math.min(tokens++, tokenAnswers.length - 1)] ?? {}
      return {status: 'id_token' in json ? 200 : 400, headers: {}, json}
    }
    const sleep = async (ms: number): Promise<void> => void slept.push(ms)
    const codes: DeviceCode[] = []
    let shown = 0
    const offer = await findIdentityProvider(new URL(collector), undefined, {request})
    const show = (code: DeviceCode): void => {
      shown++
      codes.push(code)
    }
    const result = logInByDevice(offer, show, {request, sleep})
    return {result, asked, slept, codes, shown: () => shown}
  }

  for (const [what, collector, provider] of [
    ['https', 'https://c.example.com', HTTPS],
    ['https from a collector of this machine', 'http://127.0.0.1:5050', HTTPS],
    ['this machine, from a collector of this machine', 'http://127.0.0.1:5050', {issuer: 'http://localhost:9000'}],
    ['https on another host for one of its endpoints', 'https://c.example.com', {...HTTPS, token_endpoint: 'https://other.example.com/t'}],
  ] as const) {
    it(`goes by ${what}`, async () => {
      const {result, shown} = await logIn(collector, provider)
      assert.equal((await result).reveal(), 'a token')
      assert.equal(shown(), 1)
    })
  }

  for (const [what, collector, provider, requests] of [
    ['an issuer on plain http', 'https://c.example.com', {issuer: 'http://id.example.com'}, 1],
    ['an issuer on plain http, from a collector of this machine', 'http://127.0.0.1:5050', {issuer: 'http://id.example.com'}, 1],
    ['an issuer on this machine, from a collector that is elsewhere', 'https://c.example.com', {issuer: 'http://127.0.0.1:9000'}, 1],
    ['an issuer that is not on the web', 'https://c.example.com', {issuer: 'file:///etc'}, 1],
    ['a token endpoint on plain http', 'https://c.example.com', {...HTTPS, token_endpoint: 'http://id.example.com/t'}, 2],
    ['a token endpoint on this machine', 'https://c.example.com', {...HTTPS, token_endpoint: 'http://localhost/t'}, 2],
    ['a device endpoint on plain http', 'https://c.example.com', {...HTTPS, device_authorization_endpoint: 'http://id.example.com/t'}, 2],
    ['a page for the code on plain http', 'https://c.example.com', {...HTTPS, verification_uri: 'http://id.example.com/d'}, 3],
    ['a script for a page', 'https://c.example.com', {...HTTPS, verification_uri_complete: 'javascript:alert(1)'}, 3],
  ] as const) {
    it(`is sent nowhere, and shows nothing, for ${what}`, async () => {
      const {result, asked, shown} = await logIn(collector, provider)
      await assert.rejects(
        result,
        (error) => hasCode(error, 'UNTRUSTED_HOST') && /is not behind https; nothing was kept/.test(error.message),
      )
      assert.deepEqual([asked.length, shown()], [requests, 0], asked.join())
    })
  }

  it('asks at intervals of a second to a minute, whatever the provider wants', async () => {
    for (const [interval, expected] of [
      [0.000_001, 1_000],
      [1e15, 60_000],
      [-1, 5_000],
      ['x', 5_000],
      [7, 7_000],
    ] as const) {
      const {result, slept} = await logIn('https://c.example.com', HTTPS, {interval, expires_in: 1e15})
      await result
      assert.deepEqual(slept, [expected], String(interval))
    }
  })

  it('gives up after half an hour at most, though the provider’s code is good for ever', async () => {
    const {result, slept, codes} = await logIn('https://c.example.com', HTTPS, {interval: 5, expires_in: 1e300}, [
      {error: 'slow_down'},
      {error: 'slow_down'},
      ...Array.from({length: 20}, () => ({error: 'slow_down'})),
      {error: 'authorization_pending'},
    ])
    await assert.rejects(result, (error) => hasCode(error, 'TIMEOUT'))
    assert.equal(codes[0]?.expiresInSeconds, 1_800)
    assert.ok(Math.max(...slept) <= 60_000, String(Math.max(...slept)))
    const total = slept.reduce((sum, ms) => sum + ms, 0)
    assert.ok(total >= 1_740_000 && total <= 1_860_000, String(total))
  })
})
