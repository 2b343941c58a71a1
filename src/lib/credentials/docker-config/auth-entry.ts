/** One entry of `auths`. */
import type {RegistryCredential} from '../../content/remote/endpoint.ts'

/** The user name by which docker and its helpers say that the password is an identity token. */
const IDENTITY_TOKEN_USERNAME = '<token>'
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/**
 * What decoding an entry came to: `none` for an entry without credentials, as docker leaves behind when a helper keeps them; `absurd` for a value that cannot hold any;
 * `malformed` for credentials that cannot be read.
 */
export type DecodedEntry =
  | {readonly kind: 'found'; readonly credential: RegistryCredential}
  | {readonly kind: 'none' | 'absurd' | 'malformed'}

/**
 * Decodes an entry of `auths`. `registrytoken` comes before `identitytoken`, before `auth` (base64 of `user:password`), before `username` with `password`,
 * as in docker and podman. Reasons are never given in detail, since they would quote a secret.
 */
export function decodeAuthEntry(entry: unknown): DecodedEntry {
  if (entry === null) return {kind: 'none'}
  if (typeof entry !== 'object' || Array.isArray(entry)) return {kind: 'absurd'}
  const fields: Readonly<Record<string, unknown>> = {...entry}
  const {registrytoken, identitytoken, auth, username, password} = fields
  if (
    [registrytoken, identitytoken, auth, username, password].some(
      (value) => value !== undefined && value !== null && typeof value !== 'string',
    )
  )
    return {kind: 'absurd'}
  if (typeof registrytoken === 'string' && registrytoken !== '') return found({kind: 'registry-token', token: registrytoken})
  if (typeof identitytoken === 'string' && identitytoken !== '') return found({kind: 'identity-token', token: identitytoken})
  if (typeof auth === 'string' && auth !== '') return decodeBasic(auth)
  if (typeof username === 'string' && username !== '') return found(credentialOf(username, typeof password === 'string' ? password : ''))
  return {kind: 'none'}
}

/** Turns a user name and a secret into a credential, with docker's rule for identity tokens. */
export function credentialOf(username: string, secret: string): RegistryCredential {
  return username === IDENTITY_TOKEN_USERNAME ? {kind: 'identity-token', token: secret} : {kind: 'basic', username, password: secret}
}

function decodeBasic(auth: string): DecodedEntry {
  if (!BASE64.test(auth)) return {kind: 'malformed'}
  const text = Buffer.from(auth, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 1) return {kind: 'malformed'}
  // Docker pads some passwords with NUL bytes and drops them when it reads.
  return found(credentialOf(text.slice(0, colon), text.slice(colon + 1).replace(/\0+$/, '')))
}

function found(credential: RegistryCredential): DecodedEntry {
  return {kind: 'found', credential}
}
