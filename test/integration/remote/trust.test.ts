import assert from 'node:assert/strict'
import {randomBytes} from 'node:crypto'
import {CollectingSink} from '../../../src/lib/content/read-bytes.ts'
import type {RegistryEndpoint} from '../../../src/lib/content/remote/endpoint.ts'
import {assertTrusted, type Referral} from '../../../src/lib/content/remote/trust.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import type {RegistryHost} from '../../../src/lib/oci/reference.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {type Answer, REPOSITORY, reply, type ScriptedRegistry, sourceOf, startScriptedRegistry, storeFor} from './scripted-registry.ts'

const BYTES = randomBytes(5000)
const BLOB = {digest: digestOf(BYTES), size: BYTES.length}
const ALICE = {credentials: async () => ({kind: 'basic', username: 'alice', password: 'pw'}) as const}
const isUntrusted = (error: unknown) => hasCode(error, 'UNTRUSTED_HOST')

describe('where a registry may send us', () => {
  const endpoint = (pinnedHosts?: readonly string[]): RegistryEndpoint => ({
    registry: 'registry.example' as RegistryHost,
    plainHttp: 'never',
    tls: {},
    capabilities: {},
    ...(pinnedHosts === undefined ? {} : {pinnedHosts}),
  })

  for (const [base, target, referral, pinned, accepted] of [
    ['https://registry.example', 'https://a.localhost./b', 'redirect', undefined, false],
    ['https://registry.example', 'https://127.0.0.1/b', 'redirect', undefined, false],
    ['https://registry.example', 'https://2852039166/b', 'redirect', undefined, false],
    ['https://registry.example', 'https://169.254.169.254./b', 'redirect', ['169.254.169.254'], false],
    ['https://registry.example', 'https://[64:ff9b::a9fe:a9fe]/b', 'redirect', undefined, false],
    ['https://registry.example', 'https://0.0.0.0/b', 'redirect', undefined, false],
    ['https://registry.example', 'file:///etc/passwd', 'redirect', undefined, false],
    ['http://127.0.0.1:5000', 'http://127.0.0.1:5001/b', 'redirect', undefined, true],
    ['http://127.0.0.1:5000', 'http://localhost:5001/b', 'redirect', undefined, true],
    ['https://registry.example', 'https://storage.example/b', 'redirect', [], false],
    ['https://registry.example', 'https://storage.example/b', 'redirect', undefined, true],
    ['https://registry.example', 'http://storage.example/b', 'redirect', undefined, false],
    ['https://registry.example', 'https://storage.example/b', 'upload location', undefined, false],
    ['https://registry.example', 'https://storage.example/b', 'upload location', ['storage.example'], true],
  ] as readonly (readonly [string, string, Referral, readonly string[] | undefined, boolean])[]) {
    const pins = pinned === undefined ? 'undeclared' : `with ${pinned.join(', ') || 'nothing'} pinned`
    it(`${accepted ? 'may' : 'may not'} be ${target} as the ${referral} of ${base}, ${pins}`, () => {
      const check = () => assertTrusted(new URL(target), new URL(base), endpoint(pinned), referral)
      if (accepted) check()
      else assert.throws(check, isUntrusted)
    })
  }

  it('is named in a hint that pins it, and never with its query', () => {
    assert.throws(
      () => assertTrusted(new URL('https://s.example/x?sig=canary'), new URL('https://registry.example'), endpoint([]), 'redirect'),
      (error) => {
        assert.ok(hasCode(error, 'UNTRUSTED_HOST'))
        assert.match(error.hints.join(), /^holdfast registry update registry\.example --trust-host s\.example /)
        assert.ok(!JSON.stringify([error.message, error.hints, error.details]).includes('canary'))
        return true
      },
    )
  })
})

