/** The private certificate authority of registry tokens, and the leaf certificates under it (RFC 5280). Nothing else may be signed by it. */
import 'reflect-metadata'
import {randomBytes, type webcrypto} from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'

const ALGORITHM = {name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256'} as const
const SERIAL_BYTES = 16
/** Clocks differ: what was made just now is valid elsewhere, too. */
const BACKDATE_MS = 5 * 60_000

/** A key with its certificate, both as PEM. */
export interface Certified {
  /** PKCS #8. */
  readonly privateKey: string
  readonly certificate: string
  /** ISO 8601. */
  readonly notAfter: string
}

export async function makeAuthority(name: string, now: Date, lifeMs: number): Promise<Certified> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const notAfter = new Date(now.getTime() + lifeMs)
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{CN: [name]}],
    notBefore: new Date(now.getTime() - BACKDATE_MS),
    notAfter,
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return {privateKey: await exportPrivateKey(keys.privateKey), certificate: certificate.toString('pem'), notAfter: notAfter.toISOString()}
}

export async function makeLeaf(name: string, authority: Certified, now: Date, lifeMs: number): Promise<Certified> {
  const {X509Certificate} = await import('@peculiar/x509')
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const issuer = new X509Certificate(authority.certificate)
  const signingKey = await crypto.subtle.importKey('pkcs8', derOf(authority.privateKey), ALGORITHM, false, ['sign'])
  const notAfter = new Date(Math.min(now.getTime() + lifeMs, Date.parse(authority.notAfter)))
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{CN: [name]}],
    issuer: issuer.subject,
    notBefore: new Date(now.getTime() - BACKDATE_MS),
    notAfter,
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  })
  return {privateKey: await exportPrivateKey(keys.privateKey), certificate: certificate.toString('pem'), notAfter: notAfter.toISOString()}
}

/** Positive, as RFC 5280 §4.1.2.2 wants it. */
function serialNumber(): string {
  const bytes = randomBytes(SERIAL_BYTES)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes.toString('hex')
}

async function exportPrivateKey(key: webcrypto.CryptoKey): Promise<string> {
  const base64 = Buffer.from(await crypto.subtle.exportKey('pkcs8', key)).toString('base64')
  return `-----BEGIN PRIVATE KEY-----\n${base64.replaceAll(/.{1,64}/g, '$&\n')}-----END PRIVATE KEY-----\n`
}

function derOf(pem: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(pem.replaceAll(/-----[A-Z ]+-----|\s/g, ''), 'base64'))
}
