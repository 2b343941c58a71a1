/** The one place that puts adapters together; each is loaded and opened when a command first asks for it. */
import {existsSync} from 'node:fs'
import type {Collector} from '../collector/collector.ts'
import type {CollectorStore} from '../collector/store.ts'
import type {SweeperOptions} from '../collector/sweeper.ts'
import type {FilesystemStore} from '../content/filesystem/store.ts'
import type {CredentialLookup, RegistryCredential, RegistryEndpoint} from '../content/remote/endpoint.ts'
import {tlsForOrigin} from '../content/remote/endpoint-tls.ts'
import type {RemoteStore} from '../content/remote/store.ts'
import type {ContentStore, SourceStore, TargetStore} from '../content/store.ts'
import type {AddressPolicy} from '../core/address-policy.ts'
import {HoldfastError} from '../core/errors.ts'
import {redactText} from '../core/redaction.ts'
import {settlesWithin} from '../core/settle-within.ts'
import {escapeText, type TerminalText, text} from '../core/terminal-text.ts'
import type {Logins} from '../credentials/logins.ts'
import type {CredentialSources} from '../credentials/lookup.ts'
import type {SecretStore} from '../credentials/secret-store.ts'
import type {HttpClient} from '../http/client.ts'
import type {ObservedExchange} from '../http/wire/client.ts'
import type {LoginNetwork} from '../login/token-endpoint.ts'
import {manifestReference, parseRegistryHost, type Reference, type RegistryHost, type RepositoryName} from '../oci/reference.ts'
import type {RecordStore} from '../records/store.ts'
import type {TransportSettings} from '../registries/endpoint.ts'
import {collectorFile, dataDirectory, recordsFile, registryDirectory} from './data-directory.ts'
import type {GlobalFlags} from './global-flags.ts'
import {homeDirectory} from './home-directory.ts'
import {keychainProgram} from './keychain-program.ts'
import {keychainTimeoutMs} from './keychain-timeout.ts'
import {parseListenAddress} from './listen-address.ts'
import type {Output} from './output.ts'
import {prepareDataDirectory} from './prepare-data-directory.ts'
import {DEFAULT_LISTEN, localRegistry, readSettings, type SettingFlags, type Settings} from './settings.ts'
import {type AccessFlags, rateLimitWaitMs} from './transfer-flags.ts'

/** What `auth configure-docker` writes into the files of docker and podman: never asked through them, since what it keeps was looked at before. */
const OWN_HELPER = 'holdfast'

/** How long closing everything may take, unless said: longer than a server takes that lets its requests finish, shorter than what ends containers waits (30 s). */
const CLOSE_MS = 20_000
/** Stands for the collector of this machine where a URL is wanted. */
const LOCAL_COLLECTOR = 'local'

const DEFAULT_EMBEDDED_REGISTRY = localRegistry(parseListenAddress(DEFAULT_LISTEN))

type Environment = Readonly<Record<string, string | undefined>>

export interface ContextOptions {
  readonly flags: GlobalFlags & AccessFlags & SettingFlags
  readonly environment: Environment
  readonly output: Output
  readonly signal: AbortSignal
  readonly userAgent: string
  readonly closeMs?: number
}

/** How the source of images is reached in this run, over what is declared and kept. */
export interface SourceAccess {
  readonly transport?: TransportSettings
  /** Shown to this registry and to no other, and kept nowhere. */
  readonly credential?: RegistryCredential | undefined
}

/** A registry that images are written to, and its name in references. */
export interface OpenTarget {
  readonly registry: RegistryHost
  readonly store: TargetStore & SourceStore
  /** Where cached images get their GUIDs in it; undefined: at its root. */
  readonly prefix: RepositoryName | undefined
  /** It is the embedded one, written to without a server. */
  readonly isEmbedded: boolean
  /** The same place for checks that can wait: when it asks to slow down, it is not asked again. */
  readonly openForChecks: () => Promise<TargetStore>
}

