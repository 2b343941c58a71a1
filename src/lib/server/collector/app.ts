/** The collector over HTTP, beside the registry's own paths: tokens, search, the REST API. */
import {randomUUID} from 'node:crypto'
import formBody from '@fastify/formbody'
import {type FastifyInstance, fastify} from 'fastify'
import type {IdentityProvider} from '../../accounts/federation/identity-provider.ts'
import type {KeyRings} from '../../collector/key-ring.ts'
import type {TokenService} from '../../collector/token-service.ts'
import type {ServerListener} from '../server-events.ts'
import {type ApiOptions, addApiRoutes} from './api-routes.ts'
import {addCatalogRoutes, type CatalogFor} from './catalog-routes.ts'
import {addEventRoutes, type EventRoutesOptions} from './event-routes.ts'
import {API_FORM, createFailureHandler} from './failures.ts'
import {addHealthRoutes, type HealthOptions} from './health-routes.ts'
import {addKeyRoutes} from './key-routes.ts'
import {addProviderRoutes} from './provider-routes.ts'
import {addSearchRoutes, type SearchFor} from './search-routes.ts'
import {addTokenRoutes} from './token-routes.ts'

/** Bodies here are small: forms, objects, notifications. */
const MAX_BODY_BYTES = 1024 * 1024
const MAX_NAME_CHARACTERS = 512

export interface CollectorAppOptions extends ApiOptions, EventRoutesOptions, HealthOptions {
  readonly tokens: TokenService
  readonly keys: KeyRings
  readonly searchFor: SearchFor
  readonly catalogFor: CatalogFor
  readonly publicUrl?: string | undefined
  readonly providers: readonly IdentityProvider[]
  /** Addresses or networks whose `X-Forwarded-*` headers are believed; nobody's when empty. */
  readonly trustedProxies: readonly string[]
  readonly listener?: ServerListener | undefined
}

/** Makes the application; `routing` answers a request, once it is ready. */
export async function createCollectorApp(options: CollectorAppOptions): Promise<FastifyInstance> {
  const {trustedProxies, listener} = options
  const app = fastify({
    bodyLimit: MAX_BODY_BYTES,
    trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    routerOptions: {maxParamLength: MAX_NAME_CHARACTERS},
  })
  await app.register(formBody)
  app.addHook('onSend', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff')
  })
  app.addHook('onResponse', async (request, reply) => {
    const {url} = request.routeOptions
    if (url === '/token' || url === '/init/registry/token') options.metrics.tokenAnswered(reply.statusCode)
    if (url === '/events/:registry') options.metrics.notified(reply.statusCode)
  })
  app.setErrorHandler(createFailureHandler(API_FORM, listener))
  app.setNotFoundHandler(
    async (_request, reply) => await reply.code(404).send({error: {code: 'UNSUPPORTED', message: 'there is no such endpoint', hints: []}}),
  )
  addTokenRoutes(app, options)
  addSearchRoutes(app, options)
  addCatalogRoutes(app, options)
  addApiRoutes(app, options)
  addHealthRoutes(app, options)
  addKeyRoutes(app, options.keys)
  addProviderRoutes(app, options.providers)
  await addEventRoutes(app, options)
  await app.ready()
  return app
}
