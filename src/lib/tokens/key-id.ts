/** How registries name keys: distribution 2.8 by libtrust's fingerprint, distribution 3 by RFC 7638's thumbprint. */
import {createHash, type KeyObject} from 'node:crypto'

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** Of the hash; 240 bits are 48 characters of base32. */
const LIBTRUST_BYTES = 30

/** `ABCD:EFGH:…`: base32 of the first 240 bits of SHA-256 over the public key's DER (docker/libtrust, key.go). */
export function libtrustKeyId(publicKey: KeyObject): string {
  const der = publicKey.export({type: 'spki', format: 'der'})
  const hash = createHash('sha256').update(der).digest().subarray(0, LIBTRUST_BYTES)
  const bits = [...hash].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const letters = bits.replaceAll(/.{5}/g, (five) => BASE32[Number.parseInt(five, 2)] ?? '')
  return letters.replaceAll(/.{4}(?!$)/g, '$&:')
}

/** Base64url of SHA-256 over the members that RFC 7638 §3.2 requires, in their order. */
export function thumbprint(publicKey: KeyObject): string {
  const {crv, kty, x, y} = publicKey.export({format: 'jwk'})
  return createHash('sha256').update(JSON.stringify({crv, kty, x, y})).digest('base64url')
}
