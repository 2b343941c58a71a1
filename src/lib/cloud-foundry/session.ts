/**
 * Who we are at a foundation: an access token on demand, renewed before it ends, one renewal at a time. A refresh token that the UAA replaced is kept before it is used
 * (UAA API, `refresh_token` grant): a lost one logs the user out.
 */
import {readJwtExpiry} from '../auth/jwt-claims.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import type {Secret} from '../core/secret.ts'
import {type CloudFoundryNetwork, clientCredentialsGrant, type RenewedTokens, refreshGrant} from './uaa.ts'

/** cf renews a token that ends within a minute. */
const RENEW_BEFORE_MS = 60_000

/** What is kept of a session between runs. */
export interface SessionState {
  /** `https://api.example.com` */
  readonly api: string
  /** The login server, which is asked for tokens. */
  readonly login: string
  readonly accessToken?: Secret | undefined
  readonly refreshToken?: Secret | undefined
  readonly clientId: string
  readonly clientSecret?: Secret | undefined
  readonly grantType: 'password' | 'client_credentials'
  /** Certificates are not checked. */
  readonly insecure: boolean
  readonly organization?: NamedGuid | undefined
  readonly space?: NamedGuid | undefined
}

export interface NamedGuid {
  readonly guid: string
  readonly name: string
}

/** Where a session is kept: the file of cf, or the keychain. */
export interface SessionStore {
  /** For messages: what makes a new session. */
  readonly loginHint: string
  load(): Promise<SessionState>
  /** Replaces the tokens and leaves everything else as it is. */
  saveTokens(tokens: RenewedTokens): Promise<void>
}

export interface Session {
  /** @throws {HoldfastError} UNAUTHENTICATED when the session has ended. */
  accessToken(): Promise<Secret>
  /** Another token for one that was refused. */
  renew(refused: Secret): Promise<Secret>
}

/** A session that ends with the run. */
export function createMemorySession(state: SessionState, loginHint = 'holdfast login --cf API'): SessionStore {
  let current = state
  return {
    loginHint,
    load: async () => current,
    async saveTokens(tokens) {
      current = {...current, ...tokens, refreshToken: tokens.refreshToken ?? current.refreshToken}
    },
  }
}

export function createSession(store: SessionStore, network: CloudFoundryNetwork): Session {
  let current: SessionState | undefined
  let renewing: Promise<Secret> | undefined

  const renewNow = async (useless: Secret | undefined): Promise<Secret> => {
    // Another process may have renewed it, and then the refresh token that we know is no more.
    const state = await store.load()
    current = state
    const {accessToken} = state
    if (accessToken !== undefined && accessToken.reveal() !== useless?.reveal() && isFresh(accessToken, network.now())) return accessToken
    try {
      const tokens = await grant(state, store.loginHint, network)
      await store.saveTokens(tokens)
      current = {...state, accessToken: tokens.accessToken, refreshToken: tokens.refreshToken ?? state.refreshToken}
      return tokens.accessToken
    } catch (error) {
      const again = hasCode(error, 'UNAUTHENTICATED') ? (await store.load()).accessToken : undefined
      if (again === undefined || again.reveal() === accessToken?.reveal() || !isFresh(again, network.now())) throw error
      return again
    }
  }
  const renew = (useless: Secret | undefined): Promise<Secret> => {
    renewing ??= renewNow(useless).finally(() => {
      renewing = undefined
    })
    return renewing
  }

  return {
    async accessToken() {
      current ??= await store.load()
      const {accessToken} = current
      return accessToken !== undefined && isFresh(accessToken, network.now()) ? accessToken : await renew(accessToken)
    },
    renew,
  }
}

function isFresh(token: Secret, now: Date): boolean {
  const expiry = readJwtExpiry(token.reveal())
  return expiry === undefined || expiry.getTime() - now.getTime() > RENEW_BEFORE_MS
}

async function grant(state: SessionState, loginHint: string, network: CloudFoundryNetwork): Promise<RenewedTokens> {
  const {login, clientId, clientSecret, refreshToken, grantType} = state
  const place = {login, insecure: state.insecure}
  if (grantType === 'client_credentials' && clientSecret !== undefined) {
    return await clientCredentialsGrant(place, clientId, clientSecret, network)
  }
  if (refreshToken === undefined || grantType === 'client_credentials') {
    throw new HoldfastError(
      'UNAUTHENTICATED',
      `cannot ask "${state.api}": the session has ended, and nothing is kept that would renew it`,
      {
        hints: [loginHint],
      },
    )
  }
  try {
    return await refreshGrant(place, {clientId, clientSecret, refreshToken}, network)
  } catch (error) {
    if (!hasCode(error, 'UNAUTHENTICATED')) throw error
    throw new HoldfastError('UNAUTHENTICATED', `cannot ask "${state.api}": the session has ended`, {hints: [loginHint], cause: error})
  }
}
