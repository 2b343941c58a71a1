import assert from 'node:assert/strict'
import {once} from 'node:events'
import {json} from 'node:stream/consumers'
import type {CredentialLookup} from '../../../src/lib/content/remote/endpoint.ts'
import {parseRegistryHost} from '../../../src/lib/oci/reference.ts'
import {checkRegistry} from '../../../src/lib/registries/check.ts'
import {type TransportSettings, undeclaredEndpoint} from '../../../src/lib/registries/endpoint.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {type CertificateAuthority, createCertificateAuthority, createSelfSignedCertificate} from '../../support/certificates.ts'
import {type DockerRegistryOptions, startDockerRegistry} from '../../support/docker-registry.ts'
import {needs} from '../../support/required-program.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {startTokenServer} from '../../support/token-server.ts'
import {account, openHttp, statuses, step} from './registry-fixture.ts'

const ALL_OK = {dns: 'ok', tcp: 'ok', tls: 'ok', api: 'ok', auth: 'ok', pull: 'ok', push: 'ok', digest: 'ok', delete: 'ok'}

describe('checking a registry', () => {
  needs('docker-registry', 'openssl', 'htpasswd')
  const afterwards = cleanUpAfterwards()
  let directory: string
  let authority: CertificateAuthority

  before(async () => {
    const temporary = await createTemporaryDirectory('check')
    afterwards(temporary.remove)
    directory = temporary.path
    authority = await createCertificateAuthority(`${directory}/ca`)
  })

  async function start(options: DockerRegistryOptions = {}) {
    const registry = await startDockerRegistry(options)
    afterwards(registry.stop)
    return registry
  }

  async function check(text: string, settings: TransportSettings = {}, credentials?: CredentialLookup, proxyFor?: () => URL) {
    const host = parseRegistryHost(text)
    const endpoint = await undeclaredEndpoint(host, settings)
    return checkRegistry(endpoint, {host, name: 'internal', isDeclared: true}, {openHttp, credentials, proxyFor})
  }

  it('passes every step of a registry that may be used, and leaves nothing in it', async () => {
    const registry = await start({tls: await authority.issue('server')})
    const result = await check(registry.host, {caFile: authority.caFile})
    assert.deepEqual(statuses(result), ALL_OK)
    assert.equal(result.ok, true)
    assert.match(step(result, 'tls').detail, /"CN=server", issued by "CN=Holdfast test authority"/)
    assert.equal(step(result, 'api').detail, 'registry/2.0')
    const catalog = await fetchJson(`${registry.url}/v2/_catalog`)
    assert.deepEqual(catalog, {repositories: []})
  })

  it('says that plain HTTP has no certificate', async () => {
    const {host} = await start()
    assert.equal(step(await check(host), 'tls').detail, 'plain HTTP, which is allowed on loopback')
    assert.deepEqual(statuses(await check(host, {plainHttp: true})), {...ALL_OK, tls: 'skipped'})
  })

  it('tells a name that is not there, and tries nothing after it', async () => {
    const result = await check('registry.invalid')
    assert.equal(result.ok, false)
    assert.deepEqual(new Set(Object.values(statuses(result)).slice(1)), new Set(['skipped']))
    assert.deepEqual(step(result, 'dns').code, 'NETWORK')
    assert.deepEqual(step(result, 'dns').hints, ['getent hosts registry.invalid'])
  })

  it('tells a port where nothing listens', async () => {
    const gone = await start()
    await gone.kill()
    const result = await check(gone.host)
    assert.deepEqual(step(result, 'tcp').status, 'failed')
    assert.match(step(result, 'tcp').detail, /nothing listens there/)
    assert.equal(step(result, 'tls').status, 'skipped')
  })

  it('names the certificate at fault: self-signed, unknown authority, expired, other host', async () => {
    const cases = [
      {tls: await createSelfSignedCertificate(`${directory}/self`), settings: {}, reason: /signs itself.*"CN=localhost"/},
      {
        tls: await authority.issue('unknown'),
        settings: {},
        reason: /authority that is not trusted here.*issued by "CN=Holdfast test authority"/,
      },
      {
        tls: await authority.issue('expired', {expired: true}),
        settings: {caFile: authority.caFile},
        reason: /expired.*"CN=expired".*to 2020-01-01/,
      },
      {
        tls: await authority.issue('other', {names: 'DNS:other.example.com'}),
        settings: {caFile: authority.caFile},
        reason: /for DNS:other\.example\.com, not for 127\.0\.0\.1/,
      },
    ]
    for (const {tls, settings, reason} of cases) {
      const {host} = await start({tls})
      const result = await check(host, settings)
      const {status, detail, hints, code} = step(result, 'tls')
      assert.equal(status, 'failed', String(reason))
      assert.equal(code, 'TLS')
      assert.match(detail, reason)
      assert.ok(hints.some((hint) => hint === 'holdfast registry update internal --insecure'))
      assert.equal(step(result, 'api').status, 'skipped')
      assert.deepEqual(statuses(await check(host, {...settings, insecure: true})), ALL_OK, 'with checks off')
    }
  })

  it('tells missing, wrong and right credentials of Basic apart', async () => {
    const {host} = await start({htpasswd: {username: 'alice', password: 'canary-secret'}})
    const missing = step(await check(host), 'auth')
    assert.equal(missing.code, 'UNAUTHENTICATED')
    assert.ok(missing.hints.includes(`docker login ${host}`))
    const wrong = await check(host, {}, account('alice', 'canary-wrong'))
    assert.equal(step(wrong, 'auth').code, 'UNAUTHENTICATED')
    assert.ok(!JSON.stringify(wrong).includes('canary'))
    const right = await check(host, {}, account('alice', 'canary-secret'))
    assert.deepEqual(statuses(right), ALL_OK)
    assert.equal(step(right, 'auth').detail, 'basic, as alice')
  })

  it('tells what a token allows', async () => {
    const tokens = await startTokenServer({
      directory: `${directory}/tokens`,
      users: {reader: 'canary-secret', writer: 'canary-secret'},
      allow: (user, _repository, actions) =>
        user === 'writer' ? actions : user === 'reader' ? actions.filter((action) => action === 'pull') : [],
    })
    afterwards(tokens.stop)
    const {host} = await start({token: tokens.registryOptions})
    const reader = await check(host, {}, account('reader', 'canary-secret'))
    assert.deepEqual(statuses(reader), {...ALL_OK, push: 'failed', digest: 'skipped', delete: 'failed'})
    assert.equal(step(reader, 'push').code, 'DENIED')
    assert.match(step(reader, 'auth').detail, /bearer, as reader, realm http:/)
    assert.deepEqual(statuses(await check(host, {}, account('writer', 'canary-secret'))), ALL_OK)
  })

  it('tells that deleting is switched off, and how to switch it on', async () => {
    const {host} = await start({delete: false})
    const result = await check(host)
    assert.deepEqual(statuses(result), {...ALL_OK, delete: 'failed'})
    assert.equal(step(result, 'delete').code, 'UNSUPPORTED')
    assert.match(step(result, 'delete').hints[0] ?? '', /DELETE_ENABLED=true/)
  })

  it('tells that a registry is read-only', async () => {
    const {host} = await start({readonly: true})
    const result = await check(host)
    assert.equal(step(result, 'push').code, 'UNSUPPORTED')
    assert.equal(step(result, 'digest').status, 'skipped')
  })

  it('leaves name, port and certificate to a proxy', async () => {
    const {host} = await start()
    const result = await check(host, {plainHttp: true}, undefined, () => new URL('http://proxy.example.com:3128'))
    assert.deepEqual(
      ['dns', 'tcp', 'tls'].map((name) => statuses(result)[name]),
      ['skipped', 'skipped', 'skipped'],
    )
    assert.match(step(result, 'dns').detail, /proxy\.example\.com:3128/)
    assert.equal(step(result, 'api').status, 'ok')
  })
})

/** Without a check of the certificate, which is not what is looked at here. */
async function fetchJson(url: string): Promise<unknown> {
  const {get} = await import('node:https')
  const [response] = await once(get(url, {rejectUnauthorized: false}), 'response')
  return await json(response)
}
