/** Turns what a socket, TLS or a malformed answer says into an error of the table, with a reason in words and commands that help. */
import {classifyAddress} from '../../core/address-policy.ts'
import {HoldfastError} from '../../core/errors.ts'
import {SlowTransferError} from '../../core/rate-watch.ts'
import {excerpt} from '../../core/redaction.ts'
import {ConnectionClosedError, IdleTimeoutError} from './connection.ts'
import {AddressRefusedError} from './guarded-lookup.ts'
import {MalformedAnswerError} from './head.ts'

const HTTP_BAD_REQUEST = 400
const HTTP_UNAUTHORIZED = 401
const HTTP_PROXY_AUTHENTICATION_REQUIRED = 407

/** Commands that help where a server that is not a registry cannot be reached. */
export interface ServerHints {
  /** Shows whether it can be reached, without a proxy. */
  readonly reach: string
  /** Make its certificate trusted. */
  readonly trust: readonly string[]
}

/** What was tried; `url` is shown without its query. */
export interface Attempt {
  readonly method: string
  readonly url: URL
  /** `host:port` of the proxy that was to carry it. */
  readonly proxy?: string | undefined
  /** What helps where the server is not a registry. */
  readonly hints?: ServerHints | undefined
  /** False when no byte of the request was sent: the error says so in `requestSent`. */
  readonly isSent?: boolean
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

/** The proxy did not open a tunnel, or did not take the request; the message is the reason. */
export class ProxyRefusedError extends Error {
  override readonly name = 'ProxyRefusedError'
  /** It wants credentials. */
  readonly isUnauthenticated: boolean

  constructor(reason: string, isUnauthenticated = false) {
    super(reason)
    this.isUnauthenticated = isUnauthenticated
  }

