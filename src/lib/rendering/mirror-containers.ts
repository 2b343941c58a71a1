/** What a protected mirror in containers is made of, whatever runs them: the mirror, reached by nginx alone, and nginx. */
import {HoldfastError} from '../core/errors.ts'
import {assertPlain} from './plain.ts'

/** An image that no one else can replace; a tag alone does not compile. */
export type PinnedImage = `${string}@sha256:${string}`

export interface MirrorContainers {
  /** A DNS label: what the objects are called. */
  readonly name: string
  /** Has `holdfast` in its PATH. */
  readonly image: PinnedImage
  /** Has `nginx` in its PATH. */
  readonly proxyImage: PinnedImage
  readonly upstreams: readonly string[]
  /** The upstream of requests that name none. */
  readonly unnamed?: string | undefined
  /** A registry that keeps what the mirror has, so that several mirrors share it; else each has a volume. */
  readonly store?: string | undefined
  readonly instances: number
  /** The port that clients come to. */
  readonly port: number
  /** Certificate and key of nginx, as files of the machine that renders; it speaks plain HTTP without. */
  readonly tls?: {readonly certificateFile: string; readonly keyFile: string} | undefined
  /** The whole configuration of nginx. */
  readonly nginx: string
}

/** What runs in the mirror's container, whatever its image would start by itself. */
export const MIRROR_PROGRAM = ['holdfast']
/** Where the configuration of nginx is in its container. */
export const NGINX_CONFIGURATION = '/etc/holdfast/nginx.conf'
export const NGINX_PROGRAM = ['nginx', '-c', NGINX_CONFIGURATION, '-g', 'daemon off;']
/** Running requests may end. */
export const STOP_GRACE_SECONDS = 60
export const MIRROR_PORT = 5000
const NGINX_PORT = 8080
const NGINX_TLS_PORT = 8443
export const DATA_DIRECTORY = '/var/lib/holdfast'

/** `NAME-mirror` and `NAME-proxy` are labels of DNS, of 63 characters at most. */
const NAME = /^[a-z](?:[-a-z0-9]{0,46}[a-z0-9])?$/

/** Where nginx listens in its container: any user may take the port. */
export function nginxPort(tls: MirrorContainers['tls']): number {
  return tls === undefined ? NGINX_PORT : NGINX_TLS_PORT
}

/** Returns the arguments of the mirror's program; `proxies` are the networks that nginx comes from, and `others` may come as well. */
export function mirrorArguments(
  {upstreams, unnamed, store}: Pick<MirrorContainers, 'upstreams' | 'unnamed' | 'store'>,
  proxies: readonly string[],
  others: readonly string[] = [],
): readonly string[] {
  return [
    ...['mirror', 'serve', '--listen', `0.0.0.0:${MIRROR_PORT}`],
    ...[...proxies, ...others].flatMap((network) => ['--allow', network]),
    ...proxies.flatMap((network) => ['--trusted-proxy', network]),
    ...upstreams.flatMap((upstream) => ['--upstream', upstream]),
    ...(unnamed === undefined ? [] : ['--unnamed', unnamed]),
    ...(store === undefined ? [] : ['--store', store]),
    ...['--data-dir', DATA_DIRECTORY],
  ]
}

/** @throws {HoldfastError} CONFIGURATION when a value cannot be written safely. */
export function assertContainers({name, image, proxyImage, upstreams, unnamed, store, tls}: MirrorContainers): void {
  if (!NAME.test(name)) {
    throw new HoldfastError('CONFIGURATION', `cannot write a configuration: the name "${name.slice(0, 100)}" is not a DNS label`, {
      hints: ['--name docker-registry-mirror  # up to 48 lower-case letters and digits, with - between them'],
    })
  }
  for (const text of [image, proxyImage, ...upstreams, unnamed, store, tls?.certificateFile, tls?.keyFile])
    if (text !== undefined) assertPlain('a value', text)
}
