/**
 * Refresh tokens in use. An endpoint may answer each exchange with a new one and let the old one die (RFC 6749 §6), so the exchanges of one login go one after the
 * other, each with what the one before it was given.
 */
import {type HoldfastError, hasCode} from '../../core/errors.ts'
import type {RegistryHost} from '../../oci/reference.ts'
import type {IdentityTokenCredential, RegistryCredential} from './endpoint.ts'

/** How to exchange a refresh token. */
export interface TokenExchange<T> {
  /** @throws {HoldfastError} UNAUTHENTICATED when the endpoint refuses the token. */
  readonly send: (token: string) => Promise<T>
  /** Asks the login's source anew: another process may have exchanged the token and kept the new one. */
  readonly findAgain: () => Promise<RegistryCredential | undefined>
}

interface Login {
  credential: IdentityTokenCredential
  /** The newest token. */
  token: string
  /** Settles when the exchanges so far have. */
  last: Promise<unknown>
  /** An exchange has shown that the endpoint lets tokens stay as they are: one may be shown again. */
  isLasting: boolean
  /** The answer to the newest token was lost, so that the endpoint may have replaced it. */
  lostAnswer: HoldfastError | undefined
}

/** What became of a request whose answer is not known. */
const LOST_ANSWERS = ['NETWORK', 'TIMEOUT', 'REGISTRY_UNAVAILABLE', 'INTERRUPTED', 'INTEGRITY'] as const

export class IdentityTokens {
  readonly #registry: RegistryHost
  readonly #warn: ((message: string) => void) | undefined
  /** By every token that a login had: a spent one leads to the newest, and is never shown again, since an endpoint may take that for theft and end the login. */
  readonly #logins = new Map<string, Login>()

  constructor(registry: RegistryHost, warn: ((message: string) => void) | undefined) {
    this.#registry = registry
    this.#warn = warn
  }

  /**
   * Exchanges the newest refresh token of a login, once the exchanges before have ended; hands a new one on to be kept, and goes on when that fails.
   * A token that is refused is asked for again, once. So is one whose answer was lost, which is shown no more unless the endpoint lets tokens stay as they are: a spent token
   * that is shown twice is taken for a stolen one.
   */
  exchange<T extends {readonly refreshToken?: string}>(credential: IdentityTokenCredential, how: TokenExchange<T>): Promise<T> {
    const login = this.#logins.get(credential.token) ?? newLogin(credential)
    this.#logins.set(credential.token, login)
    const exchanged = login.last.then(() => this.#exchange(login, how))
    login.last = exchanged.catch(() => {})
    return exchanged
  }

  async #exchange<T extends {readonly refreshToken?: string}>(login: Login, how: TokenExchange<T>): Promise<T> {
    if (login.lostAnswer !== undefined && !login.isLasting) await this.#findAnother(login, how, login.lostAnswer)
    const answer = await this.#send(login, how).catch(async (error: unknown) => {
      if (!hasCode(error, 'UNAUTHENTICATED')) throw error
      await this.#findAnother(login, how, error)
      return this.#send(login, how)
    })
    const isReplaced = answer.refreshToken !== undefined && answer.refreshToken !== login.token
    login.isLasting = !isReplaced
    if (answer.refreshToken !== undefined && isReplaced) {
      this.#replace(login, answer.refreshToken)
      await this.#keep(login.credential, answer.refreshToken)
    }
    return answer
  }

  async #send<T>(login: Login, how: TokenExchange<T>): Promise<T> {
    try {
      return await how.send(login.token)
    } catch (error) {
      if (hasCode(error, ...LOST_ANSWERS) && error.details.requestSent !== false) login.lostAnswer = error
      throw error
    }
  }

  /** @throws {HoldfastError} `reason` when the login's source has no other token. */
  async #findAnother<T>(login: Login, how: TokenExchange<T>, reason: HoldfastError): Promise<void> {
    const found = await how.findAgain()
    if (found?.kind !== 'identity-token' || this.#logins.get(found.token) === login) throw reason
    login.credential = found
    this.#replace(login, found.token)
  }

  #replace(login: Login, token: string): void {
    login.token = token
    login.lostAnswer = undefined
    this.#logins.set(token, login)
  }

  async #keep({keepRotated}: IdentityTokenCredential, token: string): Promise<void> {
    try {
      await keepRotated?.(token)
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown reason'
      this.#warn?.(
        `cannot keep the new identity token of "${this.#registry}": ${reason}; log in again when this is done: holdfast login ${this.#registry}`,
      )
    }
  }
}

function newLogin(credential: IdentityTokenCredential): Login {
  return {credential, token: credential.token, last: Promise.resolve(), isLasting: false, lostAnswer: undefined}
}
