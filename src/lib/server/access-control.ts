/**
 * Who may do what at the registry: requests bring a token, and the token says it (distribution's token authentication; the actions are those that CNCF Distribution
 * wants for each request, so that tokens of one collector open both alike).
 */
import {CATALOG_SCOPE, coversScopes, formatScope, repositoryScope, type Scope} from '../auth/scope.ts'
import {hasCode} from '../core/errors.ts'
import type {RepositoryName} from '../oci/reference.ts'
import {isRepositoryName} from '../oci/reference.ts'
import type {Exchange} from './exchange.ts'
import {isProbe, type Route} from './route.ts'
import {SpecError} from './spec-error.ts'

const OUTAGE_RETRY_SECONDS = '5'

const BEARER = /^Bearer +([^ ]+)$/i

interface HeldToken {
  /** Who it was given to. */
  readonly subject: string
  readonly access: readonly Scope[]
}

/** What a token says; undefined for one that is not ours, or has ended. */
type VerifyToken = (token: string) => HeldToken | undefined

export interface AccessControlOptions {
  readonly verifyToken: VerifyToken
  /** The audience that tokens of this registry have. */
  readonly service: string
  /** Whether somebody may pull from a repository: what he may not he is not told of. */
  readonly mayPull: (subject: string) => (repository: RepositoryName) => Promise<boolean>
  /** Whether the account that a token was given to still has anything; every account has when absent. */
  readonly isActive?: ((subject: string) => Promise<boolean>) | undefined
  /** `https://host[:port]` under which the client sees this server. */
  readonly originOf: (exchange: Exchange) => string
}

/** Who asks, with a token that allows it. */
export interface AllowedCaller {
  readonly subject: string
  /** Which repositories he may know of; absent where that is all of them. */
  readonly isVisible?: ((repository: RepositoryName) => Promise<boolean>) | undefined
}

type Answer = AllowedCaller | undefined

/** Refuses what no token allows; returns the caller. */
export type AccessControl = (exchange: Exchange, route: Route) => Answer | Promise<Answer>

/** @returns a check that throws {SpecError} 401 with the challenge that says where to get which token. */
export function createAccessControl({verifyToken, service, isActive, originOf, ...options}: AccessControlOptions): AccessControl {
  const mayPull: AccessControlOptions['mayPull'] = (subject) => {
    const ask = options.mayPull(subject)
    return (repository) => whileKnown(ask(repository))
  }
  return async (exchange, route) => {
    if (isProbe(route)) return undefined
    const wanted = scopesOf(exchange, route)
    const token = BEARER.exec(exchange.request.headers.authorization ?? '')?.[1]
    const held = token === undefined ? undefined : verifyToken(token)
    const challenge = (reason?: string): SpecError => {
      const parts = [`realm="${originOf(exchange)}/token"`, `service="${service}"`]
      if (wanted.length > 0) parts.push(`scope="${wanted.map(formatScope).join(' ')}"`)
      if (reason !== undefined) parts.push(`error="${reason}"`)
      return new SpecError(401, 'UNAUTHORIZED', 'a token that allows this is needed', {
        headers: {'WWW-Authenticate': `Bearer ${parts.join(',')}`},
      })
    }
    if (token === undefined) throw challenge()
    if (held === undefined || (await isActive?.(held.subject)) === false) throw challenge('invalid_token')
    const [repository, ...others] = wanted
    if (repository === undefined || coversScopes(held.access, wanted)) return {subject: held.subject}
    // Whoever is known may list what he may pull; the whole catalog is for those whose token says so.
    if (route.kind === 'catalog') return {subject: held.subject, isVisible: mayPull(held.subject)}
    if (!coversScopes(held.access, [repository])) throw challenge('insufficient_scope')
    // A caller who may pull the source is asked for a token that says so, as CNCF Distribution asks. For any other caller a mount is an upload
    // (distribution-spec 1.1 §Mounting a blob): nothing is read from the source, and the response does not tell whether it exists.
    const mayPullSource = mayPull(held.subject)
    for (const {name} of others) {
      if (isRepositoryName(name) && (await mayPullSource(name))) throw challenge('insufficient_scope')
      for (const parameter of ['mount', 'from']) exchange.query.delete(parameter)
    }
    return {subject: held.subject}
  }
}

/** @throws {SpecError} 503 while the database that knows does not respond: what an account may see is not guessed. */
async function whileKnown<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!hasCode(error, 'STORAGE')) throw error
    throw new SpecError(503, 'UNAVAILABLE', 'it is not known now what you may pull: the database of the collector does not respond', {
      headers: {'Retry-After': OUTAGE_RETRY_SECONDS},
      cause: error,
    })
  }
}

/** What a request takes; the first is of the repository that it is about. */
function scopesOf({request, query}: Exchange, route: Route): readonly Scope[] {
  switch (route.kind) {
    case 'health':
    case 'readiness':
    case 'base':
      return []
    case 'catalog':
      return [CATALOG_SCOPE]
    case 'uploads': {
      const from = query.get('from')
      const mounted = from !== null && query.has('mount') && isRepositoryName(from) && from !== route.repository
      return [changing(route.repository), ...(mounted ? [repositoryScope(from, 'pull')] : [])]
    }
    default: {
      const {method} = request
      if (method === 'GET' || method === 'HEAD') return [repositoryScope(route.repository, 'pull')]
      // A cancelled upload deletes nothing that anybody has.
      if (method === 'DELETE' && route.kind !== 'upload') return [repositoryScope(route.repository, 'delete')]
      return [changing(route.repository)]
    }
  }
}

function changing(repository: RepositoryName): Scope {
  return repositoryScope(repository, 'pull', 'push')
}
