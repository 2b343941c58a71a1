/**
 * What a registry or a token endpoint says when it refuses: `errors` of the distribution specification (1.1 §Error Codes), `error` and `error_description` of
 * OAuth 2 (RFC 6749 §5.2), or a lone `message`, `details` or `detail` as some endpoints have it.
 */
import {excerpt} from '../core/redaction.ts'

/** The first error of a body, shortened. */
export interface Refusal {
  readonly code?: string
  readonly message?: string
}

const MAX_CODE_CHARACTERS = 64
/** UAA, LDAP, and directories behind registries: `Your account has been locked because of too many failed attempts to login.` */
const LOCKED = /\b(?:locked|lock-?out)\b|too many (?:failed|unsuccessful|invalid) /i

/** Decodes the JSON of a refusal; empty when it is in none of these forms. Secrets that the server repeats are masked. */
export function decodeRefusal(json: unknown): Refusal {
  if (!isObject(json)) return {}
  const first: unknown = Array.isArray(json.errors) ? json.errors[0] : undefined
  const [code, message] = isObject(first)
    ? [first.code, first.message]
    : [json.error, json.error_description ?? json.message ?? json.details ?? json.detail]
  return {
    ...(typeof code === 'string' && code !== '' ? {code: excerpt(code, MAX_CODE_CHARACTERS)} : {}),
    ...(typeof message === 'string' && message !== '' ? {message: excerpt(message)} : {}),
  }
}

/** Tells whether the account is locked, as far as words can tell. Whoever is told so must not try again. */
export function saysLocked({code = '', message = ''}: Refusal): boolean {
  return LOCKED.test(code.replaceAll('_', ' ')) || LOCKED.test(message)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
