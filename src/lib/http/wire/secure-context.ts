/** TLS contexts: one for each distinct setting in the whole process, since making one parses every trusted certificate. */
import type {SecureContext} from 'node:tls'
import {HoldfastError} from '../../core/errors.ts'
import type {TlsSettings} from '../client.ts'

const MIN_VERSION = 'TLSv1.2'

const contexts = new Map<string, SecureContext>()

/**
 * The context for these settings. An extra authority comes on top of the ones that Node trusts (its own list, NODE_EXTRA_CA_CERTS, the system's when asked for).
 * @throws {HoldfastError} CONFIGURATION when a certificate or key cannot be read as PEM, or they do not belong together.
 */
export function secureContextFor(tls: typeof import('node:tls'), settings: TlsSettings): SecureContext {
  const {ca, clientCert, clientKey} = settings
  const key = JSON.stringify([ca, clientCert, clientKey])
  const known = contexts.get(key)
  if (known !== undefined) return known
  try {
    const context = tls.createSecureContext({
      minVersion: MIN_VERSION,
      ...(ca === undefined ? {} : {ca: [...tls.getCACertificates('default'), ca]}),
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
