/** Declaring the registries that Holdfast may use: what is asked of them once, and what is remembered. */

import type {RegistryEndpoint} from '../content/remote/endpoint.ts'
import {isLoopbackHost} from '../content/remote/trust.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import {parseRegistryHost, parseRepositoryName, type RepositoryName} from '../oci/reference.ts'
import type {RegistryRecord, RegistryStore} from '../records/store.ts'
import {recordToEndpoint, type TransportSettings} from './endpoint.ts'
import {type Examination, type ExamineDependencies, examineRegistry} from './examine.ts'
import {requireRegistry, withTrustedHosts} from './find.ts'
import {parseRegistryName} from './registry-name.ts'
import {formatRegistryUrl, parseRegistryUrl, type RegistryUrl} from './registry-url.ts'
import {type RegistrySubject, settingHint} from './subject.ts'

/** What is asked for; file names are kept as they are given, and an empty one takes the file away. */
export interface RegistryChange extends TransportSettings {
  readonly isDefault?: boolean | undefined
  /** Hosts that the registry may send us to, for tokens and for blobs, besides its own. */
  readonly trustHosts?: readonly string[] | undefined
  /** Where cached images get their GUIDs: a repository name; an empty one takes the prefix away. */
  readonly repositoryPrefix?: string | undefined
  /** Whether the registry is asked what it is. */
  readonly probe: boolean
}

export interface DeclareRequest extends RegistryChange {
  readonly name: string
  /** `https://host[:port]`, `http://host[:port]` or `host[:port]`. */
  readonly url: string
}

export interface UpdateRequest extends RegistryChange {
  readonly url?: string | undefined
}

export interface DeclareDependencies extends ExamineDependencies {
  readonly store: RegistryStore
  readonly now: () => Date
}

/**
 * Declares a registry under a new name, after asking it what it is: certificate, API, authentication, who it sends us to, and whether it refuses a wrong digest.
 * @throws {HoldfastError} CONFLICT when the name or the host is declared already; USAGE, INVALID_REFERENCE; PLAIN_HTTP when that was not asked for; TLS naming the
 * certificate at fault; CONFIGURATION for an unreadable file; NETWORK, TIMEOUT, UNSUPPORTED when no registry answers; UNTRUSTED_HOST, before anything is sent there, for a
 * token realm that is not trusted. Nothing is saved then.
 */
export async function declareRegistry(request: DeclareRequest, dependencies: DeclareDependencies): Promise<Examination> {
  const {store, now} = dependencies
  const url = parseRegistryUrl(request.url)
  const name = parseRegistryName(request.name, url.host)
  const known = (await store.findRegistry(name)) ?? (await store.findRegistry(url.host))
  if (known !== undefined) throw alreadyDeclared(name, known)
  const subject = {host: url.host, name, isDeclared: false}
  const time = now().toISOString()
  const draft: RegistryRecord = {
    name,
    host: url.host,
    isDefault: request.isDefault ?? false,
    pinnedHosts: parseHosts(request.trustHosts),
    capabilities: {},
    createdAt: time,
    updatedAt: time,
    ...prefixOf(request.repositoryPrefix, undefined),
    ...transport(request, url, subject),
  }
  const declared = await examine(draft, url, request.probe, subject, dependencies)
  await store.saveRegistry(declared.registry)
  return declared
}

/**
 * Changes a declared registry and asks it again what it is, unless only its default or its prefix changes; the realm it names now is pinned instead of the one
 * it named before.
 * @throws {HoldfastError} REGISTRY_NOT_DECLARED; CONFLICT when the new host is declared already; otherwise as `declareRegistry`. Nothing is saved then.
 */
export async function updateRegistry(nameOrHost: string, request: UpdateRequest, dependencies: DeclareDependencies): Promise<Examination> {
  const {store, now} = dependencies
  const before = await requireRegistry(store, nameOrHost)
  const url = request.url === undefined ? {host: before.host} : parseRegistryUrl(request.url)
  const subject = {host: url.host, name: before.name, isDeclared: true}
  const {caFile, clientCertFile, clientKeyFile, repositoryPrefix, ...kept} = url.host === before.host ? before : withoutFindings(before)
  const draft: RegistryRecord = {
    ...kept,
    host: url.host,
    isDefault: request.isDefault ?? before.isDefault,
    pinnedHosts: [...new Set([...before.pinnedHosts, ...parseHosts(request.trustHosts)])],
    updatedAt: now().toISOString(),
    ...prefixOf(request.repositoryPrefix, repositoryPrefix),
    ...transport(mergeTransport(before, request), url, subject),
  }
  const changed = await examine(draft, url, request.probe && !isOnlyAboutImages(request), subject, dependencies)
  await store.saveRegistry(changed.registry)
  return changed
}