  /** @param status what the proxy answered instead of opening a tunnel. */
  static forStatus(status: number): ProxyRefusedError {
    // Tinyproxy has 401 for wrong ones.
    return status === HTTP_PROXY_AUTHENTICATION_REQUIRED || status === HTTP_UNAUTHORIZED
      ? new ProxyRefusedError(`wants credentials, or refuses the given ones (${status})`, true)
      : new ProxyRefusedError(`refuses the tunnel with status ${status}`)
  }
}

/** The TLS connection to the proxy itself failed; `cause` is what TLS said. */
export class ProxyTlsError extends Error {
  override readonly name = 'ProxyTlsError'
}

/** How nginx, Apache, Go and Tomcat answer plain HTTP where they speak TLS. */
const WANTS_TLS =
  /plain HTTP request was sent to HTTPS port|speaking plain HTTP to an SSL-enabled|HTTP request to an HTTPS server|requires TLS/i

/**
 * Refuses answers that are not those of the server that was meant: a proxy that wants credentials, and a port that speaks TLS.
 * @throws {HoldfastError} CONFIGURATION
 */
export function assertReached(status: number, body: () => string, attempt: Attempt): void {
  const {method, url, proxy, hints} = attempt
  if (status === HTTP_PROXY_AUTHENTICATION_REQUIRED && proxy !== undefined)
    throw describeFailure(ProxyRefusedError.forStatus(status), attempt)
  if (status !== HTTP_BAD_REQUEST || url.protocol !== 'http:' || !WANTS_TLS.test(body())) return
  throw new HoldfastError(
    'CONFIGURATION',
    `cannot ${method} "${url.origin}${url.pathname}": the server speaks https there, and was asked by plain http`,
    {
      hints: [hints === undefined ? `holdfast registry add NAME https://${url.host}` : hints.reach.replaceAll('http://', 'https://')],
      details: {httpStatus: status},
    },
  )
}

/** The error that a caller gets for `cause`; an error of ours passes unchanged. */
export function describeFailure(cause: unknown, attempt: Attempt): HoldfastError {
  if (cause instanceof HoldfastError) return cause
  const error = describe(cause, attempt)
  if (attempt.isSent !== false) return error
  return new HoldfastError(error.code, error.message, {hints: error.hints, details: {...error.details, requestSent: false}, cause})
}

function describe(cause: unknown, attempt: Attempt): HoldfastError {
  const {url, method, proxy} = attempt
  const object = `cannot ${method} "${url.origin}${url.pathname}"`
  const code = errorCode(cause)
  if (cause instanceof IdleTimeoutError || cause instanceof ConnectTimeoutError) {
    const details = cause instanceof IdleTimeoutError ? {isStalled: true} : {}
    return new HoldfastError('TIMEOUT', `${object}: ${cause.message}`, {hints: [reachHint(attempt)], details, cause})
  }
  if (cause instanceof SlowTransferError) {
    return new HoldfastError('TIMEOUT', `${object}: ${cause.message}`, {
      hints: ['export HOLDFAST_MIN_RATE=0  # as --min-rate 0: however slow it is'],
      details: {isTooSlow: true},
      cause,
    })
  }
  // The server would say the same again.
  if (cause instanceof MalformedAnswerError)
    return new HoldfastError('NETWORK', `${object}: ${cause.message}`, {details: {isMalformed: true}, cause})
  if (cause instanceof ConnectionClosedError)
    return new HoldfastError('NETWORK', `${object}: the connection broke: ${cause.message}`, {cause})
  if (cause instanceof AddressRefusedError)
    return new HoldfastError('UNTRUSTED_HOST', `${object}: ${cause.message}`, {hints: cause.hints, details: {host: url.host}, cause})
  if (cause instanceof ProxyRefusedError) {
    const variable = `${url.protocol.slice(0, -1).toUpperCase()}_PROXY`
    return new HoldfastError(cause.isUnauthenticated ? 'CONFIGURATION' : 'NETWORK', `${object}: proxy "${proxy}" ${cause.message}`, {
      hints: [...(cause.isUnauthenticated ? [`export ${variable}=http://USER:PASSWORD@${proxy}`] : []), bypassHint(url)],
      details: {proxy},
      cause,
    })
  }
  if (cause instanceof ProxyTlsError && proxy !== undefined) return describeProxyTls(object, cause.cause, url, proxy)
  if (url.protocol === 'https:') {
    const tls = describeTls(object, code, cause, attempt)
    if (tls !== undefined) return tls
  }
  const reason = SOCKET_REASONS[code ?? ''] ?? (code === undefined ? 'the connection failed' : `the connection failed (${code})`)
  const through = proxy === undefined ? '' : ` (through proxy "${proxy}")`
  return new HoldfastError('NETWORK', `${object}: ${reason}${through}`, {
    hints: [reachHint(attempt)],
    details: {...(code === undefined ? {} : {code}), ...(proxy === undefined ? {} : {proxy})},
    cause,
  })
}

/** What a proxy says by TLS before it has been asked for anything. The registry has no part in it, so that no setting of the registry helps. */
function describeProxyTls(object: string, cause: unknown, url: URL, proxy: string): HoldfastError {
  const code = errorCode(cause)
  if (code !== undefined && NOT_TLS_CODES.has(code)) {
    return new HoldfastError('CONFIGURATION', `${object}: proxy "${proxy}" does not speak TLS`, {
      hints: [`export ${url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'}=http://${proxy}`],
      details: {code, proxy},
      cause,
    })
  }
  const reason = TRUST_REASONS[code ?? ''] ?? VALIDITY_REASONS[code ?? ''] ?? `its TLS handshake failed (${code ?? 'unknown reason'})`
  const hints = [
    ...(TRUST_REASONS[code ?? ''] === undefined ? [] : [extraAuthorityHint(proxy)]),
    `openssl s_client -connect ${proxy} -showcerts </dev/null`,
  ]
  return new HoldfastError('TLS', `${object}: the connection to proxy "${proxy}" is not trusted: ${reason}`, {
    hints,
    details: {...(code === undefined ? {} : {code}), proxy},
    cause,
  })
}

function describeTls(
  object: string,
  code: string | undefined,
  cause: unknown,
  {url, proxy, hints: own}: Attempt,
): HoldfastError | undefined {
  if (code === undefined) return undefined
  const details = {code, ...(proxy === undefined ? {} : {proxy})}
  const add = `holdfast registry add NAME ${url.origin}`
  // A proxy that looks into TLS shows a certificate of its own: whether that is wanted is for its operator to say, and never to be switched off with the checks.
  const through = proxy === undefined ? '' : ` (through proxy "${proxy}", which may show a certificate of its own)`
  const insecure = proxy === undefined && own === undefined ? [`${add} --insecure`] : []
  if (NOT_TLS_CODES.has(code)) {
    const hints = [
      own === undefined ? `holdfast registry add NAME http://${url.host} --plain-http` : own.reach.replaceAll('https://', 'http://'),
    ]
    return new HoldfastError('PLAIN_HTTP', `${object}: the server does not speak TLS but plain HTTP`, {hints, details, cause})
  }
  const trust = TRUST_REASONS[code]
  if (trust !== undefined) {
    const trusted = own?.trust ?? [`${add} --ca-file FILE`, ...insecure]
    const hints = [...(proxy === undefined ? [] : [extraAuthorityHint(proxy)]), ...trusted]
    return new HoldfastError('TLS', `${object}: ${trust}${through}`, {hints, details, cause})
  }
  const validity = VALIDITY_REASONS[code]
  if (validity !== undefined)
    return new HoldfastError('TLS', `${object}: ${validity}${through}`, {hints: [inspectHint(url, proxy), ...insecure], details, cause})
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = cause instanceof Error && 'reason' in cause ? ` (${excerpt(String(cause.reason))})` : ''
    return new HoldfastError('TLS', `${object}: its certificate is for another host name${names}${through}`, {
      hints: [inspectHint(url, proxy), ...insecure],
      details,
      cause,
    })
  }
  if (/CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA/.test(code)) {
    const hints = [own === undefined ? `${add} --client-cert FILE --client-key FILE` : inspectHint(url, proxy)]
    return new HoldfastError('TLS', `${object}: the server wants a client certificate that it trusts (${code})`, {hints, details, cause})
  }
  if (!code.startsWith('ERR_SSL_') && !code.startsWith('ERR_OSSL_') && code !== 'EPROTO') return undefined
  return new HoldfastError('TLS', `${object}: the TLS handshake failed (${code})${through}`, {
    hints: [inspectHint(url, proxy)],
    details,
    cause,
  })
}

