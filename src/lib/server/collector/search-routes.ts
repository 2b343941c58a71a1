/** `/v1/search` and `/v1/_ping`, as docker and podman ask them (Docker Registry HTTP API v1, the part that clients still use). */
import type {FastifyInstance, FastifyReply, FastifyRequest} from 'fastify'
import type {SearchResults} from '../../collector/search/search-service.ts'
import {HoldfastError} from '../../core/errors.ts'

const DEFAULT_RESULTS = 25
const MAX_RESULTS = 100
const MAX_TERM_CHARACTERS = 255

/** Searches for whoever the `Authorization` header names. */
export type SearchFor = (
  authorization: string,
  search: {readonly term: string; readonly limit: number; readonly host: string; readonly address: string},
) => Promise<SearchResults>

export function addSearchRoutes(app: FastifyInstance, searchFor: SearchFor): void {
  app.get('/v1/_ping', async (_request, reply) => await reply.header('x-docker-registry-standalone', 'true').send(true))
  app.get('/v1/search', async (request, reply) => await answer(request, reply, searchFor))
}

async function answer(request: FastifyRequest, reply: FastifyReply, searchFor: SearchFor): Promise<FastifyReply> {
  const {q = '', n} = request.query as {readonly q?: unknown; readonly n?: unknown}
  const term = typeof q === 'string' ? q : ''
  const wanted = n === undefined ? DEFAULT_RESULTS : Number(n)
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > MAX_RESULTS || term.length > MAX_TERM_CHARACTERS) {
    return reply.code(400).send({errors: [{code: 'UNSUPPORTED', message: `n must be 1 to ${MAX_RESULTS}, and q short`}]})
  }
  try {
    const search = {term, limit: wanted, host: request.host, address: request.ip}
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
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error
    const {code, message, details} = error
    if (code === 'RATE_LIMITED') {
      const retry = {'retry-after': String(Math.ceil(Number(details.retryAfterSeconds ?? 1)))}
      return reply
        .code(429)
        .headers(retry)
        .send({errors: [{code: 'TOOMANYREQUESTS', message}]})
    }
    if (code !== 'UNAUTHENTICATED') throw error
    const challenge = {'www-authenticate': 'Basic realm="holdfast"'}
    return reply
      .code(401)
      .headers(challenge)
      .send({errors: [{code: 'UNAUTHORIZED', message}]})
  }
}
