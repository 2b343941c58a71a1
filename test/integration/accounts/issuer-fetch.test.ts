/** Where an issuer of identity tokens may send the collector for its keys. */
import assert from 'node:assert/strict'
import {isIP} from 'node:net'
import {createIssuerKeys} from '../../../src/lib/accounts/federation/issuer-keys.ts'
import {createIssuerFetch} from '../../../src/lib/cli/issuer-fetch.ts'
import {createReferralGuard} from '../../../src/lib/content/remote/referral-guard.ts'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {createWireClient} from '../../../src/lib/http/wire/client.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {reply, startScriptedRegistry} from '../remote/scripted-registry.ts'

describe('the keys of an issuer', () => {
  const afterwards = cleanUpAfterwards()

  /** Asks an issuer, which is `issuer.test` at these addresses, whose keys are at `keysAt`; answers the reason of the refusal. */
  async function ask(
    addresses: readonly string[],
    keysAt: (port: string) => string,
    table: Readonly<Record<string, readonly string[]>> = {},
  ) {
    const issuer = await startScriptedRegistry((seen, response) => {
      const self = `http://issuer.test:${port}`
      if (seen.url === '/keys') reply(response, 200, {}, {keys: []})
      else reply(response, 200, {}, {issuer: self, jwks_uri: keysAt(port)})
    })
    afterwards(issuer.close)
    const port = issuer.host.split(':')[1] ?? ''
    const names: Readonly<Record<string, readonly string[]>> = {'issuer.test': addresses, ...table}
    const fetchJson = await createIssuerFetch({
      signal: new AbortController().signal,
      httpClients: async (mayConnect) => (endpoint) => {
        const http = createWireClient({
          guard: createReferralGuard(endpoint, mayConnect),
          connectTimeoutMs: 500,
          resolveHost: (name, _options, answer) =>
            answer(
              null,
              (names[name] ?? []).map((address) => ({address, family: isIP(address)})),
            ),
        })
        afterwards(() => http.close())
        return http
      },
    })
    const keys = createIssuerKeys(fetchJson, () => new Date())
    return await keys.find(`http://issuer.test:${port}`, {alg: 'RS256'}).then(
      () => 'found',
      (error: unknown) => (error instanceof HoldfastError && error.cause instanceof Error ? error.cause.message : String(error)),
    )
  }

  it('are read where the issuer is', async () => {
    assert.equal(await ask(['127.0.0.1'], (port) => `http://issuer.test:${port}/keys`), 'found')
  })

  it('are not read at an address that clouds keep secrets at, be it the issuer’s own', async () => {
    assert.match(await ask(['169.254.169.254'], (port) => `http://issuer.test:${port}/keys`), /not among the networks/)
    for (const url of ['https://169.254.169.254/keys', 'https://[fd00:ec2::254]/keys', 'https://metadata.test/keys']) {
      assert.match(await ask(['127.0.0.1'], () => url, {'metadata.test': ['169.254.169.254']}), /not among the networks/, url)
    }
  })

  it('are not read on this machine or inside a network for an issuer that is outside', async () => {
    const outside = ['203.0.113.1']
    const guard = createReferralGuard({registry: 'issuer.test' as never})
    guard.connected?.(new URL('https://issuer.test'), outside[0] ?? '')
    for (const [address, reason] of [
      ['127.0.0.1', /it is this machine/],
      ['10.1.2.3', /inside a private network/],
    ] as const) {
      assert.match(guard.refusal(new URL('https://keys.test'), address)?.reason ?? '', reason)
    }
  })
})
