/** Who calls the REST API: a user with name and password, or with the token of a session. Tokens of registries open nothing here. */
import type {FastifyRequest} from 'fastify'
import {parseBasic} from '../../auth/basic.ts'
import type {Caller} from '../../collector/api/operation.ts'
import type {User} from '../../collector/objects.ts'
import type {SessionStore} from '../../collector/store.ts'
import {HoldfastError} from '../../core/errors.ts'
import {Secret} from '../../core/secret.ts'
import {hashOpaqueToken, isOpaqueToken} from '../../tokens/opaque-token.ts'

/** JWS Compact Serialization (RFC 7515 §3.1). */
const JWT_PARTS = 3
const BEARER = /^Bearer +([^ ]+)$/i

export interface CallerDependencies {
  readonly sessions: SessionStore
  /** @throws {HoldfastError} UNAUTHENTICATED, RATE_LIMITED, REGISTRY_UNAVAILABLE when a directory does not answer. */
  readonly verifyUser: (account: string, password: Secret, address: string) => Promise<User>
  /** @throws {HoldfastError} UNAUTHENTICATED; REGISTRY_UNAVAILABLE when the provider's keys cannot be had. */
  readonly verifyIdentityToken: (identityToken: Secret, request: {readonly requestId: string; readonly address: string}) => Promise<User>
}

/** @throws {HoldfastError} UNAUTHENTICATED when nobody is named, or it is not proven. */
export async function identifyCaller(
  request: FastifyRequest,
  {sessions, verifyUser}: CallerDependencies,
): Promise<Caller & {kind: 'user'}> {
  const header = request.headers.authorization ?? ''
  const basic = parseBasic(header)
  if (basic !== undefined) return {kind: 'user', user: await verifyUser(basic.username, new Secret(basic.password), request.ip)}
  const token = BEARER.exec(header)?.[1]
  if (token !== undefined && isOpaqueToken('session', token)) {
    const user = await sessions.findSession(hashOpaqueToken(token))
    if (user !== undefined && !user.isDisabled) return {kind: 'user', user}
  }
  throw new HoldfastError('UNAUTHENTICATED', 'cannot call the collector: it does not know who you are', {
    hints: ['holdfast login COLLECTOR'],
  })
}

/** Who begins a session: as any caller, or by an identity token of his provider. */
export async function identifyNewcomer(request: FastifyRequest, dependencies: CallerDependencies): Promise<User> {
  const token = BEARER.exec(request.headers.authorization ?? '')?.[1]
  if (token?.split('.').length === JWT_PARTS) {
    return await dependencies.verifyIdentityToken(new Secret(token), {requestId: request.id, address: request.ip})
  }
  return (await identifyCaller(request, dependencies)).user
}
