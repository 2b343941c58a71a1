/** Finds what to keep of a login, and proves that it opens the registry before anything is kept. */
import {basicAuthorization} from '../auth/basic.ts'
import {decodeTokenFields, type TokenResponse} from '../auth/token-response.ts'
import type {HoldfastError} from '../core/errors.ts'
import {Secret} from '../core/secret.ts'
import {type LoginAttempt, loginFailure, loginRefusal, type RefusingAnswer} from './attempt.ts'
import {assertLetIn, isLetIn, type RegistryDoor} from './registry-door.ts'
import type {TokenEndpoint} from './token-endpoint.ts'

/** What is to be kept. */
export interface ProvenSecret {
  readonly kind: 'identity-token' | 'password'
  readonly secret: Secret
  /** Why a password and not a token: one sentence without its full stop. */
  readonly reason?: string
  /** False where nothing asks who one is, so that it could not be seen to work. */
  readonly isProven?: boolean
}

/** An endpoint that does not know a kind of request answers one of these: that kind is not offered. */
const NOT_OFFERED: readonly number[] = [400, 404, 405, 501]

/**
 * What is kept for a registry that does not authenticate: its repositories may.
 * @throws {HoldfastError} NO_IDENTITY_TOKEN when only a token may be kept and a password is given.
 */
export function keepUnproven({secret: {kind, value}, tokenOnly}: UnprovenLogin, attempt: LoginAttempt): ProvenSecret {
  const reason = `${attempt.registry} does not ask who you are, so that the password cannot be exchanged for a token`
  if (kind === 'identity-token') return {kind, secret: value, isProven: false}
  if (tokenOnly) throw onlyPassword(attempt, reason)
  return {kind, secret: value, reason, isProven: false}
}

/** What is known of a login without any answer. */
export interface UnprovenLogin {
  readonly secret: {readonly kind: 'password' | 'identity-token'; readonly value: Secret}
  readonly tokenOnly: boolean
}

/**
 * Proves a user name and a password to a registry that wants HTTP Basic.
 * @throws {HoldfastError} NO_IDENTITY_TOKEN, before anything is sent, when only a token may be kept; else as `loginRefusal`.
 */
export async function proveBasic(door: RegistryDoor, attempt: LoginAttempt, password: string, tokenOnly: boolean): Promise<ProvenSecret> {
  const reason = `${attempt.registry} wants the password with every request (HTTP Basic) and gives no token for it`
  if (attempt.secretKind === 'identity-token') {
    throw loginFailure(attempt, 'UNSUPPORTED', `${attempt.registry} wants a password (HTTP Basic) and takes no identity token`, {
      hints: [`holdfast login ${attempt.registry}`],
    })
  }
  if (tokenOnly) throw onlyPassword(attempt, reason)
  await assertLetIn(door, attempt, basicAuthorization(attempt.account, password))
  return {kind: 'password', secret: new Secret(password), reason}
}

/**
 * Proves an identity token: exchanges it, and shows the access token to the registry. Answers the token that is good from now on, since an exchange may replace it.
 * @throws {HoldfastError} as `loginRefusal`
 */
export async function proveIdentityToken(
  door: RegistryDoor,
  attempt: LoginAttempt,
  endpoint: TokenEndpoint,
  identityToken: string,
): Promise<ProvenSecret> {
  const answer = await endpoint.askByRefreshToken(identityToken)
  if (answer.status !== 200) throw loginRefusal(attempt, endpoint.realm, answer)
  const access = requireToken(attempt, endpoint, answer)
  await assertLetIn(door, attempt, `Bearer ${access.token}`)
  return {kind: 'identity-token', secret: new Secret(access.refreshToken ?? identityToken)}
}

/**
 * Exchanges a password for an identity token and proves that; where the endpoint gives none, or one that does not work, proves the password itself.
 * @throws {HoldfastError} NO_IDENTITY_TOKEN when only a token may be kept and there is none; else as `loginRefusal`.
 */
export async function proveByTokenEndpoint(
  door: RegistryDoor,
  attempt: LoginAttempt,
  endpoint: TokenEndpoint,
  password: string,
  tokenOnly: boolean,
): Promise<ProvenSecret> {
  const access = await exchangePassword(attempt, endpoint, password)
  const {refreshToken} = access
  const kept = refreshToken === undefined ? undefined : await tryIdentityToken(door, attempt, endpoint, refreshToken)
  if (kept !== undefined) return {kind: 'identity-token', secret: new Secret(kept)}
  const {host} = endpoint.realm
  const reason = refreshToken === undefined ? `${host} gives no identity token` : `${host} gives an identity token that does not work`
  if (tokenOnly) throw onlyPassword(attempt, reason)
  await assertLetIn(door, attempt, `Bearer ${access.token}`)
  return {kind: 'password', secret: new Secret(password), reason}
}

/** By GET, which tells a wrong password apart; by the form where GET is not offered or gave no refresh token. */
async function exchangePassword(attempt: LoginAttempt, endpoint: TokenEndpoint, password: string): Promise<TokenResponse> {
  const byGet = await endpoint.askByBasic(attempt.account, password)
  if (byGet.status !== 200 && !NOT_OFFERED.includes(byGet.status)) throw loginRefusal(attempt, endpoint.realm, byGet)
  const access = byGet.status === 200 ? requireToken(attempt, endpoint, byGet) : undefined
  if (access?.refreshToken !== undefined) return access
  const byForm = await endpoint.askByPasswordForm(attempt.account, password)
  if (byForm.status === 200) {
    const withRefreshToken = decodeTokenFields(byForm.json, Date.now())
    return withRefreshToken ?? access ?? requireToken(attempt, endpoint, byForm)
  }
  // The password is known to be right: a refusal of the form means that there is none, whatever it says.
  if (access !== undefined && byForm.status >= 300 && byForm.status < 500 && byForm.status !== 429) return access
  if (access !== undefined && byForm.status === 501) return access
  throw loginRefusal(attempt, endpoint.realm, byForm)
}

/** The identity token to keep; undefined when the endpoint or the registry does not take it. */
async function tryIdentityToken(
  door: RegistryDoor,
  attempt: LoginAttempt,
  endpoint: TokenEndpoint,
  refreshToken: string,
): Promise<string | undefined> {
  const answer = await endpoint.askByRefreshToken(refreshToken)
  if (answer.status === 429 || (answer.status >= 500 && answer.status !== 501)) throw loginRefusal(attempt, endpoint.realm, answer)
  const access = answer.status === 200 ? decodeTokenFields(answer.json, Date.now()) : undefined
  if (access === undefined || !(await isLetIn(door, attempt, `Bearer ${access.token}`))) return undefined
  return access.refreshToken ?? refreshToken
}

function requireToken(attempt: LoginAttempt, {realm}: TokenEndpoint, answer: RefusingAnswer): TokenResponse {
  const token = decodeTokenFields(answer.json, Date.now())
  if (token !== undefined) return token
  throw loginFailure(attempt, 'UNSUPPORTED', `${realm.host} answers ${answer.status} without a token`, {
    hints: [`curl -i "${realm.origin}${realm.pathname}"  # is that the token endpoint of ${attempt.registry}?`],
    details: {host: realm.host, httpStatus: answer.status},
  })
}

function onlyPassword(attempt: LoginAttempt, reason: string): HoldfastError {
  return loginFailure(attempt, 'NO_IDENTITY_TOKEN', `only a token may be kept, but ${reason}`, {
    hints: [`holdfast login ${attempt.registry}  # without --token-only: keeps the password in the keychain`],
  })
}
