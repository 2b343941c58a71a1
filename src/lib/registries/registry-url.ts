/** The address of a registry as people write it. */
import {HoldfastError} from '../core/errors.ts'
import {parseRegistryHost, type RegistryHost} from '../oci/reference.ts'

export interface RegistryUrl {
  /** The registry's name in references; a port that is the scheme's own is left away. */
  readonly host: RegistryHost
  /** Absent for a bare `host[:port]`. */
  readonly scheme?: 'http' | 'https'
}

/** Paths that mean the registry itself. */
const ROOTS = new Set(['', '/', '/v2', '/v2/'])

/**
 * Parses `https://host[:port]`, `http://host[:port]` or `host[:port]`.
 * @throws {HoldfastError} USAGE for another scheme, a path, a query, or credentials in the URL (which are not repeated in the message); INVALID_REFERENCE for a malformed host.
 */
export function parseRegistryUrl(text: string): RegistryUrl {
  if (!text.includes('://')) {
    const host = text.replace(/\/(?:v2\/?)?$/, '')
    if (host.includes('@')) throw refused(host.slice(host.lastIndexOf('@') + 1), 'it holds credentials')
    if (host.includes('/')) throw refused(host, 'it has a path, which belongs to a repository', host.slice(0, host.indexOf('/')))
    return {host: parseRegistryHost(host)}
  }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) throw refused(text.replace(/\/\/.*@/, '//'), 'it is not a URL')
  const origin = `${url.protocol}//${url.host}`
  if (url.username !== '' || url.password !== '') throw refused(origin, 'it holds credentials', origin)
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw refused(origin, 'the scheme must be https or http', `https://${url.host}`)
  if (!ROOTS.has(url.pathname) || url.search !== '' || url.hash !== '')
    throw refused(text, 'it has a path, which belongs to a repository', origin)
  return {host: parseRegistryHost(url.host), scheme: url.protocol === 'https:' ? 'https' : 'http'}
}

/** `https://host[:port]` or `http://host[:port]`. */
export function formatRegistryUrl(host: RegistryHost, isPlainHttp: boolean): string {
  return `${isPlainHttp ? 'http' : 'https'}://${host}`
}

function refused(text: string, reason: string, better?: string): HoldfastError {
  return new HoldfastError('USAGE', `cannot use "${text.slice(0, 300)}" as a registry: ${reason}`, {
    hints: better === undefined ? ['write https://HOST or https://HOST:PORT'] : [`holdfast registry add NAME ${better}`],
  })
}
