/**
 * Registry tokens: signed with ES256, with the header that the registry takes, and verified by the keys of the ring alone
 * (distribution's token specification; RFC 7515, RFC 7519). Nothing that a token says of its key is followed: it is looked up.
 */
import {createPrivateKey, createPublicKey, type KeyObject, randomUUID, sign, verify, X509Certificate} from 'node:crypto'
import type {Scope} from '../auth/scope.ts'
import {Secret} from '../core/secret.ts'
import {libtrustKeyId, thumbprint} from './key-id.ts'
import type {KeyRing, Leaf} from './signing-keys.ts'

/** Registries whose clocks are behind take the token nevertheless. */
const NOT_BEFORE_LEEWAY_SECONDS = 10
/** As distribution has it. */
const CLOCK_LEEWAY_SECONDS = 60
/** A header of HTTP has not more. */
const MAX_TOKEN_CHARACTERS = 16 * 1024

/** What in the header leads the registry to the key. */
export type TokenHeaderForm = 'x5c' | 'kid-libtrust' | 'kid-rfc7638'

interface TokenClaims {
  readonly subject: string
  /** The service of the registry. */
  readonly audience: string
  readonly access: readonly Scope[]
  readonly lifeSeconds: number
}

interface VerifiedToken {
  readonly subject: string
  readonly audience: string
  readonly access: readonly Scope[]
}

/** Why a token opens nothing. */
type TokenRefusal = 'malformed' | 'unknown key' | 'signature' | 'issuer' | 'audience' | 'time'

export interface RegistryTokens {
  issue(claims: TokenClaims, form: TokenHeaderForm, now: Date): Secret
  /** @param audiences the services that it may be for. */
  verify(token: string, audiences: (audience: string) => boolean, now: Date): VerifiedToken | TokenRefusal
}

interface SigningKey {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly headers: Readonly<Record<TokenHeaderForm, string>>
}

/** @param issuer as `auth.token.issuer` of the registries has it. */
export function createRegistryTokens({active, retiring}: KeyRing, issuer: string): RegistryTokens {
  const signer = signingKey(active)
  const keys = [signer, ...retiring.map(signingKey)]
  // A token of ours has one of these headers, byte for byte.
  const byHeader = new Map(keys.flatMap((key) => Object.values(key.headers).map((header) => [header, key] as const)))
  return {
    issue({subject, audience, access, lifeSeconds}, form, now) {
      const seconds = Math.floor(now.getTime() / 1000)
      const claims = {
        iss: issuer,
        sub: subject,
        aud: audience,
        exp: seconds + lifeSeconds,
        nbf: seconds - NOT_BEFORE_LEEWAY_SECONDS,
        iat: seconds,
        jti: randomUUID(),
        access: access.map(({type, name, actions}) => ({type, name, actions})),
      }
      const input = `${signer.headers[form]}.${encode(claims)}`
      const signature = sign('sha256', Buffer.from(input), {key: signer.privateKey, dsaEncoding: 'ieee-p1363'})
      return new Secret(`${input}.${signature.toString('base64url')}`)
    },
    verify(token, audiences, now) {
      const parts = token.length > MAX_TOKEN_CHARACTERS ? [] : token.split('.')
      const [header = '', body = '', signature = ''] = parts
      if (parts.length !== 3) return 'malformed'
      const key = byHeader.get(header)
      if (key === undefined) return 'unknown key'
      const signed = {key: key.publicKey, dsaEncoding: 'ieee-p1363'} as const
      if (!verify('sha256', Buffer.from(`${header}.${body}`), signed, Buffer.from(signature, 'base64url'))) return 'signature'
      // What is signed is ours, and has our form.
      const claims: IssuedClaims = JSON.parse(Buffer.from(body, 'base64url').toString('utf8'))
      if (claims.iss !== issuer) return 'issuer'
      if (!audiences(claims.aud)) return 'audience'
      const seconds = now.getTime() / 1000
      if (claims.exp + CLOCK_LEEWAY_SECONDS < seconds || claims.nbf - CLOCK_LEEWAY_SECONDS > seconds) return 'time'
      return {subject: claims.sub, audience: claims.aud, access: claims.access}
    },
  }
}

interface IssuedClaims {
  readonly iss: string
  readonly sub: string
  readonly aud: string
  readonly exp: number
  readonly nbf: number
  readonly access: readonly Scope[]
}

function signingKey({privateKey, certificate}: Leaf): SigningKey {
  const secret = createPrivateKey(privateKey)
  const publicKey = createPublicKey(secret)
  const base = {typ: 'JWT', alg: 'ES256'}
  return {
    privateKey: secret,
    publicKey,
    headers: {
      // Standard base64, not base64url (RFC 7515 §4.1.6).
      x5c: encode({...base, x5c: [new X509Certificate(certificate).raw.toString('base64')]}),
      'kid-libtrust': encode({...base, kid: libtrustKeyId(publicKey)}),
      'kid-rfc7638': encode({...base, kid: thumbprint(publicKey)}),
    },
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** The public keys as a JSON Web Key Set (RFC 7517): each twice, since distribution 2.8 and 3 name them differently. */
export function publicKeys({active, retiring}: KeyRing): {readonly keys: readonly object[]} {
  return {
    keys: [active, ...retiring].flatMap(({privateKey}) => {
      const publicKey = createPublicKey(createPrivateKey(privateKey))
      const jwk = {...publicKey.export({format: 'jwk'}), use: 'sig', alg: 'ES256'}
      return [libtrustKeyId(publicKey), thumbprint(publicKey)].map((kid) => ({...jwk, kid}))
    }),
  }
}
