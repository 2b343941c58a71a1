import assert from 'node:assert/strict'
import {assertPortsDiffer, type DoorFlags, nginxDoor} from '../../../src/lib/cli/nginx-door.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'

const TLS = {'tls-cert': '/m.pem', 'tls-key': '/m.key'}

const door = (url: string | undefined, flags: DoorFlags = {}, isBehindProxy = false) =>
  nginxDoor(flags, {url: url === undefined ? undefined : new URL(url), isBehindProxy, proxyHint: '--trusted-proxy 10.0.0.7'})

describe('where nginx listens', () => {
  for (const [url, flags, isBehindProxy, listen, port, scheme] of [
    ['https://m', TLS, false, '443 ssl', 443, 'https'],
    ['https://m:5443', TLS, false, '5443 ssl', 5443, 'https'],
    ['http://m', {}, false, '80', 80, 'http'],
    ['http://m:8080', {}, false, '8080', 8080, 'http'],
    // Another proxy has the port of the URL, and perhaps its certificate.
    ['https://m:5443', {}, true, '80', 80, 'https'],
    ['https://m:5443', TLS, true, '443 ssl', 443, 'https'],
    ['https://m', {...TLS, 'nginx-listen': '127.0.0.1:8443'}, false, '127.0.0.1:8443 ssl', 443, 'https'],
    ['https://m', {...TLS, 'nginx-listen': '8443'}, false, '8443 ssl', 443, 'https'],
    ['https://m', {...TLS, 'nginx-listen': '8443'}, true, '8443 ssl', 443, 'https'],
    ['https://m', {...TLS, 'nginx-listen': '10.0.0.1'}, false, '10.0.0.1:443 ssl', 443, 'https'],
    ['https://m', {...TLS, 'nginx-listen': '[2001:db8::1]:8443'}, false, '[2001:db8::1]:8443 ssl', 443, 'https'],
    ['https://m', {...TLS, 'nginx-listen': '2001:db8::1'}, false, '[2001:db8::1]:443 ssl', 443, 'https'],
    ['http://m', {'nginx-listen': '10.0.0.1'}, false, '10.0.0.1:80', 80, 'http'],
    ['http://m', {'nginx-listen': 'localhost:8080'}, false, 'localhost:8080', 80, 'http'],
    ['https://m', {'nginx-listen': '127.0.0.1:8080'}, true, '127.0.0.1:8080', 80, 'https'],
    [undefined, {}, false, '80', 80, undefined],
    [undefined, TLS, false, '443 ssl', 443, undefined],
  ] as const) {
    it(`is ${listen} for ${url} with ${Object.keys(flags).join(', ') || 'no flag'}${isBehindProxy ? ', behind a proxy' : ''}`, () => {
      assert.partialDeepStrictEqual(door(url, flags, isBehindProxy), {listen, port, scheme})
    })
  }

  it('is nowhere for https that nothing speaks, or a certificate that nothing uses', () => {
    for (const [url, flags] of [
      ['https://m', {}],
      ['https://m:5000', {'nginx-listen': '80'}],
      ['http://m', TLS],
      ['http://m', {'nginx-listen': '443 ssl'}],
      [undefined, {'nginx-listen': '443 ssl'}],
    ] as const)
      assert.throws(
        () => door(url, flags),
        (error) => hasCode(error, 'USAGE') && error.hints.length > 0,
        `${url} ${JSON.stringify(flags)}`,
      )
  })

  it('is a port or an address, and nothing else that nginx would read', () => {
    for (const text of ['443 ssl', 'unix:/run/nginx.sock', '*:80', '0', '70000', '10.0.0:80', '10.0.0.1:0', '80:90', '80;', '']) {
      assert.throws(
        () => door('https://m', {...TLS, 'nginx-listen': text}),
        (error) => hasCode(error, 'USAGE') && error.hints[0] === '--nginx-listen 443',
        text,
      )
    }
    assert.throws(
      () => door('https://m', {...TLS, 'nginx-listen': '8443 ssl http2'}),
      (error) => hasCode(error, 'USAGE') && error.hints[0] === '--nginx-listen 8443',
    )
    assert.throws(
      () => door(undefined, {'nginx-listen': '443 ssl'}),
      (error) => hasCode(error, 'USAGE') && error.hints[0] === '--nginx-listen 443 --tls-cert FILE --tls-key FILE',
    )
  })

  it('is another port than that of what is behind it', () => {
    assert.throws(
      () => assertPortsDiffer(door('http://m:5001'), ['127.0.0.1:5000', '127.0.0.1:5001']),
      (error) => hasCode(error, 'USAGE') && error.hints[0] === '--listen 127.0.0.1:5002',
    )
    assertPortsDiffer(door('http://m:5002'), ['127.0.0.1:5000', '127.0.0.1:5001'])
    // On another address of the machine.
    assertPortsDiffer(door('http://m:5000', {'nginx-listen': '10.0.0.1:5000'}), ['127.0.0.1:5000'])
  })
})
