/**
 * Digests: `algorithm:hex` (image-spec 1.1 descriptor.md §Digests). Only registered algorithms are accepted, so that a
 * digest is safe inside a path or a URL the moment it has been parsed.
 */
import {createHash, type Hash} from 'node:crypto'
import {HoldfastError} from '../core/errors.ts'

/** A digest that has been checked: a registered algorithm and as many lower-case hex digits as it gives. */
export type Digest = string & {readonly __brand: 'Digest'}

export type DigestAlgorithm = 'sha256' | 'sha512'

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = {sha256: 64, sha512: 128}
const DIGEST = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

/** Tells whether `text` is a digest we accept. */
export function isDigest(text: string): text is Digest {
  return DIGEST.test(text)
}

/**
 * Parses a digest.
 * @throws {HoldfastError} INVALID_DIGEST when the algorithm is not registered or the hex has the wrong length or case.
 */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text
  const algorithm = text.slice(0, Math.max(0, text.indexOf(':')))
  const reason = isAlgorithm(algorithm)
    ? `${algorithm} takes ${HEX_LENGTH[algorithm]} lower-case hex digits`
    : 'the algorithm must be sha256 or sha512'
  throw new HoldfastError('INVALID_DIGEST', `cannot read digest "${text.slice(0, 150)}": ${reason}`)
}

function isAlgorithm(text: string): text is DigestAlgorithm {
  return Object.hasOwn(HEX_LENGTH, text)
}

/** The algorithm of a digest. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512'
}

/** The hex part of a digest. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

/** The digest of bytes in memory. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return finishDigest(createHash(algorithm).update(bytes), algorithm)
}

/** A running hash for the algorithm of `digest`. */
export function createDigestHash(digest: Digest): Hash {
  return createHash(digestAlgorithm(digest))
}

/** Ends a running hash and names its algorithm. */
export function finishDigest(hash: Hash, algorithm: DigestAlgorithm): Digest {
  return `${algorithm}:${hash.digest('hex')}` as Digest
}
