/** What a token endpoint is asked: by GET (distribution's token authentication) and by the OAuth 2 form (its OAuth 2 specification; RFC 6749 §4.3, §6). */
import {formatScope, type Scope} from './scope.ts'

/** How we call ourselves at token endpoints. */
const CLIENT_ID = 'holdfast'

export interface TokenQuery {
  /** As the challenge has it; absent when it has none. */
  readonly service: string | undefined
  readonly scopes: readonly Scope[]
  /** Who asks, as in the Basic header beside it. */
  readonly account?: string | undefined
  /** Asks for a refresh token as well. */
  readonly offline?: boolean
}

/** The URL of a GET request; what the realm has in its query is kept. */
export function tokenUrl(realm: URL, {service, scopes, account, offline}: TokenQuery): URL {
  const url = new URL(realm)
  if (service !== undefined) url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', formatScope(scope))
  if (account !== undefined) url.searchParams.set('account', account)
  if (offline) {
    url.searchParams.set('client_id', CLIENT_ID)
    url.searchParams.set('offline_token', 'true')
  }
  return url
}

/** The form that asks for an access token in exchange for a refresh token, which it holds. */
export function refreshTokenForm(refreshToken: string, {service, scopes}: TokenQuery): Readonly<Record<string, string>> {
  return {
    grant_type: 'refresh_token',
    client_id: CLIENT_ID,
    ...(service === undefined ? {} : {service}),
    ...scopeField(scopes),
    refresh_token: refreshToken,
  }
}

function scopeField(scopes: readonly Scope[]): {readonly scope?: string} {
  return scopes.length === 0 ? {} : {scope: scopes.map(formatScope).join(' ')}
}

/** The form that asks for a refresh token in exchange for a password, which it holds. */
export function passwordForm(username: string, password: string, {service, scopes}: TokenQuery): Readonly<Record<string, string>> {
  return {
    grant_type: 'password',
    client_id: CLIENT_ID,
    access_type: 'offline',
    ...(service === undefined ? {} : {service}),
    ...scopeField(scopes),
    username,
    password,
  }
}

/** The form that asks for a refresh token in exchange for an ID token, which it holds (RFC 8693 §2.1). */
export function tokenExchangeForm(idToken: string, service: string | undefined): Readonly<Record<string, string>> {
  return {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    client_id: CLIENT_ID,
    access_type: 'offline',
    ...(service === undefined ? {} : {service}),
    subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
    subject_token: idToken,
  }
}
