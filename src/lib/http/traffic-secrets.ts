/** Finds the secrets in what is sent and what comes, so that no error repeats them (`core/known-secrets.ts`). Both HTTP clients call it, and nothing above them has to. */
import {rememberSecrets} from '../core/known-secrets.ts'
import type {HttpHeaders} from './client.ts'

/** Headers whose values are secrets: credentials follow the scheme in the first two. */
const AUTHORIZATION: readonly string[] = ['authorization', 'proxy-authorization']
const SECRET_HEADERS: readonly string[] = ['x-consul-token', 'x-amz-security-token']
/** Fields of forms and of JSON. */
const SECRET_FIELD = /pass(?:word|code|wd)?$|secret|token$|credential|assertion|device_code/i
const FORM = 'application/x-www-form-urlencoded'
/** Parameters of signed URLs are long; what they are called differs with every store. */
const MIN_PARAMETER_CHARACTERS = 16
/** What is in URLs and is no secret: digests, hosts, media types. */
const PLAIN_PARAMETER = /^(?:sha(?:256|512):[0-9a-f]+|[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::[0-9]+)?|[^0-9]*)$/

/** Remembers what a request shows: its credentials, and the secret fields of a form or of JSON. */
export function rememberSent(headers: HttpHeaders, body?: Uint8Array | object): void {
  for (const [name, value] of Object.entries(headers)) {
    if (AUTHORIZATION.includes(name)) rememberAuthorization(value)
    else if (SECRET_HEADERS.includes(name)) rememberSecrets(value)
  }
  if (body instanceof Uint8Array) {
    if (headers['content-type'] === FORM) rememberFields(Object.fromEntries(new URLSearchParams(Buffer.from(body).toString('utf8'))))
  } else if (body !== undefined) rememberFields(body)
}

/** Remembers what an answer brings: the signature of a URL that it sends us to. Tokens are remembered where they are decoded. */
export function rememberReceived({location}: HttpHeaders, base: URL): void {
  const url = location === undefined ? null : URL.parse(location, base.href)
  if (url === null || url.search === '') return
  for (const value of url.searchParams.values())
    if (value.length >= MIN_PARAMETER_CHARACTERS && !PLAIN_PARAMETER.test(value)) rememberSecrets(value)
}

/** The credentials of an `Authorization`: of Basic the pair and its password as well. */
export function rememberAuthorization(value: string): void {
  const [scheme = '', credentials] = value.split(' ', 2)
  if (credentials === undefined) return
  rememberSecrets(credentials)
  if (scheme.toLowerCase() !== 'basic') return
  const pair = Buffer.from(credentials, 'base64').toString('utf8')
  rememberSecrets(pair, pair.slice(pair.indexOf(':') + 1))
}

function rememberFields(fields: object): void {
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'object' && value !== null) rememberFields(value)
    else if (typeof value === 'string' && SECRET_FIELD.test(name)) rememberSecrets(value)
  }
}