describe('a registry that sends us elsewhere', () => {
  const afterwards = cleanUpAfterwards()
  const start = async (answer: Answer): Promise<ScriptedRegistry> => {
    const registry = await startScriptedRegistry(answer)
    afterwards(registry.close)
    return registry
  }
  const open = (...parameters: Parameters<typeof storeFor>) => {
    const opened = storeFor(...parameters)
    afterwards(opened.close)
    return opened.store
  }

  it('gets no credential to its storage, nor one back when storage redirects home', async () => {
    const registry = await start(({url, headers}, response) => {
      if (headers.authorization === undefined && !url.includes('back')) return reply(response, 401, {'www-authenticate': 'Basic realm="r"'})
      if (url.includes('back')) return reply(response, 200, {}, BYTES)
      reply(response, 307, {location: `${storage.url}/signed?sig=x`})
    })
    const storage = await start((_seen, response) => reply(response, 307, {location: `${registry.url}/back`}))
    const sink = new CollectingSink()
    await open(registry.host, ALICE).readBlob(REPOSITORY, BLOB, sink)
    assert.ok(sink.bytes().equals(BYTES))
    assert.deepEqual(
      storage.seen.map(({headers}) => headers.authorization),
      [undefined],
    )
    assert.equal(registry.seen.at(-1)?.url, '/back')
    assert.equal(registry.seen.at(-1)?.headers.authorization, undefined)
  })

  it('is not followed in circles', async () => {
    const registry = await start((_seen, response) => reply(response, 302, {location: '/again'}))
    await assert.rejects(open(registry.host).readManifest(REPOSITORY, BLOB.digest), (error) => hasCode(error, 'NETWORK'))
    assert.equal(registry.seen.length, 6)
  })

  it('gets no token request to a realm that is not pinned, and the password nowhere', async () => {
    const evil = await start((_seen, response) => reply(response, 200, {}, {token: 't'}))
    const realm = evil.url.replace('127.0.0.1', 'localhost')
    const registry = await start((_seen, response) =>
      reply(response, 401, {'www-authenticate': `Bearer realm="${realm}/token",service="s"`}),
    )
    await assert.rejects(open(registry.host, ALICE, {pinnedHosts: []}).statBlob(REPOSITORY, BLOB.digest), isUntrusted)
    assert.equal(evil.seen.length, 0)
    assert.ok(registry.seen.every(({headers}) => headers.authorization === undefined))
  })

  it('gets no upload to a location elsewhere unless it is pinned, and then without the credential', async () => {
    const storage = await start((_seen, response) => reply(response, 201))
    const registry = await start(({method, headers}, response) => {
      if (headers.authorization === undefined) return reply(response, 401, {'www-authenticate': 'Basic realm="r"'})
      if (method === 'HEAD') return reply(response, 404)
      reply(response, 202, {location: `${storage.url}/up`})
    })
    await assert.rejects(open(registry.host, ALICE).writeBlob(REPOSITORY, BLOB, sourceOf(BYTES).source), isUntrusted)
    assert.equal(storage.seen.length, 0)
    const pinned = open(registry.host, ALICE, {pinnedHosts: [storage.host]})
    assert.equal(await pinned.writeBlob(REPOSITORY, BLOB, sourceOf(BYTES).source), 'uploaded')
    assert.equal(storage.seen[0]?.headers.authorization, undefined)
    assert.ok(storage.seen[0]?.body.equals(BYTES))
  })

  it('gets no request for a next page elsewhere', async () => {
    const evil = await start((_seen, response) => reply(response, 200, {}, {tags: ['evil']}))
    const registry = await start(({url}, response) =>
      url.startsWith('/v2/x/')
        ? reply(response, 200, {}, {tags: ['good2']})
        : reply(response, 200, {link: `<${evil.url}/v2/x/tags/list>; rel="next"`}, {tags: ['good']}),
    )
    const found: string[] = []
    for await (const tag of open(registry.host).listTags(REPOSITORY)) found.push(tag)
    assert.deepEqual([found, evil.seen.length], [['good', 'good2'], 0])
  })

  it('is never asked for what a 401 of its storage wants', async () => {
    const storage = await start((_seen, response) => reply(response, 401, {'www-authenticate': 'Basic realm="r"'}))
    const registry = await start((_seen, response) => reply(response, 307, {location: `${storage.url}/b`}))
    await assert.rejects(open(registry.host, ALICE).readBlob(REPOSITORY, BLOB, new CollectingSink()), (error) =>
      hasCode(error, 'UNAUTHENTICATED'),
    )
    assert.deepEqual(
      storage.seen.map(({headers}) => headers.authorization),
      [undefined],
    )
  })
})
