/**
 * The token endpoint: distribution's token authentication by GET, its OAuth 2 form by POST, at `/token` and, as OpenSVC's agents ask it, at `/init/registry/token`
 * (distribution's specification of token, scope and OAuth 2 authentication; RFC 6749 §5).
 */
import type {FastifyInstance, FastifyReply, FastifyRequest} from 'fastify'
import {parseBasic} from '../../auth/basic.ts'
import {formatScope, parseScopes} from '../../auth/scope.ts'
import type {GrantedToken, TokenRequest, TokenService} from '../../collector/token-service.ts'
import {HoldfastError} from '../../core/errors.ts'
import {Secret} from '../../core/secret.ts'
import type {ServerListener} from '../server-events.ts'
import {createFailureHandler, DISTRIBUTION_FORM, OAUTH_FORM} from './failures.ts'

const TOKEN_PATHS = ['/token', '/init/registry/token'] as const
const MAX_CLIENT_CHARACTERS = 64
const MAX_ACCOUNT_CHARACTERS = 256

type Values = Readonly<Record<string, unknown>>

interface TokenRoutesOptions {
  readonly tokens: TokenService
  readonly listener?: ServerListener | undefined
}

export function addTokenRoutes(app: FastifyInstance, {tokens, listener}: TokenRoutesOptions): void {
  const challenged = createFailureHandler({...DISTRIBUTION_FORM, headers: NOT_STORED}, listener)
  const oauth = createFailureHandler({...OAUTH_FORM, headers: NOT_STORED}, listener)
  for (const url of TOKEN_PATHS) {
    app.get(url, {errorHandler: challenged}, async (request, reply) => await answerGet(request, reply, tokens))
    app.post(url, {errorHandler: oauth}, async (request, reply) => await answerForm(request, reply, tokens))
  }
}

async function answerGet(request: FastifyRequest, reply: FastifyReply, tokens: TokenService): Promise<FastifyReply> {
  const query = request.query as Values
  const basic = parseBasic(request.headers.authorization ?? '')
  if (basic === undefined) throw new HoldfastError('UNAUTHENTICATED', 'cannot give a token: user name and password are missing')
  const account = text(query, 'account')
  // The account becomes the token's subject: it must be that of the credentials.
  if (account !== undefined && account !== '' && account !== basic.username) {
    throw new HoldfastError('USAGE', 'cannot give a token: the account is not the user who authenticates')
  }
  const isOffline = text(query, 'offline_token') === 'true'
  const wanted = wantedOf(request, query, isOffline)
  return sendGrant(reply, await tokens.byPassword(checkAccount(basic.username), new Secret(basic.password), wanted), false)
}

async function answerForm(request: FastifyRequest, reply: FastifyReply, tokens: TokenService): Promise<FastifyReply> {
  const form = (request.body ?? {}) as Values
  const wanted = wantedOf(request, form, text(form, 'access_type') === 'offline')
  const grantType = text(form, 'grant_type')
  if (grantType === 'refresh_token') {
    const refreshToken = text(form, 'refresh_token') ?? ''
    return sendGrant(reply, await tokens.byRefreshToken(new Secret(refreshToken), wanted), true)
  }
  if (grantType === 'password') {
    const [username = '', password = ''] = [text(form, 'username'), text(form, 'password')]
    return sendGrant(reply, await tokens.byPassword(checkAccount(username), new Secret(password), wanted), true)
  }
  if (grantType === TOKEN_EXCHANGE) {
    const type = text(form, 'subject_token_type')
    if (!IDENTITY_TOKEN_TYPES.some((known) => known === type))
      throw new HoldfastError('USAGE', 'cannot exchange that: subject_token_type must be an id_token or jwt')
    const granted = await tokens.byIdentityToken(new Secret(text(form, 'subject_token') ?? ''), wanted)
    return sendGrant(reply, granted, true, {issued_token_type: ACCESS_TOKEN_TYPE})
  }
  return reply
    .code(400)
    .headers(NOT_STORED)
    .send({error: 'unsupported_grant_type', error_description: 'use password, refresh_token or token-exchange'})
}

/** RFC 8693 §2.1, §3. */
const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const IDENTITY_TOKEN_TYPES = ['urn:ietf:params:oauth:token-type:id_token', 'urn:ietf:params:oauth:token-type:jwt']
const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'

const NOT_STORED = {'cache-control': 'no-store', pragma: 'no-cache'}

function sendGrant(
  reply: FastifyReply,
  {token, expiresInSeconds, issuedAt, refreshToken, granted, refusals}: GrantedToken,
  isForm: boolean,
  more: object = {},
): FastifyReply {
  return reply.headers(NOT_STORED).send({
    token: token.reveal(),
    access_token: token.reveal(),
    expires_in: expiresInSeconds,
    issued_at: issuedAt,
    ...(refreshToken === undefined ? {} : {refresh_token: refreshToken.reveal()}),
    ...(isForm ? {scope: granted.map(formatScope).join(' '), token_type: 'Bearer'} : {}),
    // Not of the specification: clients ignore what they do not know, and ours says why something was refused.
    ...(refusals.length === 0 ? {} : {refusals}),
    ...more,
  })
}

function wantedOf(request: FastifyRequest, values: Values, isOffline: boolean): TokenRequest {
  const {scope = ''} = values
  const scopeText = (Array.isArray(scope) ? scope : [scope]).map(String).join(' ')
  const scopes = parseScopes(scopeText)
  if (scopes.length === 0 && scopeText.trim() !== '')
    throw new HoldfastError('USAGE', 'cannot give a token: no scope is of the form type:name:actions')
  return {
    service: text(values, 'service') ?? '',
    scopes,
    isOffline,
    client: (text(values, 'client_id') ?? '-').replaceAll(/[^\x20-\x7e]/g, '?').slice(0, MAX_CLIENT_CHARACTERS),
    address: request.ip,
    requestId: request.id,
  }
}

/** The value of a parameter that may be given once. */
function text(values: Values, name: string): string | undefined {
  const value = values[name]
  if (value === undefined || typeof value === 'string') return value
  throw new HoldfastError('USAGE', `cannot give a token: ${name} is given more than once`)
}

function checkAccount(account: string): string {
  if (account !== '' && account.length <= MAX_ACCOUNT_CHARACTERS) return account
  throw new HoldfastError('UNAUTHENTICATED', 'cannot give a token: there is no such account')
}
