import assert from 'node:assert/strict'
import fc from 'fast-check'
import {parse} from 'yaml'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {renderNginx} from '../../../src/lib/rendering/nginx.ts'
import {type RegistryConfigValues, renderRegistryConfig} from '../../../src/lib/rendering/registry-config.ts'

const REGISTRY: RegistryConfigValues = {
  version: 2,
  listen: '127.0.0.1:5000',
  storage: '/var/lib/registry',
  httpSecret: 'abc',
  name: 'internal',
  collector: {
    collectorUrl: 'https://registry.example.com',
    eventsUrl: 'http://127.0.0.1:5050',
    service: 'internal',
    issuer: 'holdfast',
    authorityFile: '/etc/holdfast/authority.pem',
    eventsSecret: 'hfe_x',
  },
}

const NGINX = {
  name: 'internal',
  serverName: 'registry.example.com',
  listen: '443 ssl',
  tls: {certificateFile: '/etc/ssl/r.pem', keyFile: '/etc/ssl/r.key'},
  registries: ['127.0.0.1:5000'],
  collector: {addresses: ['127.0.0.1:5050'], eventsFrom: ['127.0.0.1', '10.0.0.0/8']},
  allow: [],
}

describe('the configuration of a registry', () => {
  it('names the collector as its authority and for its notifications', () => {
    assert.partialDeepStrictEqual(parse(renderRegistryConfig(REGISTRY)), {
      version: 0.1,
      storage: {filesystem: {rootdirectory: '/var/lib/registry'}, delete: {enabled: true}},
      auth: {token: {realm: 'https://registry.example.com/token', service: 'internal', issuer: 'holdfast'}},
      notifications: {endpoints: [{url: 'http://127.0.0.1:5050/events/internal', headers: {Authorization: ['Bearer hfe_x']}}]},
    })
    assert.equal(parse(renderRegistryConfig(REGISTRY)).auth.token.signingalgorithms, undefined)
    assert.deepEqual(parse(renderRegistryConfig({...REGISTRY, version: 3})).auth.token.signingalgorithms, ['ES256'])
  })

  it('says what was given and nothing else, or is refused', () => {
    fc.assert(
      fc.property(fc.string({unit: fc.constantFrom('a', '"', "'", '\n', ':', ' ', '#', '{', ';', '\\', '$', '-')}), (text) => {
        let yaml: string
        try {
          yaml = renderRegistryConfig({...REGISTRY, storage: text})
        } catch (error) {
          assert.ok(hasCode(error, 'CONFIGURATION'))
          return
        }
        assert.equal(parse(yaml).storage.filesystem.rootdirectory, text)
      }),
    )
  })
})

describe('the configuration of nginx', () => {
  it('keeps notifications to their networks, sets who asks, and buffers no layer', () => {
    const text = renderNginx(NGINX)
    assert.match(text, /location \/events\/ \{\n\s+allow 127\.0\.0\.1;\n\s+allow 10\.0\.0\.0\/8;\n\s+deny all;/)
    for (const line of ['client_max_body_size 0;', 'proxy_request_buffering off;', 'proxy_set_header X-Forwarded-For $remote_addr;']) {
      assert.ok(text.includes(line), line)
    }
  })

  it('takes no value that could end a directive', () => {
    for (const wrong of ['a; deny all', 'a\n', 'a {', 'a"', "a'", '$host', '', 'a#']) {
      assert.throws(
        () => renderNginx({...NGINX, serverName: wrong}),
        (error) => hasCode(error, 'CONFIGURATION'),
        wrong,
      )
      assert.throws(
        () => renderNginx({...NGINX, allow: [wrong]}),
        (error) => hasCode(error, 'CONFIGURATION'),
        wrong,
      )
    }
  })
})
