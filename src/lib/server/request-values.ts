/** Parts of requests that several endpoints read, checked; what is wrong with them becomes an answer. */
import {type Digest, isDigest} from '../oci/digest.ts'
import {SpecError} from './spec-error.ts'

/** Entries of a page that nobody may exceed. */
const MAX_PAGE_ENTRIES = 10_000

const DIGITS = /^[0-9]{1,9}$/

/** @throws {SpecError} 400 DIGEST_INVALID */
export function requireDigest(text: string | null): Digest {
  if (text !== null && isDigest(text)) return text
  throw new SpecError(
    400,
    'DIGEST_INVALID',
    text === null ? 'a digest is required' : 'the digest is not sha256:<64 hex> or sha512:<128 hex>',
  )
}

/**
 * The `n` and `last` of a listing; `n` is undefined when the client did not limit the answer.
 * @throws {SpecError} 400 PAGINATION_NUMBER_INVALID
 */
export function parsePage(query: URLSearchParams): {readonly n?: number; readonly last?: string} {
  const [n, last] = [query.get('n'), query.get('last')]
  if (n !== null && !DIGITS.test(n)) throw new SpecError(400, 'PAGINATION_NUMBER_INVALID', 'n is not a number of entries')
  return {...(n === null ? {} : {n: Math.min(Number(n), MAX_PAGE_ENTRIES)}), ...(last === null ? {} : {last})}
}
