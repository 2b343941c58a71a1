/** From a route and a method to the endpoint that answers. */

import type {RepositoryName} from '../oci/reference.ts'
import {deleteBlob, getBlob} from './blob-endpoints.ts'
import {type Exchange, replyJson} from './exchange.ts'
import type {Readiness} from './health.ts'
import {listReferrers, listRepositories, listTags} from './listings.ts'
import {deleteManifest, getManifest, putManifest} from './manifest-endpoints.ts'
import {requireDigest} from './request-values.ts'
import type {Route} from './route.ts'
import {SpecError} from './spec-error.ts'
import {appendToUpload, cancelUpload, finishUpload, getUpload, startUpload} from './upload-endpoints.ts'
import type {ReadableStore, ServableStore} from './upload-sessions.ts'

type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
type Endpoint = () => Promise<void>
type Endpoints = Readonly<Partial<Record<Method, Endpoint>>>

export interface DispatchOptions {
  readonly store: ReadableStore
  /** Takes what changes something; without it that is refused. */
  readonly changes: ServableStore | undefined
  /** Whether what the server has can be served; it always can when absent. */
  readonly readiness?: (() => Promise<Readiness>) | undefined
  /** Repositories that the catalog tells of; all when absent. */
  readonly isVisible?: ((repository: RepositoryName) => Promise<boolean>) | undefined
}

/**
 * Answers a request.
 * @throws {SpecError} 405 UNSUPPORTED for a method that the route does not have, or that a read-only server refuses; else what the endpoint says.
 */
export async function dispatch(exchange: Exchange, route: Route, {store, changes, isVisible, readiness}: DispatchOptions): Promise<void> {
  const endpoints: Endpoints = {
    ...readingEndpoints(exchange, route, {store, isVisible, readiness}),
    ...(changes === undefined ? {} : changingEndpoints(exchange, route, changes)),
  }
  const allowed = Object.keys(endpoints)
  const method = allowed.find((name): name is Method => name === exchange.request.method)
  const endpoint = method && endpoints[method]
  if (endpoint === undefined) {
    const reason = changes === undefined ? 'this registry is read-only' : 'this endpoint does not have that method'
    throw new SpecError(405, 'UNSUPPORTED', reason, {headers: {Allow: allowed.join(', ')}})
  }
  await endpoint()
}

function readingEndpoints(
  exchange: Exchange,
  route: Route,
  {store, isVisible, readiness}: Pick<DispatchOptions, 'store' | 'isVisible' | 'readiness'>,
): Endpoints {
  switch (route.kind) {
    case 'health':
      return read(async () => replyJson(exchange, 200, {status: 'ok'}))
    case 'readiness':
      return read(() => replyReadiness(exchange, readiness))
    case 'base':
      return read(async () => replyJson(exchange, 200, {}))
    case 'catalog':
      return read(() => listRepositories(exchange, store, isVisible))
    case 'tags':
      return read(() => listTags(exchange, store, route.repository))
    case 'referrers':
      return read(() => listReferrers(exchange, store, route.repository, requireDigest(route.digest)))
    case 'manifest':
      return read(() => getManifest(exchange, store, route.repository, route.reference))
    case 'blob':
      return read(async () => getBlob(exchange, store, route.repository, requireDigest(route.digest)))
    default:
      return {}
  }
}

function changingEndpoints(exchange: Exchange, route: Route, store: ServableStore): Endpoints {
  switch (route.kind) {
    case 'manifest':
      return {
        PUT: () => putManifest(exchange, store, route.repository, route.reference),
        DELETE: () => deleteManifest(exchange, store, route.repository, route.reference),
      }
    case 'blob':
      return {DELETE: async () => deleteBlob(exchange, store, route.repository, requireDigest(route.digest))}
    case 'uploads':
      return {POST: () => startUpload(exchange, store, route.repository)}
    case 'upload':
      return {
        GET: () => getUpload(exchange, store, route.repository, route.id),
        PATCH: () => appendToUpload(exchange, store, route.repository, route.id),
        PUT: () => finishUpload(exchange, store, route.repository, route.id),
        DELETE: () => cancelUpload(exchange, store, route.repository, route.id),
      }
    default:
      return {}
  }
}

function read(endpoint: Endpoint): Endpoints {
  return {GET: endpoint, HEAD: endpoint}
}

async function replyReadiness(exchange: Exchange, readiness: DispatchOptions['readiness']): Promise<void> {
  const {isReady, degraded} = (await readiness?.()) ?? {isReady: true, degraded: []}
  const conditions = degraded.length === 0 ? {} : {degraded}
  replyJson(exchange, isReady ? 200 : 503, {status: isReady ? 'ok' : 'not ready', ...conditions}, {'Cache-Control': 'no-store'})
}
