/** Finds out what a registry is: how it is reached, what certificate it shows, how it authenticates. Sends no credentials and changes nothing. */

import type {RegistryEndpoint} from '../content/remote/endpoint.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import type {HttpClient} from '../http/client.ts'
import type {RegistryFlavour} from '../records/store.ts'
import {type PresentedCertificate, readCertificate} from './certificate.ts'
import {pingRegistry, type RegistryPing} from './ping.ts'
import {connectTcp, resolveHost, serverAddress} from './reach.ts'
import {type RegistrySubject, settingHint} from './subject.ts'
import {assertTrustedCertificate} from './trust-certificate.ts'

/** The way to registries, as the caller has configured it. */
export interface RegistryNetwork {
  /** A client that knows the endpoint's TLS settings for the registry's own origin; whoever asked for it closes it. */
  readonly openHttp: (endpoint: RegistryEndpoint) => HttpClient
  /** The proxy in front of a URL: what lies behind one cannot be resolved or connected to from here. */
  readonly proxyFor?: ((url: URL) => URL | undefined) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface RegistryProbe extends RegistryPing {
  /** `https://host[:port]/` or `http://host[:port]/`. */
  readonly base: URL
  /** Unknown for HTTPS behind a proxy, where the certificate is checked but not read. */
  readonly flavour?: RegistryFlavour
  readonly certificate?: PresentedCertificate
}

/**
 * Probes a registry: name, port, TLS, API, authentication scheme, in that order; the first failure ends it.
 * @throws {HoldfastError} NETWORK, TIMEOUT, TLS (naming the certificate at fault), PLAIN_HTTP, UNSUPPORTED when no registry answers.
 */
export async function probeRegistry(
  endpoint: RegistryEndpoint,
  subject: RegistrySubject,
  http: HttpClient,
  {proxyFor, signal}: RegistryNetwork,
): Promise<RegistryProbe> {
  const first = firstBase(endpoint)
  if (proxyFor?.(first) !== undefined) {
    const ping = await pingRegistry(http, first, signal)
    return {...ping, base: first, ...(first.protocol === 'http:' ? {flavour: 'http'} : {})}
  }
  const address = serverAddress(first)
  await resolveHost(address.hostname)
  await connectTcp(address, signal)
  const secured = await secure(endpoint, subject, signal)
  return {...secured, ...(await pingRegistry(http, secured.base, signal))}
}

/** The base URL that is tried first. */
export function firstBase({registry, apiHost, plainHttp}: RegistryEndpoint): URL {
  return new URL(`${plainHttp === 'always' ? 'http' : 'https'}://${apiHost ?? registry}/`)
}

/**
 * Makes the TLS handshake and judges the certificate; a loopback registry that speaks no TLS is taken as plain HTTP where its endpoint allows that.
 * @throws {HoldfastError} TLS, PLAIN_HTTP, NETWORK, TIMEOUT
 */
export async function secure(
  endpoint: RegistryEndpoint,
  subject: RegistrySubject,
  signal?: AbortSignal,
): Promise<Pick<RegistryProbe, 'base' | 'flavour' | 'certificate'>> {
  const base = firstBase(endpoint)
  if (base.protocol === 'http:') return {base, flavour: 'http'}
  const address = serverAddress(base)
  try {
    const certificate = await readCertificate(address, endpoint.tls, signal)
    if (endpoint.tls.insecure !== true) assertTrustedCertificate(certificate, address, subject)
    return {base, certificate, flavour: certificate.isSelfSigned ? 'https-self-signed' : 'https-ca-signed'}
  } catch (error) {
    if (!hasCode(error, 'PLAIN_HTTP')) throw error
    if (endpoint.plainHttp === 'fallback') return {base: new URL(`http://${base.host}/`), flavour: 'http'}
    throw new HoldfastError('PLAIN_HTTP', error.message, {hints: [settingHint(subject, '--plain-http')], cause: error})
  }
}
