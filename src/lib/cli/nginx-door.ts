/** Where an nginx of ours listens, and with which certificate: what its URL says, so that clients find it there. */
import {resolve} from 'node:path'
import {HoldfastError} from '../core/errors.ts'

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

/**
 * The port of the URL, with TLS where the URL says https; behind another proxy port 443 with a certificate, else 80; or what `--nginx-listen` says.
 * @throws {HoldfastError} USAGE for https that nothing speaks, and for a certificate that nothing uses.
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
  const wantsTls = given !== undefined && /\sssl\b/.test(given)
  if (tls === undefined && wantsTls) throw wrong(`"${given}" needs a certificate`, '--tls-cert FILE --tls-key FILE')
  const usual = tls === undefined ? HTTP_PORT : HTTPS_PORT
  const clientPort = url === undefined ? usual : Number(url.port || (url.protocol === 'https:' ? HTTPS_PORT : HTTP_PORT))
  const address = given ?? String(isBehindProxy ? usual : clientPort)
  return {
    listen: tls === undefined || wantsTls ? address : `${address} ssl`,
    port: isBehindProxy ? usual : clientPort,
    tls,
    scheme: url === undefined ? undefined : url.protocol === 'https:' ? 'https' : 'http',
  }
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
