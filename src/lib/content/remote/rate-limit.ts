/** What a registry says about its quota, as Docker Hub does: `ratelimit-limit: 100;w=21600`, `ratelimit-remaining: 76;w=21600`. */
import type {HttpHeaders} from '../../http/client.ts'

export interface RateLimit {
  /** Pulls in the registry's time window. */
  readonly limit: number
  readonly remaining: number
}

/** Undefined for an answer that does not tell. */
export function parseRateLimit(headers: HttpHeaders): RateLimit | undefined {
  const limit = countOf(headers['ratelimit-limit'])
  const remaining = countOf(headers['ratelimit-remaining'])
  return limit === undefined || remaining === undefined ? undefined : {limit, remaining}
}

function countOf(text: string | undefined): number | undefined {
  const [, count] = /^\s*([0-9]{1,12})(?:\s*[;,].*)?$/.exec(text ?? '') ?? []
  return count === undefined ? undefined : Number(count)
}
