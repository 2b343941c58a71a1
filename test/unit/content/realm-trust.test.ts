import assert from 'node:assert/strict'
import {decideRealmTrust, type TrustingEndpoint} from '../../../src/lib/content/remote/realm-trust.ts'
import type {RegistryHost} from '../../../src/lib/oci/reference.ts'

type Row = readonly [base: string, realm: string, outcome: 'allowed' | 'anonymous' | 'untrusted', endpoint?: Partial<TrustingEndpoint>]

const decide = (base: string, realm: string, endpoint: Partial<TrustingEndpoint> = {}) =>
  decideRealmTrust(new URL(realm), new URL(base), {registry: new URL(base).host as RegistryHost, ...endpoint})
const registry = (name: string, apiHost?: string): Partial<TrustingEndpoint> => ({
  registry: name as RegistryHost,
  ...(apiHost === undefined ? {} : {apiHost}),
})
const HUB = registry('docker.io', 'registry-1.docker.io')

describe('the token realm that a registry names', () => {
  const rows: readonly Row[] = [
    // Its own host name, on any port, and never from https to http.
    ['https://registry.example', 'https://registry.example/token', 'allowed'],
    ['https://registry.example', 'https://registry.example:8443/token', 'allowed'],
    ['https://registry.example:5000', 'https://registry.example/token', 'allowed'],
    ['https://registry.example', 'http://registry.example/token', 'untrusted'],
    ['http://registry.example', 'http://registry.example:5001/token', 'allowed'],
    ['http://registry.example', 'https://registry.example/token', 'allowed'],
    ['https://registry.example', 'https://registry.example./token', 'anonymous'],
    ['https://registry.example', 'https://registry.example@evil.example/token', 'anonymous'],
    ['https://registry.example', 'https://registry.example.evil.example/token', 'anonymous'],
    ['https://registry.example', 'https://auth.registry.example/token', 'anonymous'],
    ['https://10.1.1.1', 'https://10.1.1.1:8443/token', 'allowed'],
    ['http://127.0.0.1:5000', 'http://127.0.0.1:5001/token', 'allowed'],
    ['https://[::1]:5000', 'https://[::1]:5001/token', 'allowed'],
    ['https://registry-1.docker.io', 'https://docker.io/token', 'allowed', HUB],
    // Pairs that are known.
    ['https://registry-1.docker.io', 'https://auth.docker.io/token', 'allowed', HUB],
    ['https://registry-1.docker.io', 'https://auth.docker.io/token', 'allowed', {...HUB, pinnedHosts: []}],
    ['https://registry-1.docker.io', 'https://auth.docker.io:8443/token', 'anonymous', HUB],
    ['https://registry-1.docker.io', 'https://gitlab.com/jwt/auth', 'anonymous', HUB],
    ['http://registry-1.docker.io', 'http://auth.docker.io/token', 'untrusted', HUB],
    ['https://registry.gitlab.com', 'https://gitlab.com/jwt/auth', 'allowed'],
    ['https://registry.redhat.io', 'https://sso.redhat.com/auth', 'allowed'],
    ['https://registry.digitalocean.com', 'https://api.digitalocean.com/v2/registry/auth', 'allowed'],
    ['https://registry.example', 'https://auth.docker.io/token', 'anonymous'],
    ['https://constructor', 'https://auth.docker.io/token', 'anonymous'],
    // Pinned, or trusted for this registry.
    ['https://registry.example', 'https://auth.example/token', 'anonymous'],
    ['https://registry.example', 'https://auth.example/token', 'anonymous', {pinnedHosts: []}],
    ['https://registry.example', 'https://auth.example/token', 'allowed', {pinnedHosts: ['auth.example']}],
    ['https://registry.example', 'https://auth.example/token', 'allowed', {trustedHosts: ['Auth.Example']}],
    ['https://registry.example', 'https://auth.example/token', 'allowed', {pinnedHosts: [], trustedHosts: ['auth.example:443']}],
    ['https://registry.example', 'https://auth.example:444/token', 'anonymous', {trustedHosts: ['auth.example']}],
    ['https://registry.example', 'http://auth.example/token', 'untrusted', {trustedHosts: ['auth.example', 'auth.example:80']}],
    ['http://registry.example', 'http://auth.example/token', 'untrusted'],
    ['http://registry.example', 'http://auth.example/token', 'allowed', {trustedHosts: ['auth.example']}],
    ['https://registry.example', 'https://10.0.0.1/token', 'allowed', {trustedHosts: ['10.0.0.1']}],
    // Addresses.
    ['https://registry.example', 'https://10.0.0.1/token', 'untrusted'],
    ['https://registry.example', 'https://0xa000001/token', 'untrusted'],
    ['https://registry.example', 'https://[::ffff:10.0.0.1]/token', 'untrusted'],
    ['https://registry.example', 'https://[64:ff9b::a00:1]/token', 'untrusted'],
    ['https://registry.example', 'https://[fd12::1]/token', 'untrusted'],
    ['https://10.1.1.1', 'https://10.1.1.2/token', 'untrusted'],
    ['https://registry.example', 'https://203.0.113.5/token', 'anonymous'],
    ['https://registry.example', 'https://localhost/token', 'untrusted'],
    ['https://registry.example', 'https://[::1]/token', 'untrusted'],
    ['https://registry.example', 'https://a.localhost./token', 'untrusted'],
    ['http://127.0.0.1:5000', 'http://localhost:5001/token', 'anonymous'],
    ['https://registry.example', 'https://2852039166/latest', 'untrusted', {trustedHosts: ['169.254.169.254']}],
    ['http://169.254.169.254', 'http://169.254.169.254/latest', 'untrusted'],
    ['https://registry.example', 'https://[::]/token', 'untrusted', {trustedHosts: ['[::]']}],
    ['https://registry.example', 'https://0.0.0.0/token', 'untrusted'],
    // Other schemes.
    ['https://registry.example', 'file:///etc/passwd', 'untrusted', {trustedHosts: ['']}],
    ['http://registry.example', 'ftp://registry.example/token', 'untrusted'],
  ]
  for (const [base, realm, outcome, endpoint = {}] of rows) {
    const {registry: name, pinnedHosts, trustedHosts} = endpoint
    const more = [
      name === undefined ? [] : [`as ${name}`],
      pinnedHosts === undefined ? [] : [`with [${pinnedHosts.join(', ')}] pinned`],
      trustedHosts === undefined ? [] : [`with [${trustedHosts.join(', ')}] trusted`],
    ].flat()
    it(`${realm} is ${outcome} for ${[base, ...more].join(' ')}`, () => {
      assert.equal(decide(base, realm, endpoint).kind, outcome)
    })
  }

  it('comes with the command that trusts it where something does, and with none where nothing does', () => {
    const commands = (...parameters: Parameters<typeof decide>) => {
      const trust = decide(...parameters)
      return trust.kind === 'allowed' ? undefined : trust.commands
    }
    const variable = 'export HOLDFAST_TRUST_HOST=registry.example:5000=auth.example:8443  # the same, where nothing is kept'
    const [base, realm] = ['https://registry.example:5000', 'https://auth.example:8443/token?x=1']
    assert.deepEqual(commands(base, realm), [
      'holdfast login registry.example:5000 --trust-host auth.example:8443  # if auth.example:8443 belongs to registry.example:5000',
      variable,
    ])
    assert.deepEqual(commands(base, realm, {pinnedHosts: []}), [
      'holdfast registry update registry.example:5000 --trust-host auth.example:8443  # if auth.example:8443 belongs to registry.example:5000',
      variable,
    ])
    for (const hopeless of ['https://$(reboot).example/', 'https://a;reboot/', 'https://`reboot`/', 'https://a&reboot/'])
      assert.deepEqual(commands('https://registry.example', hopeless), [], hopeless)
    for (const hopeless of ['http://registry.example/token', 'https://169.254.169.254/', 'https://localhost/token', 'file:///etc/passwd'])
      assert.deepEqual(commands('https://registry.example', hopeless), [], hopeless)
  })
})
