/** What `serve` needs beyond the registry: its certificate, and with --authenticate the collector of this machine. */
import {createSecureContext} from 'node:tls'
import {EMBEDDED_REGISTRY, type ManagedRegistry} from '../collector/objects.ts'
import {HoldfastError} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import type {ServedCollector} from '../server/collector/served-collector.ts'
import type {ConnectionLimits} from '../server/connection-limit.ts'
import type {ServerListener} from '../server/server-events.ts'
import type {Context} from './context.ts'
import {readInputFile} from './input-file.ts'
import {createIssuerFetch} from './issuer-fetch.ts'
import {isOrigin} from './origin.ts'
import {openProbe, openSweepSource} from './sweep-source.ts'

/** A server without a public URL records such a one. */
const LOOPBACK_URL = /^https?:\/\/(?:127\.[0-9.]+|\[::1\]|localhost)(?::|$)/

interface CertificateFlags {
  readonly 'tls-cert'?: string | undefined
  readonly 'tls-key'?: string | undefined
}

/** @throws {HoldfastError} CONFIGURATION when a file cannot be read, or the two are no certificate and its key. */
export async function readServerCertificate(
  flags: CertificateFlags,
  signal: AbortSignal,
): Promise<{readonly certificate: Buffer; readonly key: Buffer} | undefined> {
  const [certificateFile, keyFile] = [flags['tls-cert'], flags['tls-key']]
  if (certificateFile === undefined || keyFile === undefined) return undefined
  const [certificate, key] = await Promise.all([readInputFile(certificateFile, signal), readInputFile(keyFile, signal)])
  try {
    createSecureContext({cert: certificate, key})
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new HoldfastError('CONFIGURATION', `cannot serve with "${certificateFile}" and "${keyFile}": ${reason}`, {
      hints: [shellCommand`openssl x509 -noout -subject -in ${certificateFile}`, shellCommand`openssl pkey -noout -in ${keyFile}`],
      cause,
    })
  }
  return {certificate, key}
}

/** Connections of this machine and of trusted proxies are those of many clients. */
export async function connectionLimits(trustedProxies: readonly string[] = []): Promise<ConnectionLimits> {
  const [{CONNECTION_LIMITS}, {isLoopbackAddress}, {createAddressPolicy, parseNetwork}] = await Promise.all([
    import('../server/connection-limit.ts'),
    import('../server/loopback.ts'),
    import('../core/address-policy.ts'),
  ])
  const networks = trustedProxies.filter((network) => parseNetwork(network) !== undefined)
  const isProxy = networks.length === 0 ? () => false : createAddressPolicy(networks)
  return {...CONNECTION_LIMITS, isExempt: (address) => isLoopbackAddress(address) || isProxy(address)}
}

interface ServedCollectorFlags {
  readonly 'public-url'?: string | undefined
  readonly 'trusted-proxy'?: readonly string[] | undefined
  readonly directories?: string | undefined
  readonly isSecure: boolean
  readonly version: string
  readonly listener: ServerListener
}

/** Opens the collector of this machine as the authority of the embedded registry, which it manages from then on. */
export async function openServedCollector(context: Context, flags: ServedCollectorFlags): Promise<ServedCollector> {
  const [{createServedCollector}, {createFederation}, {federationWithRights}, {createAddressPolicy}, store] = await Promise.all([
    import('../server/collector/served-collector.ts'),
    import('../accounts/federation/identity-tokens.ts'),
    import('../accounts/rights.ts'),
    import('../core/address-policy.ts'),
    context.collectorStore(),
  ])
  const mayConnect = createAddressPolicy(context.settings.registryNetworks)
  const publicUrl = checkPublicUrl(flags['public-url'])
  const {readDirectories} = await import('./directories.ts')
  const {directories, rules, providers, rights} =
    flags.directories === undefined
      ? {directories: [], rules: [], providers: [], rights: []}
      : await readDirectories(flags.directories, context.signal)
  return await createServedCollector({
    store,
    directories,
    federation: federationWithRights(
      createFederation({rules, providers, fetchJson: await createIssuerFetch(context), now: () => new Date()}),
      rights,
    ),
    embeddedStore: await context.openEmbedded(),
    openSource: (registry, mint) => openSweepSource(context, registry, mint, mayConnect),
    openProbe: (registry) => openProbe(context, registry, mayConnect),
    async openRepository(registry, repository, own) {
      const {openManagedRepository} = await import('./managed-repository.ts')
      return await openManagedRepository(context, registry, repository, {...own, mayConnect})
    },
    embedded: await manageEmbedded(context, flags),
    issuer: context.settings.issuer,
    publicUrl,
    isSecure: flags.isSecure,
    trustedProxies: flags['trusted-proxy'] ?? [],
    version: flags.version,
    listener: flags.listener,
    signal: context.signal,
  })
}

type UrlFlags = Pick<ServedCollectorFlags, 'public-url' | 'isSecure'>

/** Makes the collector the authority of the embedded registry, unless it is. */
async function manageEmbedded(context: Context, flags: UrlFlags): Promise<ManagedRegistry> {
  const store = await context.collectorStore()
  const known = await store.findManagedRegistry({name: EMBEDDED_REGISTRY})
  if (known !== undefined) return known
  return await store.addManagedRegistry({
    name: EMBEDDED_REGISTRY,
    service: EMBEDDED_REGISTRY,
    url: await embeddedUrl(context, flags),
    insecure: false,
    restricted: true,
    tokenHeader: 'x5c',
    tokenLifeSeconds: 900,
  })
}

/** Records where the embedded registry is, once it listens. The URL that an administrator gave it stays. */
export async function recordEmbeddedUrl(context: Context, flags: UrlFlags): Promise<void> {
  const url = await embeddedUrl(context, flags)
  const store = await context.collectorStore()
  const known = await store.findManagedRegistry({name: EMBEDDED_REGISTRY})
  if (known === undefined || known.url === url || (flags['public-url'] === undefined && !LOOPBACK_URL.test(known.url))) return
  await store.updateManagedRegistry(known.id, {url})
}

/** @throws {HoldfastError} USAGE when the public URL is none. */
async function embeddedUrl(context: Context, {isSecure, ...flags}: UrlFlags): Promise<string> {
  return checkPublicUrl(flags['public-url']) ?? `${isSecure ? 'https' : 'http'}://${await context.embeddedRegistry()}`
}

/** @throws {HoldfastError} USAGE when it is none. */
export function checkPublicUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const url = text.replace(/\/$/, '')
  if (isOrigin(url)) return url
  throw new HoldfastError('USAGE', `cannot serve as "${text}": it is no https://host[:port]`, {
    hints: ['holdfast serve --authenticate --public-url https://registry.example.com'],
  })
}
