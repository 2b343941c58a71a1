/** What a client on this machine meets at a mirror. */
import {hasCode} from '../core/errors.ts'
import type {Context} from './context.ts'

export type Reached = 'answers' | 'forbidden' | 'unavailable' | 'unreachable'

const TIMEOUT_MS = 10_000

export async function reachMirror(context: Context, url: URL): Promise<Reached> {
  const [{requestJson}, {proxyFor, onExchange}] = await Promise.all([import('../http/json-client.ts'), context.loginNetwork()])
  const base = new URL('/v2/', url)
  try {
    const {status} = await requestJson({
      method: 'GET',
      url: base,
      proxy: proxyFor?.(base),
      signal: context.signal,
      timeoutMs: TIMEOUT_MS,
      onExchange,
    })
    if (status === 403) return 'forbidden'
    return status === 200 || status === 401 ? 'answers' : 'unavailable'
  } catch (error) {
    if (!hasCode(error, 'NETWORK', 'TIMEOUT', 'TLS', 'PLAIN_HTTP')) throw error
    return 'unreachable'
  }
}