/** What a command works with. `close` ends everything that was opened. */
export class Context {
  readonly dataDirectory: string
  readonly environment: Environment
  readonly signal: AbortSignal
  readonly settings: Settings
  readonly #options: ContextOptions
  readonly #opened = new AsyncDisposableStack()
  #embeddedRegistry: Promise<RegistryHost> | undefined
  #records: Promise<RecordStore> | undefined
  #collectorStore: Promise<CollectorStore> | undefined
  #keychain: Promise<SecretStore> | undefined
  #logins: Promise<Logins> | undefined
  #credentialSources: Promise<Required<Omit<CredentialSources, 'given'>>> | undefined
  #proxyRule: Promise<(url: URL) => URL | undefined> | undefined
  #embedded: Promise<FilesystemStore> | undefined
  readonly #sources = new Map<string, Promise<RemoteStore>>()

  constructor(options: ContextOptions) {
    this.#options = options
    this.environment = options.environment
    this.signal = options.signal
    this.settings = readSettings(options.flags, options.environment)
    const machine = {platform: process.platform, homeDirectory: homeDirectory()}
    this.dataDirectory = dataDirectory(this.settings.dataDirectory, options.environment, machine)
  }

  /** The embedded registry's name in references: by the address that this run was given, else by where `serve` last listened, else by the default. */
  embeddedRegistry(): Promise<RegistryHost> {
    this.#embeddedRegistry ??= this.#findEmbeddedRegistry()
    return this.#embeddedRegistry
  }

  /** Every name that images of the embedded registry may be recorded under: those that it ever had, and on loopback every spelling of them. */
  async embeddedNames(): Promise<ReadonlySet<RegistryHost>> {
    const names = [DEFAULT_EMBEDDED_REGISTRY, await this.embeddedRegistry(), ...(await (await this.records()).listEmbeddedNames())]
    return new Set(names.flatMap((name) => [name, ...loopbackSpellings(name)]))
  }

  /** Records where it listens, once it does: port 0 takes a free one. If it cannot be recorded, the server still serves. */
  async setEmbeddedRegistry(registry: RegistryHost, publicUrl?: string): Promise<void> {
    this.#embeddedRegistry = Promise.resolve(registry)
    try {
      const records = await this.records()
      const known = (await records.readSetting('embedded-registry')) ?? DEFAULT_EMBEDDED_REGISTRY
      if (known !== registry) await records.saveSetting('embedded-registry', registry)
      await records.addEmbeddedName(registry)
      if (publicUrl !== undefined) await records.addEmbeddedName(parseRegistryHost(new URL(publicUrl).host))
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error
      this.#options.output.warn(text`${error.message}; other commands do not know that the embedded registry is ${registry}`)
    }
  }

