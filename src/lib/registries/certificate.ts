/** What certificate a server shows, and which one of its chain is the reason not to trust it. */
import type {X509Certificate} from 'node:crypto'
import {isIP} from 'node:net'
import type {TLSSocket} from 'node:tls'
import {HoldfastError} from '../core/errors.ts'
import type {TlsSettings} from '../http/client.ts'
import {NOT_TLS_CODES} from '../http/wire/failures.ts'
import {secureContextFor, withSystemTrust} from '../http/wire/secure-context.ts'
import {CONNECT_TIMEOUT_MS, MAX_CHAIN_LENGTH} from './limits.ts'

export interface CertificateFacts {
  /** `CN=…, O=…`; the alternative names when the subject is empty. */
  readonly subject: string
  readonly issuer: string
  /** ISO 8601. */
  readonly validFrom: string
  /** ISO 8601. */
  readonly validTo: string
}

export type DistrustReason = 'expired' | 'not-yet-valid' | 'host-name' | 'self-signed' | 'unknown-authority' | 'other'

export interface PresentedCertificate {
  readonly leaf: CertificateFacts
  /** The leaf signs itself. */
  readonly isSelfSigned: boolean
  /** The names that the leaf is for, such as `DNS:localhost`. */
  readonly names: readonly string[]
  /** Absent when the chain is trusted; else which certificate is at fault and why, with OpenSSL's or Node's own code. */
  readonly distrust?: {readonly reason: DistrustReason; readonly code: string; readonly certificate: CertificateFacts}
}

const REASONS: Readonly<Record<string, DistrustReason>> = {
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not-yet-valid',
  ERR_TLS_CERT_ALTNAME_INVALID: 'host-name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'unknown-authority',
  UNABLE_TO_GET_ISSUER_CERT: 'unknown-authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown-authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown-authority',
}

/** What each reason is in words. */
export const DISTRUST: Readonly<Record<DistrustReason, string>> = {
  expired: 'it has expired',
  'not-yet-valid': 'it is not valid yet',
  'host-name': 'it is for other names',
  'self-signed': 'it signs itself and is not trusted here',
  'unknown-authority': 'it was issued by an authority that is not trusted here',
  other: 'it is refused',
}

/**
 * Makes one TLS handshake and reads the chain, whether it is trusted or not; nothing is sent over the connection.
 * @throws {HoldfastError} PLAIN_HTTP when the server does not speak TLS; TLS when the handshake fails otherwise; NETWORK, TIMEOUT; CONFIGURATION for an unusable CA or key.
 */
export async function readCertificate(
  address: {readonly hostname: string; readonly port: number},
  settings: TlsSettings,
  signal?: AbortSignal,
): Promise<PresentedCertificate> {
  const tls = await import('node:tls')
  return withSystemTrust(
    async () => {
      const socket = tls.connect({
        host: address.hostname,
        port: address.port,
        ...(isIP(address.hostname) === 0 ? {servername: address.hostname} : {}),
        rejectUnauthorized: false,
        ALPNProtocols: ['http/1.1'],
        secureContext: secureContextFor(tls, settings),
      })
      try {
        await handshake(socket, address, signal)
        return describe(socket)
      } finally {
        socket.destroy()
      }
    },
    ({distrust}) => distrust?.code,
  )
}

function handshake(socket: TLSSocket, address: {readonly hostname: string; readonly port: number}, signal?: AbortSignal): Promise<void> {
  const name = `${address.hostname}:${address.port}`
  return new Promise((resolve, reject) => {
    const abort = () => reject(new HoldfastError('INTERRUPTED', `interrupted while connecting to "${name}"`))
    if (signal?.aborted) return abort()
    signal?.addEventListener('abort', abort, {once: true})
    socket.once('close', () => signal?.removeEventListener('abort', abort))
    socket.setTimeout(CONNECT_TIMEOUT_MS, () =>
      reject(new HoldfastError('TIMEOUT', `cannot reach "${name}": no TLS handshake within ${CONNECT_TIMEOUT_MS / 1000} s`)),
    )
    socket.once('secureConnect', () => resolve())
    socket.on('error', (cause) => {
      const code = 'code' in cause ? String(cause.code) : ''
      if (NOT_TLS_CODES.has(code))
        reject(new HoldfastError('PLAIN_HTTP', `cannot speak TLS to "${name}": it answers something else, likely plain HTTP`, {cause}))
      else if (code.startsWith('ERR_SSL') || code === 'EPROTO')
        reject(new HoldfastError('TLS', `cannot speak TLS to "${name}": ${code}`, {cause}))
      else reject(new HoldfastError('NETWORK', `cannot speak TLS to "${name}": ${code === '' ? cause.message : code}`, {cause}))
    })
  })
}

function describe(socket: TLSSocket): PresentedCertificate {
  const leaf = socket.getPeerX509Certificate()
  if (leaf === undefined) throw new HoldfastError('TLS', 'cannot read the certificate of the server: it shows none')
  const presented = {leaf: facts(leaf), isSelfSigned: leaf.checkIssued(leaf), names: leaf.subjectAltName?.split(', ') ?? []}
  if (socket.authorized) return presented
  const code = String(socket.authorizationError)
  const reason = REASONS[code] ?? 'other'
  return {...presented, distrust: {reason, code, certificate: facts(atFault(leaf, reason))}}
}

function chainOf(leaf: X509Certificate): readonly X509Certificate[] {
  const chain = [leaf]
  for (let next = leaf.issuerCertificate; next !== undefined && chain.length < MAX_CHAIN_LENGTH; next = next.issuerCertificate) {
    if (next.fingerprint256 === chain.at(-1)?.fingerprint256) break
    chain.push(next)
  }
  return chain
}

/** An expired certificate can be anywhere in the chain; an unknown authority is named by the last one that was shown. */
function atFault(leaf: X509Certificate, reason: DistrustReason): X509Certificate {
  const chain = chainOf(leaf)
  const now = Date.now()
  const candidates: Partial<Record<DistrustReason, X509Certificate | undefined>> = {
    expired: chain.find((certificate) => certificate.validToDate.getTime() < now),
    'not-yet-valid': chain.find((certificate) => certificate.validFromDate.getTime() > now),
    'unknown-authority': chain.at(-1),
  }
  return candidates[reason] ?? leaf
}

function facts(certificate: X509Certificate): CertificateFacts {
  return {
    subject: oneLine(certificate.subject) ?? certificate.subjectAltName ?? '(none)',
    issuer: oneLine(certificate.issuer) ?? '(none)',
    validFrom: certificate.validFromDate.toISOString(),
    validTo: certificate.validToDate.toISOString(),
  }
}

function oneLine(name: string | undefined): string | undefined {
  return name === undefined || name === '' ? undefined : name.split('\n').join(', ')
}
