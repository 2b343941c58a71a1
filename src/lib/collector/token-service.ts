/** What the token endpoint asks for: who somebody is, what he may, and a token that says so. */
import type {Scope} from '../auth/scope.ts'
import type {Secret} from '../core/secret.ts'
import type {Explanation} from './refusals.ts'

/** What every request for a token has. */
export interface TokenRequest {
  /** The registry's service: the audience of the token. */
  readonly service: string
  readonly scopes: readonly Scope[]
  /** A refresh token is wanted as well. */
  readonly isOffline: boolean
  /** What the client calls itself. */
  readonly client: string
  /** Where the request comes from. */
  readonly address: string
  readonly requestId: string
}

export interface GrantedToken {
  readonly token: Secret
  readonly expiresInSeconds: number
  /** ISO 8601. */
  readonly issuedAt: string
  readonly refreshToken?: Secret
  /** What was granted; less than what was asked for is no error. */
  readonly granted: readonly Scope[]
  /** Why the rest was not. */
  readonly refusals: readonly TokenRefusal[]
}

/** An action that was asked for and not granted. */
export interface TokenRefusal extends Explanation {
  /** `repository:NAME:ACTION` */
  readonly scope: string
  /** The rule of the access policy. */
  readonly rule: string
}

export interface TokenService {
  /**
   * For a user or a service (`NAME@service`) that names its password or secret.
   * @throws {HoldfastError} USAGE for an unknown service or too many scopes; UNAUTHENTICATED; RATE_LIMITED with `details.retryAfterSeconds` after too many failures;
   *   REGISTRY_UNAVAILABLE when the directory that knows the password does not answer.
   */
  byPassword(account: string, password: Secret, request: TokenRequest): Promise<GrantedToken>
  /**
   * For the holder of a refresh token, which stays good.
   * @throws {HoldfastError} USAGE; UNAUTHENTICATED when it has ended, was revoked, was given for another service, or its user or service has nothing any more.
   */
  byRefreshToken(refreshToken: Secret, request: TokenRequest): Promise<GrantedToken>
  /**
   * For a job or a person with an identity token of an issuer that is trusted (RFC 8693); a job gets no refresh token, whatever it wants.
   * @throws {HoldfastError} USAGE; UNAUTHENTICATED when no rule and no provider fits it; REGISTRY_UNAVAILABLE when the issuer's keys cannot be had.
   */
  byIdentityToken(identityToken: Secret, request: TokenRequest): Promise<GrantedToken>
}
