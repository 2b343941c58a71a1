import assert from 'node:assert/strict'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {createProxyRule} from '../../../src/lib/http/proxy-rule.ts'

const PROXY = 'http://proxy.test:3128'

const isProxied = (noProxy: string, url: string): boolean =>
  createProxyRule({HTTP_PROXY: PROXY, HTTPS_PROXY: PROXY, NO_PROXY: noProxy})(new URL(url)) !== undefined

describe('the proxy rule', () => {
  it('has one proxy for each scheme, and the lower-case variable wins', () => {
    const rule = createProxyRule({HTTP_PROXY: 'http://a', http_proxy: 'http://b', HTTPS_PROXY: 'c:8080'})
    assert.equal(rule(new URL('http://registry.test'))?.host, 'b')
    assert.equal(rule(new URL('https://registry.test'))?.host, 'c:8080')
    assert.equal(createProxyRule({HTTP_PROXY: 'http://a'})(new URL('https://registry.test')), undefined)
  })

  for (const [noProxy, url, expected] of [
    ['', 'https://registry.test/', true],
    ['*', 'https://registry.test/', false],
    ['registry.test', 'https://registry.test/', false],
    ['registry.test', 'https://a.registry.test/', false],
    ['.registry.test', 'https://a.registry.test/', false],
    ['*.registry.test', 'https://a.registry.test/', false],
    ['registry.test', 'https://evilregistry.test/', true],
    ['REGISTRY.test', 'https://registry.test./', false],
    ['other.test, registry.test', 'https://registry.test/', false],
    ['registry.test:5000', 'https://registry.test:5000/', false],
    ['registry.test:5000', 'https://registry.test/', true],
    ['registry.test:443', 'https://registry.test/', false],
    ['10.0.0.0/8', 'http://10.1.2.3/', false],
    ['10.0.0.0/8', 'http://11.1.2.3/', true],
    ['10.0.0.0/8', 'http://[::ffff:10.1.2.3]/', false],
    ['::ffff:10.0.0.0/104', 'http://10.1.2.3/', false],
    ['10.1.2.3', 'http://[::ffff:a01:203]/', false],
    ['::ffff:10.1.2.3', 'http://10.1.2.3/', false],
    ['10.1.2.3', 'http://0x0a010203/', false],
    ['2001:db8::/32', 'http://[2001:db8::1]/', false],
    ['2001:db8:0::1', 'http://[2001:db8::1]/', false],
    ['[2001:db8::1]:80', 'http://[2001:db8::1]/', false],
    ['2001:db8::/32', 'http://[2001:db9::1]/', true],
    ['1.2.3', 'http://10.1.2.3/', true],
    ['', 'http://localhost:5000/', false],
    ['', 'http://a.localhost/', false],
    ['', 'http://127.8.9.1/', false],
    ['', 'http://[::1]/', false],
    ['', 'http://[::ffff:127.0.0.1]/', false],
    ['', 'http://127.example.com/', true],
    ['<-loopback>', 'http://127.0.0.1/', true],
  ] as const) {
    it(`${expected ? 'proxies' : 'does not proxy'} ${url} with NO_PROXY="${noProxy}"`, () =>
      assert.equal(isProxied(noProxy, url), expected))
  }

  it('refuses what is no proxy URL without showing it, since it may hold a password', () => {
    assert.throws(
      () => createProxyRule({HTTPS_PROXY: 'socks5://user:canary@host'}),
      (error) =>
        hasCode(error, 'CONFIGURATION') &&
        error.message.includes('HTTPS_PROXY') &&
        !JSON.stringify([error.message, error.hints]).includes('canary'),
    )
  })
})
