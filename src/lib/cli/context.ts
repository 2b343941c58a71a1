/** The one place that puts adapters together; each is loaded and opened when a command first asks for it. */
import {homedir} from 'node:os'
import type {CollectorStore} from '../collector/store.ts'
import type {CredentialLookup, RegistryEndpoint} from '../content/remote/endpoint.ts'
import type {RemoteStore} from '../content/remote/store.ts'
import type {SourceStore, TargetStore} from '../content/store.ts'
import type {HttpClient} from '../http/client.ts'
import {manifestReference, parseRegistryHost, type Reference, type RegistryHost} from '../oci/reference.ts'
import type {TransportSettings} from '../registries/endpoint.ts'
import {dataDirectory, recordsFile, registryDirectory} from './data-directory.ts'
import type {GlobalFlags} from './global-flags.ts'
import type {Output} from './output.ts'
import {type AccessFlags, rateLimitWaitMs} from './transfer-flags.ts'

/** Where `serve` listens unless told otherwise. */
export const DEFAULT_LISTEN = '127.0.0.1:5050'

type Environment = Readonly<Record<string, string | undefined>>

export interface ContextOptions {
  readonly flags: GlobalFlags & AccessFlags
  readonly environment: Environment
  readonly output: Output
  readonly signal: AbortSignal
  readonly userAgent: string
}

/** A registry that images are written to, and its name in references. */
export interface OpenTarget {
  readonly registry: RegistryHost
  readonly store: TargetStore & SourceStore
  /** It is the embedded one, written to without a server. */
  readonly isEmbedded: boolean
}

/** What a command works with. `close` ends everything that was opened. */
export class Context {
  readonly dataDirectory: string
  readonly signal: AbortSignal
  /** The embedded registry's name in references: where it listens, by `HOLDFAST_LISTEN` or the default. */
  readonly embeddedRegistry: RegistryHost
  readonly #options: ContextOptions
  readonly #closers: (() => void | Promise<void>)[] = []
  #records: Promise<CollectorStore> | undefined
  #credentials: Promise<CredentialLookup> | undefined
  #proxyRule: Promise<(url: URL) => URL | undefined> | undefined
  #embedded: Promise<TargetStore & SourceStore> | undefined
  readonly #sources = new Map<string, Promise<RemoteStore>>()

  constructor(options: ContextOptions) {
    this.#options = options
    this.signal = options.signal
    this.embeddedRegistry = parseRegistryHost(options.environment.HOLDFAST_LISTEN || DEFAULT_LISTEN)
    const machine = {platform: process.platform, homeDirectory: homedir()}
    this.dataDirectory = dataDirectory(options.flags['data-dir'], options.environment, machine)
  }

  /** Declared registries and cached images. */
  records(): Promise<CollectorStore> {
    this.#records ??= this.#openRecords()
    return this.#records
  }

  /** Who we are at a registry: what docker and podman keep. */
  credentials(): Promise<CredentialLookup> {
    this.#credentials ??= this.#openCredentials()
    return this.#credentials
  }

  /** The proxy for a URL, by the usual variables. */
  proxyRule(): Promise<(url: URL) => URL | undefined> {
    this.#proxyRule ??= import('../http/proxy-rule.ts').then(({createProxyRule}) => createProxyRule(this.#options.environment))
    return this.#proxyRule
  }

  /** Answers how to make HTTP clients that know an endpoint's TLS settings for its own origin and for no other; they are closed with the context. */
  async httpClients(): Promise<(endpoint: RegistryEndpoint) => HttpClient> {
    const [{createWireClient}, proxyFor] = await Promise.all([import('../http/wire/client.ts'), this.proxyRule()])
    const {output, userAgent} = this.#options
    return (endpoint) => {
      const origin = new URL(`https://${endpoint.apiHost ?? endpoint.registry}`).origin
      const client = createWireClient({
        userAgent,
        proxyFor,
        tlsFor: (asked) => (asked === origin ? endpoint.tls : undefined),
        onExchange: ({method, host, path, status, durationMs}) =>
          output.trace(`${method} ${host}${path} ${status ?? 'no answer'} ${Math.round(durationMs)} ms`),
      })
      this.#closers.push(() => client.close())
      return client
    }
  }

