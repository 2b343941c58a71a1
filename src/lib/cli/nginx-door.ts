/** Where an nginx of ours listens, and with which certificate: what its URL says, so that clients find it there. */
import {isIP} from 'node:net'
import {resolve} from 'node:path'
import {HoldfastError} from '../core/errors.ts'
import {excerpt} from '../core/redaction.ts'

export interface DoorFlags {
  readonly 'nginx-listen'?: string | undefined
  readonly 'tls-cert'?: string | undefined
  readonly 'tls-key'?: string | undefined
}

export interface DoorOptions {
  /** How clients reach it; absent where that is not known. */
  readonly url?: URL | undefined
  /** Another proxy stands before nginx: the port of the URL is that proxy's, and TLS may end there. */
  readonly isBehindProxy: boolean
  /** Flags that say that TLS ends at another proxy, to be pasted. */
  readonly proxyHint: string
}

export interface Door {
  /** What nginx listens to: `443 ssl`, `127.0.0.1:8080`. */
  readonly listen: string
  /** The port that clients come to. */
  readonly port: number
  readonly tls: {readonly certificateFile: string; readonly keyFile: string} | undefined
  /** What clients speak, whatever reaches nginx; undefined where that is what reaches nginx. */
  readonly scheme: 'http' | 'https' | undefined
}

const HTTP_PORT = 80
const HTTPS_PORT = 443
const MAX_PORT = 65_535

/**
 * The port of the URL, with TLS where the URL says https; behind another proxy port 443 with a certificate, else 80; or the port or address of `--nginx-listen`.
 * @throws {HoldfastError} USAGE for https that nothing speaks, for a certificate that nothing uses, and for what is not a port or an address.
 */
export function nginxDoor(flags: DoorFlags, {url, isBehindProxy, proxyHint}: DoorOptions): Door {
  const [certificateFile, keyFile] = [flags['tls-cert'], flags['tls-key']]
  const tls =
    certificateFile === undefined || keyFile === undefined
      ? undefined
      : {certificateFile: resolve(certificateFile), keyFile: resolve(keyFile)}
  const given = flags['nginx-listen']
  const wrong = (reason: string, ...hints: readonly string[]): HoldfastError =>
    new HoldfastError('USAGE', `cannot render: ${reason}`, {hints})
  if (url?.protocol === 'http:' && tls !== undefined) {
    throw wrong(`"${url.origin}" is plain HTTP, and there is a certificate`, `https://${url.host}`)
  }
  if (tls === undefined && url?.protocol === 'https:' && !isBehindProxy) {
    throw wrong(`"${url.origin}" needs a certificate, or a proxy before nginx that has one`, '--tls-cert FILE --tls-key FILE', proxyHint)
  }
  const usual = tls === undefined ? HTTP_PORT : HTTPS_PORT
  const clientPort = url === undefined ? usual : Number(url.port || (url.protocol === 'https:' ? HTTPS_PORT : HTTP_PORT))
  const address = given === undefined ? String(isBehindProxy ? usual : clientPort) : parseAddress(given, usual)
  if (address === undefined) {
    const certificate = tls === undefined && /\bssl\b/.test(given ?? '') ? ' --tls-cert FILE --tls-key FILE' : ''
    throw wrong(
      `"${excerpt(given ?? '')}" is not a port or an address; a certificate makes it TLS`,
      `--nginx-listen ${/^[1-9][0-9]{1,4}(?= )/.exec(given ?? '')?.[0] ?? usual}${certificate}`,
    )
  }
  return {
    // What has a certificate speaks TLS.
    listen: tls === undefined ? address : `${address} ssl`,
    port: isBehindProxy ? usual : clientPort,
    tls,
    scheme: url === undefined ? undefined : url.protocol === 'https:' ? 'https' : 'http',
  }
}

/** `PORT`, `ADDRESS`, or both, as nginx takes them; undefined for everything else that nginx may take. */
function parseAddress(text: string, usualPort: number): string | undefined {
  if (isIP(text) === 6) return `[${text}]:${usualPort}`
  const [, host, port = String(usualPort)] = /^(?:([0-9.]+|localhost|\[[0-9a-fA-F:.]+\])(?::([0-9]{1,5}))?)$/.exec(text) ?? []
  const isPort = (digits: string): boolean => /^[0-9]{1,5}$/.test(digits) && Number(digits) > 0 && Number(digits) <= MAX_PORT
  if (host === undefined || !isPort(port)) return undefined
  if (isPort(host)) return text === host ? host : undefined
  return host === 'localhost' || isIP(host.replace(/^\[|\]$/g, '')) !== 0 ? `${host}:${port}` : undefined
}

/**
 * An nginx that listens to a port alone takes it of every address of its machine, so that nothing behind it can have it.
 * @param behind `host:port` of what is behind it on the same machine.
 * @throws {HoldfastError} USAGE when both would have the same port.
 */
export function assertPortsDiffer({listen}: Door, behind: readonly string[]): void {
  const [, port] = /^([0-9]{1,5})(?: ssl)?$/.exec(listen) ?? []
  if (port === undefined || !behind.some((address) => address.endsWith(`:${port}`))) return
  const others = behind.map((address) => Number(address.slice(address.lastIndexOf(':') + 1)))
  throw new HoldfastError('USAGE', `cannot render: nginx, and what is behind it, would both listen on port ${port}`, {
    hints: [`--listen 127.0.0.1:${Math.max(...others, Number(port)) + 1}`],
  })
}