function errorCode(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined
  // Several addresses were tried: what the first of them said.
  if (cause instanceof AggregateError && cause.errors.length > 0) return errorCode(cause.errors[0])
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
}

/** Most registries of this machine speak plain HTTP, and those that speak TLS answer it as well: whether one is there is seen by http in either case. */
function reachHint({url, proxy, hints}: Attempt): string {
  if (proxy === undefined && hints !== undefined) return hints.reach
  const origin = isLoopback(url) ? `http://${url.host}` : url.origin
  return proxy === undefined ? `curl -sS -o /dev/null -w '%{http_code}\\n' ${origin}/v2/` : bypassHint(url)
}

function isLoopback({hostname}: URL): boolean {
  const name = hostname.replace(/^\[|\]$/g, '')
  return name === 'localhost' || name.endsWith('.localhost') || classifyAddress(name) === 'loopback'
}

function bypassHint(url: URL): string {
  return `export NO_PROXY="${url.hostname},$NO_PROXY"`
}

function extraAuthorityHint(proxy: string): string {
  return `export NODE_EXTRA_CA_CERTS=FILE  # the authority of proxy ${proxy}, in PEM`
}

function inspectHint(url: URL, proxy: string | undefined): string {
  const port = url.port === '' ? '443' : url.port
  const through = proxy === undefined ? '' : `-proxy ${proxy} `
  return `openssl s_client ${through}-connect ${url.hostname}:${port} -showcerts </dev/null`
}