  /** A registry that is reached over the network. */
  async openRegistry(endpoint: RegistryEndpoint): Promise<RemoteStore> {
    const [{createRemoteStore}, open, credentials] = await Promise.all([
      import('../content/remote/store.ts'),
      this.httpClients(),
      this.credentials(),
    ])
    return createRemoteStore({endpoint, http: open(endpoint), credentials, rateLimitWaitMs: rateLimitWaitMs(this.#options.flags)})
  }

  /**
   * The registry that a reference names. What the embedded registry holds is read from the disk, so that it need not be served.
   * @throws {HoldfastError} CONFIGURATION when one of its files cannot be read.
   */
  async openSource(reference: Reference, transport: TransportSettings = {}): Promise<SourceStore> {
    if (reference.registry === this.embeddedRegistry) {
      const embedded = await this.openEmbedded()
      if ((await embedded.statManifest(reference.repository, manifestReference(reference))) !== undefined) return embedded
    }
    return await this.openHost(reference.registry, transport)
  }

  /** The registry of that host, declared or not; one connection pool for each. */
  openHost(host: RegistryHost, transport: TransportSettings): Promise<RemoteStore> {
    const key = JSON.stringify([host, transport])
    const opened = this.#sources.get(key) ?? this.#endpoint(host, transport).then((endpoint) => this.openRegistry(endpoint))
    this.#sources.set(key, opened)
    return opened
  }

  /**
   * Where images go: the registry that is named, else the default one, else the embedded one.
   * @throws {HoldfastError} REGISTRY_NOT_DECLARED, CONFIGURATION
   */
  async openTarget(nameOrHost: string | undefined): Promise<OpenTarget> {
    const records = await this.records()
    if (nameOrHost === undefined && (await records.findDefaultRegistry()) === undefined) {
      return {registry: this.embeddedRegistry, store: await this.openEmbedded(), isEmbedded: true}
    }
    const {findEndpoint} = await import('../registries/find.ts')
    const {endpoint, subject} = await findEndpoint(records, nameOrHost)
    return {registry: subject.host, store: await this.openRegistry(endpoint), isEmbedded: false}
  }

  /** The embedded registry's store on disk. */
  openEmbedded(): Promise<TargetStore & SourceStore> {
    this.#embedded ??= import('../content/filesystem/store.ts').then(({createFilesystemStore}) => {
      const store = createFilesystemStore({root: registryDirectory(this.dataDirectory)})
      this.#closers.push(() => store.close())
      return store
    })
    return this.#embedded
  }

  /** A directory in the OCI image layout. */
  async openLayout(directory: string): Promise<TargetStore & SourceStore> {
    const {createOciLayoutStore} = await import('../content/oci-layout/store.ts')
    const store = createOciLayoutStore({directory})
    this.#closers.push(() => store.close())
    return store
  }

  /** Ends everything that was opened, last first. */
  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close()
  }

  async #openRecords(): Promise<CollectorStore> {
    const {openSqliteStore} = await import('../collector/sqlite/open-store.ts')
    const records = await openSqliteStore({file: recordsFile(this.dataDirectory)})
    this.#closers.push(() => records.close())
    return records
  }

  async #openCredentials(): Promise<CredentialLookup> {
    const [{createCredentialLookup}, {createDockerConfigSource}, {dockerConfigFiles}] = await Promise.all([
      import('../credentials/lookup.ts'),
      import('../credentials/docker-config/source.ts'),
      import('../credentials/docker-config/paths.ts'),
    ])
    const {environment, flags, output} = this.#options
    const dockerConfig = createDockerConfigSource({
      files: dockerConfigFiles(environment, {homeDirectory: homedir(), uid: process.getuid?.()}),
      allowedHelpers: flags['allow-helper'] ?? [],
      helperEnvironment: environment,
      onSkippedHelper: ({helper, path, registry, reason}) => {
        const way = reason === 'not-allowed' ? `; allow it with --allow-helper ${helper}` : ''
        output.warn(`"${path}" names the credential helper "${helper}" for ${registry}, which was not run${way}`)
      },
    })
    return createCredentialLookup({dockerConfig})
  }

  async #endpoint(host: RegistryHost, transport: TransportSettings): Promise<RegistryEndpoint> {
    const [records, {recordToEndpoint, undeclaredEndpoint}] = await Promise.all([this.records(), import('../registries/endpoint.ts')])
    const record = await records.findRegistry(host)
    return record === undefined ? await undeclaredEndpoint(host, transport) : await recordToEndpoint(record, transport)
  }
}
