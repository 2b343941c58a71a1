/** What a registry says about its rate limit (`RateLimit-Limit: 100;w=21600`, draft-polli-ratelimit-headers-05 as Docker Hub has it). */

export interface RateLimit {
  /** Pulls in one window. */
  readonly limit: number
  /** Pulls that are left in this window. */
  readonly remaining: number
  readonly windowSeconds?: number
}

const QUOTA = /^\s*([0-9]{1,12})\s*(?:[;,]|$)/
const WINDOW = /;\s*w=([0-9]{1,12})\b/

/** Reads the headers of an answer (lower-case names); undefined when they say nothing, as for accounts without a limit. */
export function readRateLimit(headers: Readonly<Record<string, string>>): RateLimit | undefined {
  const limitText = headers['ratelimit-limit'] ?? ''
  const limit = QUOTA.exec(limitText)?.[1]
  const remaining = QUOTA.exec(headers['ratelimit-remaining'] ?? '')?.[1]
  if (limit === undefined || remaining === undefined) return undefined
  const window = WINDOW.exec(limitText)?.[1]
  return {limit: Number(limit), remaining: Number(remaining), ...(window === undefined ? {} : {windowSeconds: Number(window)})}
}