/**
 * Forgets a declared registry; its images stay, and what is recorded about them too. Answers what was declared.
 * @throws {HoldfastError} REGISTRY_NOT_DECLARED
 */
export async function removeRegistry(store: RegistryStore, nameOrHost: string): Promise<RegistryRecord> {
  const registry = await requireRegistry(store, nameOrHost)
  await store.removeRegistry(registry.name)
  await store.distrustHosts(registry.host)
  return registry
}

async function examine(
  draft: RegistryRecord,
  url: RegistryUrl,
  probe: boolean,
  subject: RegistrySubject,
  dependencies: DeclareDependencies,
): Promise<Examination> {
  const endpoint = await withTrustedHosts(dependencies.store, await recordToEndpoint(draft, {}, dependencies.signal))
  if (!probe) return {registry: draft, notes: []}
  // Who writes https:// means it, on loopback too.
  const asked: RegistryEndpoint = url.scheme === 'https' ? {...endpoint, plainHttp: 'never'} : endpoint
  try {
    return await examineRegistry(draft, asked, subject, dependencies)
  } catch (error) {
    if (!hasCode(error, 'NETWORK', 'TIMEOUT', 'REGISTRY_UNAVAILABLE')) throw error
    throw new HoldfastError(error.code, error.message, {
      hints: [...error.hints, `${settingHint(subject, '--no-probe')}   # saves it without asking the registry`],
      details: error.details,
      cause: error,
    })
  }
}

/** What the flags and the URL say about reaching the registry; http:// alone is not enough to give up encryption, but for this machine itself. */
function transport(settings: TransportSettings, url: RegistryUrl, subject: RegistrySubject) {
  const {insecure = false, caFile, clientCertFile, clientKeyFile} = settings
  if (url.scheme === 'https' && settings.plainHttp) {
    throw new HoldfastError('USAGE', `cannot declare "https://${url.host}" as plain HTTP: the URL says https`, {
      hints: [settingHint(subject, '--plain-http')],
    })
  }
  const isLoopback = isLoopbackHost(new URL(`https://${url.host}`).hostname)
  if (url.scheme === 'http' && !settings.plainHttp && !isLoopback) {
    throw new HoldfastError(
      'PLAIN_HTTP',
      `cannot declare "http://${url.host}": images and credentials would travel unencrypted, and that was not asked for`,
      {
        hints: [settingHint(subject, '--plain-http')],
      },
    )
  }
  const plainHttp = settings.plainHttp === true || url.scheme === 'http'
  return {
    url: formatRegistryUrl(url.host, plainHttp),
    insecure,
    plainHttp,
    ...(caFile ? {caFile} : {}),
    ...(clientCertFile ? {clientCertFile} : {}),
    ...(clientKeyFile ? {clientKeyFile} : {}),
  }
}

function mergeTransport(before: RegistryRecord, request: UpdateRequest): TransportSettings {
  return {
    insecure: request.insecure ?? before.insecure,
    // A new URL says anew whether it is plain HTTP.
    plainHttp: request.plainHttp ?? (request.url === undefined ? before.plainHttp : undefined),
    caFile: request.caFile ?? before.caFile,
    clientCertFile: request.clientCertFile ?? before.clientCertFile,
    clientKeyFile: request.clientKeyFile ?? before.clientKeyFile,
  }
}

/** What does not concern how the registry is reached. */
function isOnlyAboutImages({isDefault, repositoryPrefix, probe, ...rest}: UpdateRequest): boolean {
  return (isDefault ?? repositoryPrefix) !== undefined && Object.values(rest).every((setting) => setting === undefined)
}

/** The prefix that was asked for, else the one that there is. @throws {HoldfastError} INVALID_REFERENCE */
function prefixOf(asked: string | undefined, before: RepositoryName | undefined): Pick<RegistryRecord, 'repositoryPrefix'> {
  const prefix = asked === undefined ? before : asked === '' ? undefined : parseRepositoryName(asked)
  return prefix === undefined ? {} : {repositoryPrefix: prefix}
}

/** What was found out about one host says nothing about another. */
function withoutFindings({flavour, authScheme, realm, ...record}: RegistryRecord): RegistryRecord {
  return {...record, capabilities: {}}
}

/** Checked as hosts, and kept as written: docker.io's other names are not one host here. */
function parseHosts(hosts: readonly string[] = []): readonly string[] {
  return hosts.map((host) => {
    parseRegistryHost(host)
    return host.toLowerCase()
  })
}

function alreadyDeclared(name: string, known: RegistryRecord): HoldfastError {
  const reason = known.name === name ? `it is declared already, for ${known.host}` : `${known.host} is declared already, as "${known.name}"`
  return new HoldfastError('CONFLICT', `cannot declare registry "${name}": ${reason}`, {
    hints: [`holdfast registry update ${known.name}`, `holdfast registry remove ${known.name}`],
  })
}
