/**
 * The catalog of a managed registry, of what whoever asks may pull: nginx puts it in the place of the registry's own `/v2/_catalog`, which lists every name to all whom it
 * answers (distribution-spec 1.1 §Listing Repositories as distribution has it). podman searches by it.
 */
import type {FastifyInstance} from 'fastify'
import {HoldfastError} from '../../core/errors.ts'
import type {ServerListener} from '../server-events.ts'
import {createFailureHandler, DISTRIBUTION_FORM} from './failures.ts'

const DEFAULT_ENTRIES = 100
const MAX_ENTRIES = 1_000
const MAX_NAME_CHARACTERS = 255

interface CatalogPage {
  readonly repositories: readonly string[]
  readonly hasMore: boolean
}

interface CatalogRequest {
  readonly registry: string
  readonly after: string
  readonly limit: number
  readonly address: string
}

/** Where nginx finds the registry's own catalog; rendered files have a location of this name that only nginx itself can lead to. */
const OWN_CATALOG_PATH = '/registry-catalog'

/**
 * Answers a page for the account that the `Authorization` header names; `own` for the collector itself, which sweeps the registry and asks for what it has.
 * @throws {HoldfastError} UNAUTHENTICATED with `details.service` for a challenge; RATE_LIMITED, OVERLOADED
 */
export type CatalogFor = (authorization: string, request: CatalogRequest) => Promise<CatalogPage | 'own'>

interface CatalogRoutesOptions {
  readonly catalogFor: CatalogFor
  /** Where clients find `/token`, when it does not follow from their requests. */
  readonly publicUrl?: string | undefined
  readonly listener?: ServerListener | undefined
}

interface Route {
  readonly Params: {readonly registry: string}
  readonly Querystring: Readonly<Record<string, unknown>>
}

export function addCatalogRoutes(app: FastifyInstance, {catalogFor, publicUrl, listener}: CatalogRoutesOptions): void {
  const errorHandler = createFailureHandler(DISTRIBUTION_FORM, listener)
  app.get<Route>('/catalog/:registry', {errorHandler}, async (request, reply) => {
    const {n, last = ''} = request.query
    const wanted = n === undefined ? DEFAULT_ENTRIES : typeof n === 'string' && /^[0-9]{1,9}$/.test(n) ? Number(n) : Number.NaN
    if (!(wanted > 0) || typeof last !== 'string' || last.length > MAX_NAME_CHARACTERS) {
      return reply.code(400).send({errors: [{code: 'PAGINATION_NUMBER_INVALID', message: 'n is not a number of entries'}]})
    }
    const limit = Math.min(wanted, MAX_ENTRIES)
    try {
      const {registry} = request.params
      const page = await catalogFor(request.headers.authorization ?? '', {registry, after: last, limit, address: request.ip})
      // nginx takes this for the place to answer from, with the token of the request (ngx_http_proxy_module).
      if (page === 'own')
        return reply.header('x-accel-redirect', `${OWN_CATALOG_PATH}${new URL(request.url, 'http://collector').search}`).send()
      const next = new URLSearchParams({last: page.repositories.at(-1) ?? '', n: String(limit)})
      if (page.hasMore) reply.header('link', `</v2/_catalog?${next}>; rel="next"`)
      return reply.send({repositories: page.repositories})
    } catch (error) {
      if (!(error instanceof HoldfastError && error.code === 'UNAUTHENTICATED')) throw error
      const realm = `${publicUrl ?? `${request.protocol}://${request.host}`}/token`
      return reply
        .code(401)
        .header('www-authenticate', `Bearer realm="${realm}",service="${String(error.details.service)}",scope="registry:catalog:*"`)
        .send({errors: [{code: 'UNAUTHORIZED', message: error.message}]})
    }
  })
}
