/** The REST API: every operation of the collector below `/api/v1`, its OpenAPI document, and sessions. */
import type {FastifyInstance, FastifyRequest} from 'fastify'
import {type Call, checkInput, type Operation, type SecretMaker} from '../../collector/api/operation.ts'
import {OPERATIONS} from '../../collector/api/operations.ts'
import {runOperation} from '../../collector/api/run-operation.ts'
import type {CollectorStore} from '../../collector/store.ts'
import {HoldfastError} from '../../core/errors.ts'
import {hashOpaqueToken, makeOpaqueToken} from '../../tokens/opaque-token.ts'
import {type CallerDependencies, identifyCaller, identifyNewcomer} from './callers.ts'
import {describeApi} from './openapi.ts'

const API_PREFIX = '/api/v1'
/** A session is for one sitting at a console, or one run of a program. */
const SESSION_LIFE_MS = 60 * 60 * 1000
/** That of a command line, kept in a keychain. */
const LONG_SESSION_LIFE_MS = 7 * 24 * 60 * 60 * 1000

export interface ApiOptions extends CallerDependencies {
  readonly store: CollectorStore
  readonly secrets: SecretMaker
  readonly now: () => Date
  readonly version: string
  readonly sweep?: Call['sweep']
  readonly checkTrust?: Call['checkTrust']
  readonly openRepository?: Call['openRepository']
}

export function addApiRoutes(app: FastifyInstance, options: ApiOptions): void {
  const {store, secrets, now, version, sweep, checkTrust, openRepository} = options
  for (const operation of OPERATIONS) {
    app.route({
      method: operation.method,
      url: `${API_PREFIX}${operation.path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
      handler: async (request, reply) => {
        const caller = await identifyCaller(request, options)
        const input = checkInput(operation, inputOf(request, operation))
        const provePassword: Call['provePassword'] = (name, password) => options.verifyUser(name, password, request.ip)
        const call = {store, secrets, now, caller, sweep, checkTrust, openRepository, provePassword}
        const output = await runOperation(operation, input, call, {requestId: request.id, address: request.ip})
        return await reply.code(operation.method === 'POST' ? 201 : 200).send(output)
      },
    })
  }
  app.post(`${API_PREFIX}/sessions`, async (request, reply) => {
    const user = await identifyNewcomer(request, options)
    const token = makeOpaqueToken('session')
    const isLong = Reflect.get(Object(request.body ?? {}), 'isLong') === true
    const expiresAt = new Date(now().getTime() + (isLong ? LONG_SESSION_LIFE_MS : SESSION_LIFE_MS)).toISOString()
    await store.addSession({tokenHash: hashOpaqueToken(token.reveal()), userId: user.id, expiresAt})
    return await reply.code(201).header('cache-control', 'no-store').send({token: token.reveal(), user: user.name, expiresAt})
  })
  const document = describeApi(OPERATIONS, version)
  app.get('/openapi.json', async (_request, reply) => await reply.send(document))
}

/** The parts of a request that an operation takes its input from: path, query (GET and DELETE), body. */
function inputOf(request: FastifyRequest, {method, input}: Operation): unknown {
  const path = request.params as Readonly<Record<string, string>>
  if (method === 'GET') return coerce({...(request.query as object), ...path}, input)
  const body: unknown = request.body ?? {}
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new HoldfastError('USAGE', 'cannot read the request: its body is no JSON object')
  }
  const fromPath = coerce(path, input)
  const contradicted = Object.keys(fromPath).find((name) => name in body && Reflect.get(body, name) !== Reflect.get(fromPath, name))
  if (contradicted !== undefined)
    throw new HoldfastError('USAGE', `cannot read the request: its body has another ${contradicted} than its path`)
  return {...body, ...fromPath}
}

/** Paths and queries are texts: what the shape wants as a number or a truth value becomes one. */
function coerce(values: object, input: Operation['input']): object {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]): [string, unknown] => {
      const wanted: unknown = Reflect.get(input.properties[name] ?? {}, 'type')
      if (wanted === 'integer' && typeof value === 'string' && /^-?[0-9]{1,15}$/.test(value)) return [name, Number(value)]
      if (wanted === 'boolean' && (value === 'true' || value === 'false')) return [name, value === 'true']
      return [name, value]
    }),
  )
}
