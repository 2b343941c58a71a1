/** From what is declared, or from nothing but a host, to what the remote store needs to know of a registry. */
import type {PlainHttpPolicy, RegistryEndpoint} from '../content/remote/endpoint.ts'
import {isLoopbackHost} from '../content/remote/trust.ts'
import {HoldfastError} from '../core/errors.ts'
import {readRegularFile, unreadableFile} from '../core/regular-file.ts'
import {shellCommand} from '../core/shell.ts'
import type {TlsSettings} from '../http/client.ts'
import {DOCKER_HUB, DOCKER_HUB_API_HOST, type RegistryHost} from '../oci/reference.ts'
import type {RegistryRecord} from '../records/store.ts'

/** How to reach a registry; certificates and keys are named by PEM file. */
export interface TransportSettings {
  /** Certificate checks off. */
  readonly insecure?: boolean | undefined
  readonly plainHttp?: boolean | undefined
  readonly caFile?: string | undefined
  readonly clientCertFile?: string | undefined
  readonly clientKeyFile?: string | undefined
}

/**
 * The endpoint of a declared registry; `overrides` hold for one run.
 * @throws {HoldfastError} CONFIGURATION when a certificate or key file cannot be read or holds no PEM.
 */
export async function recordToEndpoint(
  record: RegistryRecord,
  overrides: TransportSettings = {},
  signal?: AbortSignal,
): Promise<RegistryEndpoint> {
  const settings = mergeSettings(record, overrides)
  return {
    registry: record.host,
    ...apiHost(record.host),
    plainHttp: record.flavour === undefined ? plainHttpPolicy(record.host, settings) : settings.plainHttp ? 'always' : 'never',
    tls: await readTlsSettings(settings, signal),
    pinnedHosts: record.pinnedHosts,
    capabilities: record.capabilities,
  }
}

/**
 * The endpoint of a host that nobody declared: HTTPS with a verified certificate; a loopback host may turn out to speak plain HTTP, as with docker.
 * @throws {HoldfastError} CONFIGURATION when a certificate or key file cannot be read or holds no PEM.
 */
export async function undeclaredEndpoint(
  host: RegistryHost,
  overrides: TransportSettings = {},
  signal?: AbortSignal,
): Promise<RegistryEndpoint> {
  return {
    registry: host,
    ...apiHost(host),
    plainHttp: plainHttpPolicy(host, overrides),
    tls: await readTlsSettings(overrides, signal),
    capabilities: {},
  }
}

/** Only what is given in `overrides` counts. */
function mergeSettings(settings: TransportSettings, overrides: TransportSettings): TransportSettings {
  return {...settings, ...Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined))}
}

function plainHttpPolicy(host: RegistryHost, settings: TransportSettings): PlainHttpPolicy {
  if (settings.plainHttp) return 'always'
  return isLoopbackHost(new URL(`https://${host}`).hostname) ? 'fallback' : 'never'
}

function apiHost(host: RegistryHost): {readonly apiHost?: string} {
  return host === DOCKER_HUB ? {apiHost: DOCKER_HUB_API_HOST} : {}
}

async function readTlsSettings(settings: TransportSettings, signal: AbortSignal | undefined): Promise<TlsSettings> {
  if ((settings.clientCertFile === undefined) !== (settings.clientKeyFile === undefined)) {
    throw new HoldfastError('USAGE', 'cannot use a client certificate: certificate and key go together', {
      hints: ['--client-cert FILE --client-key FILE'],
    })
  }
  const [ca, clientCert, clientKey] = await Promise.all([
    readPem(settings.caFile, 'CERTIFICATE', signal),
    readPem(settings.clientCertFile, 'CERTIFICATE', signal),
    readPem(settings.clientKeyFile, 'PRIVATE KEY', signal),
  ])
  return {
    ...(settings.insecure ? {insecure: true} : {}),
    ...(ca === undefined ? {} : {ca}),
    ...(clientCert === undefined ? {} : {clientCert}),
    ...(clientKey === undefined ? {} : {clientKey}),
  }
}

/** A file with every public authority has a few hundred kilobytes. */
const MAX_PEM_BYTES = 16 * 1024 * 1024

async function readPem(file: string | undefined, label: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  let text: string
  try {
    text = (await readRegularFile(file, {maxBytes: MAX_PEM_BYTES, signal})).toString('utf8')
  } catch (cause) {
    if (signal?.aborted === true) throw cause
    throw unreadableFile(file, cause)
  }
  if (new RegExp(`-----BEGIN [A-Z ]*${label}-----`).test(text)) return text
  throw new HoldfastError('CONFIGURATION', `cannot read "${file}": it holds no PEM block "${label}"`, {
    hints: [
      label === 'CERTIFICATE'
        ? shellCommand`openssl x509 -inform der -in ${file} -out ${file}.pem`
        : shellCommand`openssl pkey -in ${file} -out ${file}.pem`,
    ],
  })
}
