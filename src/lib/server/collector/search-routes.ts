/**
 * `/v1/search` and `/v1/_ping`, as docker and podman ask them (Docker Registry HTTP API v1, the part that clients still use), and `/search/NAME`, which nginx puts in the
 * place of the first for one registry. A search is one of one registry: names in its results have none.
 */
import type {FastifyInstance, FastifyReply, FastifyRequest} from 'fastify'
import type {IndexedRepository} from '../../collector/objects.ts'
import type {ServerListener} from '../server-events.ts'
import {createFailureHandler, DISTRIBUTION_FORM} from './failures.ts'

const DEFAULT_RESULTS = 25
const MAX_RESULTS = 100
const MAX_TERM_CHARACTERS = 255

interface SearchAnswer {
  readonly count: number
  readonly results: readonly IndexedRepository[]
}

interface SearchQuestion {
  readonly term: string
  readonly limit: number
  /** The registry that is meant: by its name, or by the host of the request. */
  readonly registry: {readonly name: string} | {readonly host: string}
  readonly address: string
}

/** Searches one registry for the account that the `Authorization` header names; a registry that is not there, or not proven, has nothing. */
export type SearchFor = (authorization: string, search: SearchQuestion) => Promise<SearchAnswer>

interface SearchRoutesOptions {
  readonly searchFor: SearchFor
  readonly listener?: ServerListener | undefined
}

export function addSearchRoutes(app: FastifyInstance, {searchFor, listener}: SearchRoutesOptions): void {
  const errorHandler = createFailureHandler(DISTRIBUTION_FORM, listener)
  app.get('/v1/_ping', async (_request, reply) => await reply.header('x-docker-registry-standalone', 'true').send(true))
  app.get('/v1/search', {errorHandler}, async (request, reply) => await answer(request, reply, searchFor, {host: request.host}))
  app.get<{Params: {registry: string}}>('/search/:registry', {errorHandler}, async (request, reply) => {
    return await answer(request, reply, searchFor, {name: request.params.registry})
  })
}

type SearchRequest = Pick<FastifyRequest, 'query' | 'headers' | 'ip'>

async function answer(
  request: SearchRequest,
  reply: FastifyReply,
  searchFor: SearchFor,
  registry: SearchQuestion['registry'],
): Promise<FastifyReply> {
  const {q = '', n} = request.query as {readonly q?: unknown; readonly n?: unknown}
  const term = typeof q === 'string' ? q : ''
  const wanted = n === undefined ? DEFAULT_RESULTS : Number(n)
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > MAX_RESULTS || term.length > MAX_TERM_CHARACTERS) {
    return reply.code(400).send({errors: [{code: 'UNSUPPORTED', message: `n must be 1 to ${MAX_RESULTS}, and q short`}]})
  }
  const search = {term, limit: wanted, registry, address: request.ip}
  const {count, results} = await searchFor(request.headers.authorization ?? '', search)
  return reply.send({
    query: term,
    num_results: count,
    num_pages: Math.ceil(count / wanted),
    page: 1,
    page_size: wanted,
    results: results.map((repository) => ({
      name: repository.name,
      description: repository.description,
      star_count: repository.stars,
      is_official: repository.isOfficial,
      is_automated: repository.isAutomated,
      is_trusted: repository.isAutomated,
    })),
  })
}
