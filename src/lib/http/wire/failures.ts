/** Turns what a socket, TLS or a malformed answer says into an error of the table, with a reason in words and commands that help. */
import {HoldfastError} from '../../core/errors.ts'
import {ConnectionClosedError, IdleTimeoutError} from './connection.ts'
import {AddressRefusedError} from './guarded-lookup.ts'
import {MalformedAnswerError} from './head.ts'
import {SlowTransferError} from './rate-watch.ts'

/** What was tried; `url` is shown without its query. */
export interface Attempt {
  readonly method: string
  readonly url: URL
  /** `host:port` of the proxy that was to carry it. */
  readonly proxy?: string | undefined
}

const SOCKET_REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the server closed the connection',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name server does not answer',
  ETIMEDOUT: 'no answer from the host',
  EHOSTUNREACH: 'the host is unreachable',
  ENETUNREACH: 'the network is unreachable',
  // What undici makes of a connection that ends early, a TLS alert included.
  UND_ERR_SOCKET: 'the server closed the connection',
}

const TRUST_REASONS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate was issued by an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate was issued by an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate was issued by an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate was issued by an unknown authority',
}

const VALIDITY_REASONS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  CERT_REVOKED: 'its certificate was revoked',
  CERT_UNTRUSTED: 'its certificate is not trusted',
  INVALID_PURPOSE: 'its certificate is not meant for servers',
  CERT_SIGNATURE_FAILURE: 'the signature of its certificate is wrong',
}

/** What OpenSSL says of bytes that are no TLS record. */
export const NOT_TLS_CODES: ReadonlySet<string> = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_HTTP_REQUEST',
  'ERR_SSL_UNEXPECTED_MESSAGE',
])

/** The client gave up on connecting: DNS, TCP, the proxy and TLS together took too long. */
export class ConnectTimeoutError extends Error {
  override readonly name = 'ConnectTimeoutError'
}

/** The proxy did not open a tunnel; the message is the reason. */
export class ProxyRefusedError extends Error {
  override readonly name = 'ProxyRefusedError'
}

/** The error that a caller gets for `cause`; an error of ours passes unchanged. */
export function describeFailure(cause: unknown, attempt: Attempt): HoldfastError {
  if (cause instanceof HoldfastError) return cause
  const {url, method, proxy} = attempt
  const object = `cannot ${method} "${url.origin}${url.pathname}"`
  const code = errorCode(cause)
  if (cause instanceof IdleTimeoutError || cause instanceof ConnectTimeoutError) {
    return new HoldfastError('TIMEOUT', `${object}: ${cause.message}`, {hints: [reachHint(url, proxy)], cause})
  }
  if (cause instanceof SlowTransferError) {
    return new HoldfastError('TIMEOUT', `${object}: ${cause.message}`, {hints: ['export HOLDFAST_MIN_RATE=0  # however slow it is'], cause})
  }
  if (cause instanceof MalformedAnswerError) return new HoldfastError('NETWORK', `${object}: ${cause.message}`, {cause})
  if (cause instanceof ConnectionClosedError)
    return new HoldfastError('NETWORK', `${object}: the connection broke: ${cause.message}`, {cause})
  if (cause instanceof AddressRefusedError) return new HoldfastError('UNTRUSTED_HOST', `${object}: ${cause.message}`, {cause})
  if (cause instanceof ProxyRefusedError) {
    return new HoldfastError('NETWORK', `${object}: proxy "${proxy}" ${cause.message}`, {
      hints: [`export NO_PROXY="${url.hostname},$NO_PROXY"`],
      cause,
    })
  }
  if (url.protocol === 'https:') {
    const tls = describeTls(object, code, cause, url)
    if (tls !== undefined) return tls
  }
  const reason = SOCKET_REASONS[code ?? ''] ?? (code === undefined ? 'the connection failed' : `the connection failed (${code})`)
  const through = proxy === undefined ? '' : ` (through proxy "${proxy}")`
  return new HoldfastError('NETWORK', `${object}: ${reason}${through}`, {
    hints: [reachHint(url, proxy)],
    details: code === undefined ? {} : {code},
    cause,
  })
}

function describeTls(object: string, code: string | undefined, cause: unknown, url: URL): HoldfastError | undefined {
  if (code === undefined) return undefined
  const details = {code}
  const add = `holdfast registry add NAME ${url.origin}`
  if (NOT_TLS_CODES.has(code)) {
    const hints = [`holdfast registry add NAME http://${url.host} --plain-http`]
    return new HoldfastError('PLAIN_HTTP', `${object}: the server does not speak TLS but plain HTTP`, {hints, details, cause})
  }
  const trust = TRUST_REASONS[code]
  if (trust !== undefined) {
    const hints = [`${add} --ca-file FILE`, `${add} --insecure`]
    return new HoldfastError('TLS', `${object}: ${trust}`, {hints, details, cause})
  }
  const validity = VALIDITY_REASONS[code]
  if (validity !== undefined)
    return new HoldfastError('TLS', `${object}: ${validity}`, {hints: [inspectHint(url), `${add} --insecure`], details, cause})
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = cause instanceof Error && 'reason' in cause ? ` (${String(cause.reason)})` : ''
    return new HoldfastError('TLS', `${object}: its certificate is for another host name${names}`, {
      hints: [inspectHint(url), `${add} --insecure`],
      details,
      cause,
    })
  }
  if (/CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA/.test(code)) {
    const hints = [`${add} --client-cert FILE --client-key FILE`]
    return new HoldfastError('TLS', `${object}: the server wants a client certificate that it trusts (${code})`, {hints, details, cause})
  }
  if (!code.startsWith('ERR_SSL_') && !code.startsWith('ERR_OSSL_') && code !== 'EPROTO') return undefined
  return new HoldfastError('TLS', `${object}: the TLS handshake failed (${code})`, {hints: [inspectHint(url)], details, cause})
}

function errorCode(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined
  // Several addresses were tried: what the first of them said.
  if (cause instanceof AggregateError && cause.errors.length > 0) return errorCode(cause.errors[0])
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
}

function reachHint(url: URL, proxy: string | undefined): string {
  return proxy === undefined
    ? `curl -sS -o /dev/null -w '%{http_code}\\n' ${url.origin}/v2/`
    : `export NO_PROXY="${url.hostname},$NO_PROXY"`
}

function inspectHint(url: URL): string {
  const port = url.port === '' ? '443' : url.port
  return `openssl s_client -connect ${url.hostname}:${port} -showcerts </dev/null`
}