  async #findEmbeddedRegistry(): Promise<RegistryHost> {
    const {embeddedRegistry} = this.settings
    if (embeddedRegistry !== undefined) return embeddedRegistry
    const recorded = await (await this.records()).readSetting('embedded-registry')
    return recorded === undefined ? DEFAULT_EMBEDDED_REGISTRY : parseRegistryHost(recorded)
  }

  /** Declared registries, cached images and logins. */
  records(): Promise<RecordStore> {
    this.#records ??= this.#openRecords()
    return this.#records
  }

  /** The keychain of this machine; it is talked to when a secret is first wanted. */
  keychain(): Promise<SecretStore> {
    const {environment} = this
    this.#keychain ??= Promise.all([
      import('../credentials/keychain/open-keychain.ts'),
      import('../credentials/child-environments.ts'),
    ]).then(([{openKeychain}, {keychainEnvironment}]) =>
      openKeychain({
        platform: process.platform,
        program: {file: keychainProgram(), environment: keychainEnvironment(environment)},
        timeoutMs: keychainTimeoutMs(environment),
      }),
    )
    return this.#keychain
  }

  /** Logins, and their secrets in the keychain. */
  logins(): Promise<Logins> {
    this.#logins ??= Promise.all([import('../credentials/logins.ts'), this.records(), this.keychain()]).then(
      ([{createLogins}, records, secrets]) => createLogins({records, secrets}),
    )
    return this.#logins
  }

  /** Who we are at a registry: what was given for this run, the environment, the logins, and what docker and podman keep. */
  async credentials(given?: ReadonlyMap<RegistryHost, RegistryCredential>): Promise<CredentialLookup> {
    const [{createCredentialLookup}, {createGivenCredentials}, sources] = await Promise.all([
      import('../credentials/lookup.ts'),
      import('../credentials/given.ts'),
      this.credentialSources(),
    ])
    return createCredentialLookup({...sources, given: given === undefined ? undefined : createGivenCredentials(given)})
  }

  /** The places that know who we are, one by one. */
  credentialSources(): Promise<Required<Omit<CredentialSources, 'given'>>> {
    this.#credentialSources ??= this.#openCredentialSources()
    return this.#credentialSources
  }

  /** The proxy for a URL, by the usual variables. */
  proxyRule(): Promise<(url: URL) => URL | undefined> {
    this.#proxyRule ??= import('../http/proxy-rule.ts').then(({createProxyRule}) => createProxyRule(this.#options.environment))
    return this.#proxyRule
  }

  /**
   * Answers how to make HTTP clients that know an endpoint's TLS settings for its own origin and for no other, and that judge every address that its registry leads to;
   * they are closed with the context.
   */
  async httpClients(mayConnect?: AddressPolicy): Promise<(endpoint: RegistryEndpoint) => HttpClient> {
    const [{createWireClient}, {createReferralGuard}, proxyFor] = await Promise.all([
      import('../http/wire/client.ts'),
      import('../content/remote/referral-guard.ts'),
      this.proxyRule(),
    ])
    const {output, userAgent} = this.#options
    const {minimumRate} = this.settings
    return (endpoint) => {
      const client = createWireClient({
        userAgent,
        proxyFor,
        guard: createReferralGuard(endpoint, mayConnect),
        minimumRate,
        tlsFor: (origin) => tlsForOrigin(endpoint, origin),
        onExchange: (exchange) => output.trace(describeExchange(exchange)),
      })
      this.defer(() => client.close())
      return client
    }
  }

  /** The way to registries and their token endpoints, for logging in. */
  async loginNetwork(): Promise<LoginNetwork & Required<Pick<LoginNetwork, 'openHttp'>>> {
    const [openHttp, proxyFor] = await Promise.all([this.httpClients(), this.proxyRule()])
    const {output, userAgent} = this.#options
    return {openHttp, proxyFor, signal: this.signal, userAgent, onExchange: (exchange) => output.trace(describeExchange(exchange))}
  }

  /** A registry that is reached over the network, with `credential` instead of what is kept for it. */
  async openRegistry(endpoint: RegistryEndpoint, credential?: RegistryCredential): Promise<RemoteStore> {
    const [{createRemoteStore}, open, credentials] = await Promise.all([
      import('../content/remote/store.ts'),
      this.httpClients(),
      this.credentials(credential === undefined ? undefined : new Map([[endpoint.registry, credential]])),
    ])
    const {flags, output} = this.#options
    const warn = (message: string): void => output.warn(escapeText(message))
    return createRemoteStore({
      endpoint,
      http: open(endpoint),
      credentials,
      isOwnCollector: this.#ownCollectorOf(endpoint.registry),
      rateLimitWaitMs: rateLimitWaitMs(flags),
      warn,
    })
  }

  /**
   * The registry that a reference names. What the embedded registry holds is read from the disk, so that it need not be served.
   * @throws {HoldfastError} CONFIGURATION when one of its files cannot be read.
   */
  async openSource(reference: Reference, access: SourceAccess = {}): Promise<SourceStore> {
    if (reference.registry === (await this.embeddedRegistry())) {
      const embedded = await this.openEmbedded()
      if ((await embedded.statManifest(reference.repository, manifestReference(reference))) !== undefined) return embedded
    }
    return await this.openHost(reference.registry, access)
  }

  /** The registry of a repository, with every power. The embedded one is worked on where it lies on the disk, so that it need not be served. */
  async openRepository({registry, repository}: Pick<Reference, 'registry' | 'repository'>, access: SourceAccess): Promise<ContentStore> {
    if (registry === (await this.embeddedRegistry())) {
      const embedded = await this.openEmbedded()
      for await (const _ of embedded.listTags(repository, {limit: 1})) return embedded
    }
    return await this.openHost(registry, access)
  }

  /** The registry of that host, declared or not; one connection pool for each way to reach it. */
  openHost(host: RegistryHost, {transport = {}, credential}: SourceAccess): Promise<RemoteStore> {
    const key = JSON.stringify([host, transport, credential !== undefined])
    const opened = this.#sources.get(key) ?? this.#endpoint(host, transport).then((endpoint) => this.openRegistry(endpoint, credential))
    this.#sources.set(key, opened)
    return opened
  }

  /** A registry as a mirror asks it: one that asks to slow down is left alone, and not waited for. */
  async openUpstream(endpoint: RegistryEndpoint): Promise<RemoteStore> {
    const [{createRemoteStore}, open, credentials] = await Promise.all([
      import('../content/remote/store.ts'),
      this.httpClients(),
      this.credentials(),
    ])
    const {output} = this.#options
    return createRemoteStore({
      endpoint,
      http: open(endpoint),
      credentials,
      isOwnCollector: this.#ownCollectorOf(endpoint.registry),
      rateLimitWaitMs: 0,
      retriesTimeouts: false,
      warn: (message) => output.warn(escapeText(message)),
    })
  }

  /** The registry of that host with this credential, or as nobody, whatever is kept for it: as somebody else would see it. */
  async openHostAs(host: RegistryHost, credential: RegistryCredential | undefined): Promise<RemoteStore> {
    const [{createRemoteStore}, open, endpoint] = await Promise.all([
      import('../content/remote/store.ts'),
      this.httpClients(),
      this.#endpoint(host, {}),
    ])
    return createRemoteStore({
      endpoint,
      http: open(endpoint),
      credentials: async () => credential,
      isOwnCollector: this.#ownCollectorOf(endpoint.registry),
    })
  }

  /**
   * Where images go: the registry that is named, else the default one, else the embedded one.
   * @throws {HoldfastError} REGISTRY_NOT_DECLARED, CONFIGURATION; STORAGE when it is the embedded one, which cannot be written
   */
  async openTarget(nameOrHost: string | undefined): Promise<OpenTarget> {
    const records = await this.records()
    if (nameOrHost === undefined && (await records.findDefaultRegistry()) === undefined) {
      await prepareDataDirectory(this.dataDirectory, registryDirectory(this.dataDirectory))
      const registry = await this.embeddedRegistry()
      await records.addEmbeddedName(registry)
      return {
        registry,
        prefix: undefined,
        store: await this.openEmbedded(),
        isEmbedded: true,
        openForChecks: () => this.openEmbedded(),
      }
    }
    const {findEndpoint} = await import('../registries/find.ts')
    const {endpoint, subject} = await findEndpoint(records, nameOrHost, this.signal)
    return {
      registry: subject.host,
      prefix: (await records.findRegistry(subject.host))?.repositoryPrefix,
      store: await this.openRegistry(endpoint),
      isEmbedded: false,
      openForChecks: () => this.openUpstream(endpoint),
    }
  }

  /** The embedded registry's store on disk. */
  openEmbedded(): Promise<FilesystemStore> {
    this.#embedded ??= import('../content/filesystem/store.ts').then(({createFilesystemStore}) => {
      const store = createFilesystemStore({root: registryDirectory(this.dataDirectory)})
      this.defer(() => store.close())
      return store
    })
    return this.#embedded
  }

  /** A directory in the OCI image layout. */
  async openLayout(directory: string): Promise<TargetStore & SourceStore> {
    const {createOciLayoutStore} = await import('../content/oci-layout/store.ts')
    const store = createOciLayoutStore({directory})
    this.defer(() => store.close())
    return store
  }

  /** Has something that was opened ended with the context; at once when that has been closed meanwhile. */
  defer(close: () => void | Promise<void>): void {
    if (!this.#opened.disposed) {
      this.#opened.defer(close)
      return
    }
    const closeNow = async (): Promise<void> => await close()
    closeNow().catch((error: unknown) => this.#options.output.trace(escapeText(String(error))))
  }

  /** Ends everything that was opened, last first, though some of it fails to; what does not end is not waited for longer than `closeMs`. */
  async close(): Promise<void> {
    const closed = this.#opened.disposeAsync()
    if (await settlesWithin(closed, this.#options.closeMs ?? CLOSE_MS)) return await closed
    this.#options.output.trace(text`not everything that was opened could be closed in time`)
  }

  /** The collector elsewhere that was chosen; undefined for that of this machine. */
  async chosenCollector(url?: string): Promise<string | undefined> {
    const chosen = url ?? (await this.#namedCollector())
    return chosen === LOCAL_COLLECTOR ? undefined : chosen
  }

  /** The collector at that URL, else the one that was chosen, else that of this machine. */
  async collector(url: string | undefined): Promise<Collector> {
    const chosen = url ?? (await this.#namedCollector())
    if (chosen === undefined || chosen === LOCAL_COLLECTOR) return await this.localCollector()
    const {openRemoteCollector} = await import('./remote-collector.ts')
    return await openRemoteCollector(this, chosen)
  }

  async #namedCollector(): Promise<string | undefined> {
    return this.settings.collector ?? (await (await this.records()).readSetting('collector'))
  }

  /** The collector of this machine: its database, or the one that HOLDFAST_DATABASE_URL names. */
  async localCollector(): Promise<Collector> {
    const [{createLocalCollector}, {createSecretMaker}, store] = await Promise.all([
      import('../collector/collector.ts'),
      import('../collector/secret-maker.ts'),
      this.collectorStore(),
    ])
    const now = (): Date => new Date()
    return createLocalCollector({
      store,
      secrets: createSecretMaker(),
      now,
      sweep: async (registry) => {
        const {sweepNow} = await import('../collector/sweeper.ts')
        return await sweepNow(registry, await this.#sweeping(store, now), this.signal)
      },
      checkTrust: async (registry) => {
        const {checkTrustNow} = await import('../collector/sweeper.ts')
        return await checkTrustNow(registry, await this.#sweeping(store, now))
      },
      openRepository: async (registry, repository) => {
        const {openManagedRepository} = await import('./managed-repository.ts')
        return await openManagedRepository(this, registry, repository, await this.#sweeping(store, now))
      },
    })
  }

  async #sweeping(store: CollectorStore, now: () => Date): Promise<SweeperOptions & {readonly mayConnect: AddressPolicy}> {
    const [{createKeyRings}, {openProbe, openSweepSource}, {createAddressPolicy}] = await Promise.all([
      import('../collector/key-ring.ts'),
      import('./sweep-source.ts'),
      import('../core/address-policy.ts'),
    ])
    const mayConnect = createAddressPolicy(this.settings.registryNetworks)
    return {
      store,
      keys: createKeyRings(store, now),
      issuer: this.settings.issuer,
      openSource: (registry, mint) => openSweepSource(this, registry, mint, mayConnect),
      openProbe: (registry) => openProbe(this, registry, mayConnect),
      mayConnect,
      now,
    }
  }

  /** Whether this machine has a collector, or one elsewhere was chosen. */
  async hasCollector(): Promise<boolean> {
    if (this.environment.HOLDFAST_DATABASE_URL || existsSync(collectorFile(this.dataDirectory))) return true
    return (await this.#namedCollector()) !== undefined
  }

  /** What the collector of this machine knows. */
  collectorStore(): Promise<CollectorStore> {
    this.#collectorStore ??= this.#openCollectorStore()
    return this.#collectorStore
  }

  /** The check whether a token endpoint is a collector of ours: the chosen one, one that was trusted as that of this registry, or the one of this machine. */
  #ownCollectorOf(registry: RegistryHost): (realm: URL) => Promise<boolean> {
    return async ({host}) => {
      const [{parseRegistryUrl}, records, chosen] = await Promise.all([
        import('../registries/registry-url.ts'),
        this.records(),
        this.chosenCollector(),
      ])
      if (chosen !== undefined && parseRegistryUrl(chosen).host === host) return true
      const trust = await records.listTrust()
      if (trust.some((one) => one.registry === registry && one.host === host && one.trustedBy === 'collector')) return true
      return existsSync(collectorFile(this.dataDirectory)) && [...(await this.embeddedNames())].some((name) => name === host)
    }
  }

  async #openCollectorStore(): Promise<CollectorStore> {
    const {openCollectorStore} = await import('../collector/sql/open.ts')
    const url = this.environment.HOLDFAST_DATABASE_URL
    const store = await openCollectorStore(url ? {postgresUrl: url} : {file: collectorFile(this.dataDirectory)}, this.signal)
    this.defer(() => store.close())
    return store
  }

  async #openRecords(): Promise<RecordStore> {
    const [{openSqliteStore}, {createForgivingRecords}, {createTrustingRecords}] = await Promise.all([
      import('../records/sqlite/open-store.ts'),
      import('../records/forgiving.ts'),
      import('../records/trusting.ts'),
    ])
    const {output} = this.#options
    const records = await openSqliteStore({
      file: recordsFile(this.dataDirectory),
      // A home that belongs to another user is as good as none; a folder that was chosen must be one that can be used.
      onDenied:
        this.settings.dataDirectory !== undefined
          ? undefined
          : ({message}) =>
              output.warn(text`${message}; no declared registry and no login is used: set HOLDFAST_DATA_DIR to a folder of your own`),
    })
    this.defer(() => records.close())
    const forgiving = createForgivingRecords(records, ({message}) =>
      output.warn(text`${message}; what was copied is not remembered: set HOLDFAST_DATA_DIR to a folder that you may write`),
    )
    const {trustedHosts} = this.settings
    const fromCollector = await this.#collectorTrust()
    return createTrustingRecords(forgiving, async (asked) => [
      ...trustedHosts.filter(({registry}) => registry === undefined || registry === asked).map(({host}) => host),
      ...(await fromCollector(asked)),
    ])
  }

  /** What a collector that was named for this run is trusted with; `collector use` remembers the same. */
  async #collectorTrust(): Promise<(registry: RegistryHost) => Promise<readonly string[]>> {
    const {collector} = this.settings
    if (collector === undefined || collector === LOCAL_COLLECTOR) return async () => []
    const {createCollectorTrust} = await import('./collector-realm.ts')
    const {output} = this.#options
    return createCollectorTrust(
      collector,
      async () => {
        const {listManagedRegistries} = await import('../collector/api/registries.ts')
        return (await (await this.collector(collector)).run(listManagedRegistries, {})).registries
      },
      ({code, message}, url) => {
        const told = text`${message}; ${url} is not trusted with the credentials of the registries that it manages`
        // Without an account there, the collector is not asked, which most commands can do without.
        if (code === 'UNAUTHENTICATED') output.trace(told)
        else output.warn(told)
      },
    )
  }

  async #openCredentialSources(): Promise<Required<Omit<CredentialSources, 'given'>>> {
    const [
      {foreignProgramEnvironment},
      {createEnvironmentSource},
      {createLoginSource},
      {createDockerConfigSource},
      {dockerConfigFiles},
      logins,
      records,
    ] = await Promise.all([
      import('../credentials/child-environments.ts'),
      import('../credentials/environment.ts'),
      import('../credentials/logins.ts'),
      import('../credentials/docker-config/source.ts'),
      import('../credentials/docker-config/paths.ts'),
      this.logins(),
      this.records(),
    ])
    const {environment, flags, output} = this.#options
    const dockerConfig = createDockerConfigSource({
      files: dockerConfigFiles(environment, {homeDirectory: homeDirectory(), uid: process.getuid?.()}),
      allowedHelpers: [...(flags['allow-helper'] ?? []), ...(await records.listAllowedHelpers())],
      helperEnvironment: foreignProgramEnvironment(environment),
      onSkippedHelper: ({helper, path, registry, reason}) => {
        if (helper === OWN_HELPER) return
        const way = reason === 'not-allowed' ? `; allow it with: holdfast auth allow-helper ${helper}` : ''
        output.warn(text`"${path}" names the credential helper "${helper}" for ${registry}, which was not run${way}`)
      },
      onAbsurdEntry: ({path, registry}) =>
        output.warn(text`"${path}" has an entry for ${registry} that holds no credentials and was not used`),
    })
    return {environment: createEnvironmentSource(environment), logins: createLoginSource(logins, flags.account), dockerConfig}
  }

  async #endpoint(host: RegistryHost, transport: TransportSettings): Promise<RegistryEndpoint> {
    const [records, {findHostEndpoint}] = await Promise.all([this.records(), import('../registries/find.ts')])
    return await findHostEndpoint(records, host, transport, this.signal)
  }
}

const LOOPBACK = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]+)?$/

/** The other names of a host that is this machine. */
function loopbackSpellings(name: RegistryHost): readonly RegistryHost[] {
  if (!LOOPBACK.test(name)) return []
  const port = /:[0-9]+$/.exec(name)?.[0] ?? ''
  return ['127.0.0.1', 'localhost', '[::1]'].map((host) => parseRegistryHost(`${host}${port}`))
}

/** One request, as `--debug` shows it. */
function describeExchange({method, host, path, status, durationMs}: ObservedExchange): TerminalText {
  return text`${method} ${host}${redactText(path)} ${status ?? 'no answer'} ${Math.round(durationMs)} ms`
}
