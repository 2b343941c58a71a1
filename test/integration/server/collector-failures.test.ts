/** What clients of the collector's endpoints learn of errors, by the form of their protocol. */
import assert from 'node:assert/strict'
import formBody from '@fastify/formbody'
import {type FastifyInstance, fastify} from 'fastify'
import type {TokenService} from '../../../src/lib/collector/token-service.ts'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {API_FORM, createFailureHandler} from '../../../src/lib/server/collector/failures.ts'
import {addSearchRoutes} from '../../../src/lib/server/collector/search-routes.ts'
import {addTokenRoutes} from '../../../src/lib/server/collector/token-routes.ts'
import type {ServerListener} from '../../../src/lib/server/server-events.ts'

const BASIC = {authorization: `Basic ${Buffer.from('ann:secret').toString('base64')}`}
const FORM = {'content-type': 'application/x-www-form-urlencoded'}
const LIMITED = new HoldfastError('RATE_LIMITED', 'cannot log in: slowly', {details: {retryAfterSeconds: 7}})
const FULL = new HoldfastError('OVERLOADED', 'cannot check: full', {details: {retryAfterSeconds: 5}})

describe('the failures of the collector', () => {
  let app: FastifyInstance
  let thrown: Error
  let told: Parameters<ServerListener>[0][]

  before(async () => {
    const fail = async (): Promise<never> => {
      throw thrown
    }
    const tokens: TokenService = {byPassword: fail, byRefreshToken: fail, byIdentityToken: fail}
    const listener: ServerListener = (event) => void told.push(event)
    app = fastify()
    await app.register(formBody)
    addTokenRoutes(app, {tokens, listener})
    addSearchRoutes(app, {searchFor: fail, listener})
    app.get('/api', {errorHandler: createFailureHandler(API_FORM, listener)}, fail)
    await app.ready()
  })
  beforeEach(() => {
    told = []
  })
  after(() => app.close())

  const get = async () => await app.inject({url: '/token?service=x', headers: BASIC})
  const search = async () => await app.inject({url: '/v1/search?q=x', headers: BASIC})
  const post = async (payload = 'grant_type=password&username=ann&password=secret&service=x') =>
    await app.inject({method: 'POST', url: '/token', headers: FORM, payload})

  it('say when to ask again, at every endpoint that takes passwords', async () => {
    for (const [error, status, seconds] of [
      [LIMITED, 429, '7'],
      [FULL, 503, '5'],
    ] as const) {
      thrown = error
      for (const ask of [get, post, search]) {
        const {statusCode, headers} = await ask()
        assert.deepEqual([statusCode, headers['retry-after']], [status, seconds])
      }
    }
    assert.deepEqual(told, [])
  })

  it('have the form of RFC 6749 for a form, whatever the fault, and are never kept by a cache', async () => {
    const codes: readonly (readonly [Error, number, string])[] = [
      [new HoldfastError('UNAUTHENTICATED', 'no'), 401, 'invalid_grant'],
      [new HoldfastError('USAGE', 'no'), 400, 'invalid_request'],
      [LIMITED, 429, 'temporarily_unavailable'],
      [FULL, 503, 'temporarily_unavailable'],
      [new HoldfastError('REGISTRY_UNAVAILABLE', 'the issuer is down'), 503, 'temporarily_unavailable'],
      [new HoldfastError('NETWORK', 'the issuer is away'), 503, 'temporarily_unavailable'],
      [new HoldfastError('TIMEOUT', 'the issuer is slow'), 503, 'temporarily_unavailable'],
      [new HoldfastError('STORAGE', 'cannot write "/secret/place"'), 503, 'temporarily_unavailable'],
      [new TypeError('a fault of ours'), 500, 'server_error'],
    ]
    for (const [error, status, code] of codes) {
      thrown = error
      const answer = await post()
      const body = answer.json() as {error: string; error_description: string}
      assert.deepEqual([answer.statusCode, body.error, answer.headers['cache-control']], [status, code, 'no-store'], error.message)
      assert.equal(typeof body.error_description, 'string')
      assert.ok(!answer.body.includes('/secret/place') && !answer.body.includes('fault of ours'), answer.body)
    }
    const unreadable = await app.inject({method: 'POST', url: '/token', headers: {'content-type': 'text/odd'}, payload: 'x'})
    assert.deepEqual([unreadable.statusCode, (unreadable.json() as {error: string}).error], [415, 'invalid_request'])
  })

  it('have the form of the distribution specification otherwise, with a challenge for a wrong password', async () => {
    thrown = new HoldfastError('UNAUTHENTICATED', 'no')
    for (const ask of [get, search]) {
      const {statusCode, headers, body} = await ask()
      assert.deepEqual([statusCode, headers['www-authenticate']], [401, 'Basic realm="holdfast"'])
      assert.deepEqual(JSON.parse(body), {errors: [{code: 'UNAUTHORIZED', message: 'no'}]})
    }
    thrown = new HoldfastError('TIMEOUT', 'slow')
    assert.equal((await get()).statusCode, 503)
  })

  it('say in the API what is wrong with a managed registry, and elsewhere nothing of it', async () => {
    thrown = new HoldfastError('CONFIGURATION', 'it has not proven that it trusts this collector', {hints: ['holdfast registry check x']})
    const answer = await app.inject({url: '/api'})
    assert.deepEqual(
      [answer.statusCode, answer.json()],
      [409, {error: {code: 'CONFIGURATION', message: thrown.message, hints: ['holdfast registry check x']}}],
    )
    for (const ask of [get, post, search]) assert.ok(!(await ask()).body.includes('proven'))
  })

  it('are told to the operator with their cause where the client is not told', async () => {
    for (const error of [new HoldfastError('STORAGE', 'cannot write "/secret/place"'), new TypeError('a fault of ours')]) {
      thrown = error
      for (const ask of [get, post, search]) await ask()
      assert.deepEqual(
        told.splice(0).map((event) => event.type === 'failure' && event.error),
        [error, error, error],
      )
    }
  })
})
