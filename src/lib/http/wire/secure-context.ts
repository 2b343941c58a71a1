/** TLS contexts: one for each distinct setting in the whole process, since making one parses every trusted certificate. */
import type {SecureContext} from 'node:tls'
import {HoldfastError} from '../../core/errors.ts'
import type {TlsSettings} from '../client.ts'

const MIN_VERSION = 'TLSv1.2'

/** What OpenSSL says of a chain whose authority it does not know. */
const UNKNOWN_AUTHORITY: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
])

const contexts = new Map<string, SecureContext>()
let trustsSystem = false

/**
 * Makes one TLS attempt, and another one with what the operating system trusts when the first says that it does not know the authority: reading the system's store
 * takes some 50 ms, which most runs need not spend. From then on every context of the process has it.
 * @param attempt asks `secureContextFor` for its context; rejects with OpenSSL's code.
 * @param distrust OpenSSL's code for a result that is no success, of an attempt that does not reject for it.
 */
export async function withSystemTrust<T>(
  attempt: () => Promise<T>,
  distrust: (result: T) => string | undefined = () => undefined,
): Promise<T> {
  const isWorthAnother = trustsSystem ? () => false : (code: string | undefined) => UNKNOWN_AUTHORITY.has(code ?? '')
  try {
    const result = await attempt()
    if (!isWorthAnother(distrust(result))) return result
  } catch (error) {
    // The proxy's own TLS has its code one level deeper.
    const said = error instanceof Error && error.cause instanceof Error ? error.cause : error
    if (!(said instanceof Error && 'code' in said && isWorthAnother(String(said.code)))) throw error
  }
  trustsSystem = true
  return await attempt()
}

/**
 * The context for these settings. An extra authority comes on top of the ones that are trusted anyway (Node's own list, NODE_EXTRA_CA_CERTS, and the system's
 * once `withSystemTrust` has found them needed).
 * @throws {HoldfastError} CONFIGURATION when a certificate or key cannot be read as PEM, or they do not belong together.
 */
export function secureContextFor(tls: typeof import('node:tls'), settings: TlsSettings): SecureContext {
  const {ca, clientCert, clientKey} = settings
  const key = JSON.stringify([ca, clientCert, clientKey, trustsSystem])
  const known = contexts.get(key)
  if (known !== undefined) return known
  try {
    const context = tls.createSecureContext({
      minVersion: MIN_VERSION,
      ...authorities(tls, ca),
      ...(clientCert === undefined ? {} : {cert: clientCert}),
      ...(clientKey === undefined ? {} : {key: clientKey}),
    })
    contexts.set(key, context)
    return context
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
    throw new HoldfastError(
      'CONFIGURATION',
      `cannot use "the given CA or client certificate": not a PEM certificate with its key (${code})`,
      {
        hints: ['openssl x509 -in FILE -noout -subject -dates'],
      },
    )
  }
}

/** Node's default list is parsed ahead of time: it is named only where something is added to it. */
function authorities(tls: typeof import('node:tls'), ca: string | undefined): {readonly ca?: string[]} {
  if (ca === undefined && !trustsSystem) return {}
  const trusted = new Set(tls.getCACertificates('default'))
  for (const certificate of trustsSystem ? tls.getCACertificates('system') : []) trusted.add(certificate)
  return {ca: ca === undefined ? [...trusted] : [...trusted, ca]}
}
