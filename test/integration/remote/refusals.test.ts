/** What a status means, whoever answers it: the error says what can be done, and "holdfast login" where that can help. */
import assert from 'node:assert/strict'
import {CollectingSink} from '../../../src/lib/content/read-bytes.ts'
import {type ErrorCode, HoldfastError} from '../../../src/lib/core/errors.ts'
import {requestJson} from '../../../src/lib/http/json-client.ts'
import {createWireClient} from '../../../src/lib/http/wire/client.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {type Answer, REPOSITORY, reply, sourceOf, startScriptedRegistry, storeFor, TAG} from './scripted-registry.ts'

const BYTES = Buffer.from('the bytes of a blob')
const BLOB = {digest: digestOf(BYTES), size: BYTES.length}
const CREDENTIALS = async () => ({kind: 'basic', username: 'alice', password: 'a long password 1'}) as const

describe('a refusal', () => {
  const afterwards = cleanUpAfterwards()
  const start = async (answer: Answer) => {
    const registry = await startScriptedRegistry(answer)
    afterwards(registry.close)
    return registry
  }
  const open = (...parameters: Parameters<typeof storeFor>) => {
    const opened = storeFor(...parameters)
    afterwards(opened.close)
    return opened.store
  }
  const failure = async (work: Promise<unknown>): Promise<HoldfastError> => {
    const error = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    assert.ok(error instanceof HoldfastError, String(error))
    return error
  }

  /** A registry that takes no token of its endpoint, which explains why. */
  const explaining = () =>
    start((seen, response) => {
      if (seen.url.startsWith('/token')) {
        const explanation = 'alice needs the privilege Manager to push at the root of "team", or may push below users/alice/'
        const remedies = ['holdfast privilege grant Manager alice']
        const refusals = [{scope: 'repository:team/app:push', rule: 'U9', explanation, remedies, below: 'users/alice'}]
        return reply(response, 200, {'content-type': 'application/json'}, {token: 'abc', refusals})
      }
      const challenge = `Bearer realm="http://${seen.headers.host}/token",service="team",scope="repository:team/app:pull,push"`
      return reply(response, 401, {'www-authenticate': seen.headers.authorization ? `${challenge},error="insufficient_scope"` : challenge})
    })

  it('of a collector of ours names the rule and the remedy, with a password and with an identity token', async () => {
    for (const credentials of [CREDENTIALS, async () => ({kind: 'identity-token', token: 'an identity token'}) as const]) {
      const registry = await explaining()
      const asked: string[] = []
      const isOwnCollector = async (realm: URL) => asked.push(realm.href) > 0
      const store = open(registry.host, {credentials, isOwnCollector})
      const error = await failure(store.writeBlob(REPOSITORY, BLOB, sourceOf(BYTES).source))
      assert.equal(error.code, 'DENIED')
      assert.match(
        error.message,
        /by rule U9, alice needs the privilege Manager to push at the root of "team", or may push below users\/alice\/$/,
      )
      assert.deepEqual(error.hints, ['holdfast privilege grant Manager alice'])
      assert.partialDeepStrictEqual(error.details, {rule: 'U9', below: 'users/alice'})
      assert.ok(asked.every((realm) => realm === `${registry.url}/token`))
      assert.deepEqual(
        [...new Set(registry.seen.map(({url}) => new URL(url, registry.url).pathname))].filter((path) => !path.startsWith('/v2/')),
        ['/token'],
      )
    }
  })

  it('of any other token endpoint shows nothing that it recommends', async () => {
    for (const isOwnCollector of [undefined, async () => false]) {
      const registry = await explaining()
      const error = await failure(
        open(registry.host, {credentials: CREDENTIALS, isOwnCollector}).writeBlob(REPOSITORY, BLOB, sourceOf(BYTES).source),
      )
      assert.equal(error.code, 'DENIED')
      assert.doesNotMatch(error.message, /Manager/)
      assert.deepEqual(error.hints, [`holdfast login ${registry.host}`, `docker login ${registry.host}`])
    }
  })

  const MEANINGS: readonly (readonly [status: number, code: ErrorCode, said: RegExp])[] = [
    [400, 'UNSUPPORTED', /from any account/],
    [402, 'UNSUPPORTED', /from any account/],
    [406, 'UNSUPPORTED', /from any account/],
    [407, 'CONFIGURATION', /a proxy before it wants credentials/],
    [408, 'TIMEOUT', /waited too long/],
    [411, 'UNSUPPORTED', /length/],
    [413, 'UNSUPPORTED', /a proxy before it, or itself, limits the size of a request \(client_max_body_size in nginx\)/],
    [414, 'UNSUPPORTED', /URL is too long/],
    [415, 'UNSUPPORTED', /media type/],
    [418, 'UNSUPPORTED', /from any account/],
    [421, 'UNSUPPORTED', /leads to another server/],
    [423, 'UNSUPPORTED', /from any account/],
    [425, 'REGISTRY_UNAVAILABLE', /early/],
    [507, 'REGISTRY_UNAVAILABLE', /; it has no space left$/],
    [426, 'UNSUPPORTED', /wants another protocol: TLS\/1\.3/],
    [428, 'UNSUPPORTED', /condition/],
    [431, 'UNSUPPORTED', /headers are too large/],
    [451, 'UNSUPPORTED', /from any account/],
    [501, 'UNSUPPORTED', /answered 501/],
    [505, 'UNSUPPORTED', /answered 505/],
  ]
  for (const [status, code, said] of MEANINGS) {
    it(`with ${status} is ${code}, and no matter of a login`, async () => {
      const registry = await start((_seen, response) => reply(response, status, status === 426 ? {upgrade: 'TLS/1.3'} : {}))
      const error = await failure(open(registry.host, {credentials: CREDENTIALS}).readManifest(REPOSITORY, TAG))
      assert.equal(error.code, code, error.message)
      assert.match(error.message, said)
      assert.equal(error.details.httpStatus, status)
      assert.ok(!error.hints.join().includes('login'), error.hints.join())
    })
  }

  it('in the words of the specification keeps its meaning', async () => {
    const registry = await start((_seen, response) =>
      reply(response, 400, {}, {errors: [{code: 'MANIFEST_INVALID', message: 'no layers'}]}),
    )
    const error = await failure(open(registry.host).readManifest(REPOSITORY, TAG))
    assert.equal(error.code, 'INVALID_MANIFEST')
    assert.match(error.message, /answered 400 MANIFEST_INVALID \(no layers\)$/)
  })

  for (const [what, header] of [
    ['without a challenge', undefined],
    ['with a challenge of another kind', 'Negotiate'],
    ['with Bearer and no realm', 'Bearer service="x"'],
  ] as const) {
    it(`with 401 ${what} does not blame the credentials`, async () => {
      const registry = await start((_seen, response) => reply(response, 401, header === undefined ? {} : {'www-authenticate': header}))
      for (const credentials of [CREDENTIALS, undefined]) {
        const error = await failure(open(registry.host, {credentials}).readManifest(REPOSITORY, TAG))
        assert.equal(error.code, 'UNAUTHENTICATED')
        assert.match(error.message, /it asks for neither Basic nor Bearer authentication/)
        assert.ok(!/refused|no credentials/.test(error.message), error.message)
        assert.deepEqual(error.hints, [`holdfast registry check ${registry.host}`])
      }
    })
  }

  it('of a blob store is told as the store’s, and not as the registry’s', async () => {
    const xml = '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'
    const store = await start((_seen, response) => reply(response, 403, {'content-type': 'application/xml'}, xml))
    const signed = `${store.url}/blob?X-Amz-Signature=${'0123456789abcdef'.repeat(4)}`
    const registry = await start((_seen, response) => reply(response, 307, {location: signed}))
    const error = await failure(open(registry.host, {credentials: CREDENTIALS}).readBlob(REPOSITORY, BLOB, new CollectingSink()))
    assert.equal(error.code, 'DENIED')
    assert.match(error.message, new RegExp(`blob store "${store.host}" answered 403 AccessDenied \\(Request has expired\\)$`))
    assert.ok(!error.hints.join().includes('login') && /^date -u {2}#/.test(error.hints[0] ?? ''), error.hints.join())
    assert.equal(error.details.host, store.host)
  })

  for (const [status, code, isLogin] of [
    [401, 'UNAUTHENTICATED', true],
    [403, 'UNAUTHENTICATED', true],
    [404, 'UNSUPPORTED', false],
    [413, 'UNSUPPORTED', false],
    [500, 'REGISTRY_UNAVAILABLE', false],
  ] as const) {
    it(`of a token endpoint with ${status} names the endpoint, and is ${code}`, async () => {
      const tokens = await start((_seen, response) => reply(response, status))
      const registry = await start((_seen, response) =>
        reply(response, 401, {'www-authenticate': `Bearer realm="${tokens.url}/token",service="s"`}),
      )
      const error = await failure(open(registry.host, {credentials: CREDENTIALS}).readManifest(REPOSITORY, TAG))
      assert.equal(error.code, code)
      assert.match(error.message, new RegExp(`get a token for "${registry.host}": token endpoint "${tokens.host}" answered ${status}`))
      assert.equal(error.hints.join().includes('holdfast login'), isLogin)
    })
  }

  it('of an upload for want of space is final: the blob is sent once', async () => {
    const registry = await start(({method}, response) => {
      if (method === 'HEAD') return reply(response, 404)
      if (method === 'POST') return reply(response, 202, {location: `/v2/${REPOSITORY}/blobs/uploads/1`})
      reply(response, method === 'PUT' ? 507 : 404)
    })
    const error = await failure(open(registry.host).writeBlob(REPOSITORY, BLOB, sourceOf(BYTES).source))
    assert.deepEqual([error.code, registry.seen.filter(({method}) => method === 'PUT').length], ['REGISTRY_UNAVAILABLE', 1])
  })

  it('to stop redirecting is a fault of the server, which is not asked again', async () => {
    const registry = await start(({url}, response) => reply(response, 307, {location: `${url}x`}))
    const error = await failure(open(registry.host).readBlob(REPOSITORY, BLOB, new CollectingSink()))
    assert.deepEqual([error.code, error.hints], ['NETWORK', [`holdfast registry check ${registry.host}`]])
    assert.match(error.message, /more than 5 redirects$/)
    assert.equal(registry.seen.filter(({url}) => url.includes('/blobs/')).length, 6)
  })

  for (const [server, said] of [
    ['nginx', '<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>'],
    ['Apache', "Reason: You're speaking plain HTTP to an SSL-enabled server port."],
    ['Go', 'Client sent an HTTP request to an HTTPS server.\n'],
    ['Tomcat', 'Bad Request\nThis combination of host and port requires TLS.\n'],
  ] as const) {
    it(`of plain HTTP by ${server} at a port that speaks TLS says https, to both clients`, async () => {
      const registry = await start((_seen, response) => reply(response, 400, {}, said))
      const url = new URL('/v2/', registry.url)
      const client = createWireClient()
      afterwards(() => client.close())
      for (const asking of [client.request({method: 'GET', url}), requestJson({method: 'GET', url})]) {
        const error = await failure(asking)
        assert.equal(error.code, 'CONFIGURATION')
        assert.match(error.message, /the server speaks https there, and was asked by plain http/)
        assert.deepEqual(error.hints, [`holdfast registry add NAME https://${registry.host}`])
      }
    })
  }
})
