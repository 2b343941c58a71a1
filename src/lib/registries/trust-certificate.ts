/** Whether the certificate of a registry is acceptable, and what to do when it is not. */
import {HoldfastError} from '../core/errors.ts'
import {type CertificateFacts, DISTRUST, type DistrustReason, type PresentedCertificate} from './certificate.ts'
import type {ServerAddress} from './reach.ts'
import {type RegistrySubject, settingHint} from './subject.ts'

/** One line on a certificate: subject, issuer, validity. */
export function formatCertificate({subject, issuer, validFrom, validTo}: CertificateFacts): string {
  return `"${subject}", issued by "${issuer}", valid from ${validFrom.slice(0, 10)} to ${validTo.slice(0, 10)}`
}

/**
 * Accepts a trusted certificate.
 * @throws {HoldfastError} TLS naming the certificate at fault: its subject, issuer, validity, and the reason.
 */
export function assertTrustedCertificate(presented: PresentedCertificate, address: ServerAddress, subject: RegistrySubject): void {
  const {distrust, names} = presented
  if (distrust === undefined) return
  const {reason, certificate, code} = distrust
  const why = reason === 'host-name' ? `it is for ${names.join(', ') || 'no host'}, not for ${address.hostname}` : DISTRUST[reason]
  throw new HoldfastError('TLS', `cannot trust "${subject.host}": ${why}; the certificate is ${formatCertificate(certificate)} (${code})`, {
    hints: hintsFor(reason, address, subject),
    details: {reason, code, certificate, names},
  })
}

function hintsFor(reason: DistrustReason, address: ServerAddress, subject: RegistrySubject): readonly string[] {
  const server = `${address.hostname.includes(':') ? `[${address.hostname}]` : address.hostname}:${address.port}`
  const insecure = settingHint(subject, '--insecure')
  const show = `openssl s_client -connect ${server} -servername ${address.hostname} -showcerts </dev/null`
  switch (reason) {
    case 'self-signed':
      return [`${show} | openssl x509 -out registry.pem`, settingHint(subject, '--ca-file registry.pem'), insecure]
    case 'unknown-authority':
      return [settingHint(subject, '--ca-file FILE'), insecure]
    default:
      return [`${show} | openssl x509 -noout -subject -issuer -dates -ext subjectAltName`, insecure]
  }
}
