/** One attempt to log in, and what its refusals mean. */
import {decodeRefusal, saysLocked} from '../auth/refusal.ts'
import {formatSeconds} from '../core/duration.ts'
import {type ErrorCode, HoldfastError} from '../core/errors.ts'
import {redactUrl} from '../core/redaction.ts'
import {parseRetryAfter} from '../core/retry.ts'
import type {RegistryHost} from '../oci/reference.ts'

/** Who tries to log in where. */
export interface LoginAttempt {
  readonly registry: RegistryHost
  readonly account: string
  readonly secretKind: 'password' | 'identity-token'
}

/** An answer that is not the one that was hoped for. */
export interface RefusingAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly json: unknown
}

interface Meaning {
  readonly code: ErrorCode
  readonly reason: string
  readonly hints: readonly string[]
}

/**
 * Makes the error for what `url` answered: UNAUTHENTICATED for a wrong password or token, ACCOUNT_LOCKED where the answer says so and more tries would do harm, DENIED for any other 403, RATE_LIMITED with
 * `retryAfterMs`, REGISTRY_UNAVAILABLE, UNTRUSTED_HOST for a redirect (a login is never redirected), else UNSUPPORTED.
 */
export function loginRefusal(attempt: LoginAttempt, url: URL, answer: RefusingAnswer): HoldfastError {
  const {code: said, message} = decodeRefusal(answer.json)
  const words = [said, message].filter((part) => part !== undefined).join(': ')
  const quoted = `${answer.status}${words === '' ? '' : ` ${words}`}`
  const retryAfterMs = parseRetryAfter(answer.headers['retry-after'], Date.now())
  const {code, reason, hints} = meaningOf(attempt, url, answer)
  return loginFailure(attempt, code, `${url.host} ${reason} (${quoted})`, {
    hints,
    details: {
      host: url.host,
      httpStatus: answer.status,
      ...(said === undefined ? {} : {registryCode: said}),
      ...(answer.status === 429 && retryAfterMs !== undefined ? {retryAfterMs} : {}),
    },
  })
}

/** `cannot log in to "registry" as "account": <reason>; nothing was kept`. */
export function loginFailure(
  {registry, account}: Pick<LoginAttempt, 'registry' | 'account'>,
  code: ErrorCode,
  reason: string,
  options: {readonly hints?: readonly string[]; readonly details?: Readonly<Record<string, unknown>>} = {},
): HoldfastError {
  const message = `cannot log in to "${registry}" as "${account}": ${reason}; nothing was kept`
  return new HoldfastError(code, message, {...options, details: {registry, ...options.details}})
}

function meaningOf({registry, secretKind}: LoginAttempt, url: URL, {status, headers, json}: RefusingAnswer): Meaning {
  const again = `holdfast login ${registry}`
  const refusal = decodeRefusal(json)
  if (status >= 400 && status < 500 && saysLocked(refusal)) {
    const reason = 'has locked the account; more tries may prolong the lock'
    return {code: 'ACCOUNT_LOCKED', reason, hints: [`${again}  # once whoever runs ${registry} has unlocked the account`]}
  }
  // A missing right, an address that may not come, a firewall: the server's own words say which, if any.
  if (status === 403) return {code: 'DENIED', reason: 'refuses the login', hints: [`holdfast registry check ${registry}`]}
  if (status === 429) {
    const askedMs = parseRetryAfter(headers['retry-after'], Date.now(), Number.POSITIVE_INFINITY)
    const seconds = askedMs === undefined ? undefined : Math.ceil(askedMs / 1000)
    const pause = seconds === undefined ? 'a pause' : `a pause of ${formatSeconds(seconds)}`
    return {code: 'RATE_LIMITED', reason: `wants ${pause}`, hints: [`sleep ${seconds ?? 60} && ${again}`]}
  }
  if (status === 401 || (status === 400 && (secretKind === 'identity-token' || refusal.code === 'invalid_grant'))) {
    const what = secretKind === 'password' ? 'the user name or the password' : 'the identity token'
    return {code: 'UNAUTHENTICATED', reason: `refuses ${what}`, hints: [again]}
  }
  if (status >= 500 && status !== 501)
    return {code: 'REGISTRY_UNAVAILABLE', reason: 'fails', hints: [`holdfast registry check ${registry}`]}
  if (status >= 300 && status < 400) {
    return {code: 'UNTRUSTED_HOST', reason: `redirects to ${redirectTarget(headers.location, url)}, and secrets do not follow`, hints: []}
  }
  return {code: 'UNSUPPORTED', reason: 'offers no such login', hints: [`holdfast registry check ${registry}`]}
}

function redirectTarget(location: string | undefined, url: URL): string {
  return location !== undefined && URL.canParse(location, url.href) ? `"${redactUrl(new URL(location, url))}"` : 'somewhere'
}
