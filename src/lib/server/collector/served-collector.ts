/** A collector as `serve` runs it: its application beside the registry, and the check of tokens before it. */
import type {IncomingMessage, RequestListener} from 'node:http'
import {decide} from '../../access/decide.ts'
import type {DecidedAction} from '../../access/grant.ts'
import type {Directory} from '../../accounts/directory.ts'
import type {Federation} from '../../accounts/federation/identity-tokens.ts'
import {parseBasic} from '../../auth/basic.ts'
import {CATALOG_SCOPE, coversScopes, type Scope} from '../../auth/scope.ts'
import {createActiveAccounts} from '../../collector/active-accounts.ts'
import {admitByIdentityToken} from '../../collector/foreign-accounts.ts'
import {createEventFeed, OWN_ACTOR} from '../../collector/index-feed.ts'
import {createKeyRings, type KeyRings} from '../../collector/key-ring.ts'
import {createLeases} from '../../collector/leases.ts'
import {createAccountAuthenticator, createLocalTokenService} from '../../collector/local-token-service.ts'
import type {ManagedRepository} from '../../collector/managed-repository.ts'
import type {ManagedRegistry} from '../../collector/objects.ts'
import {Prover} from '../../collector/proof.ts'
import {isProven, registryAt} from '../../collector/registry-place.ts'
import {startRetention} from '../../collector/retention.ts'
import {createSearchService} from '../../collector/search/search-service.ts'
import {createSecretMaker} from '../../collector/secret-maker.ts'
import type {CollectorStore} from '../../collector/store.ts'
import {type Account, accountName, serviceOfAccount, standingOf} from '../../collector/subjects.ts'
import {checkTrustNow, type OpenSweepSource, type SweeperOptions, startSweeper, sweepNow} from '../../collector/sweeper.ts'
import type {ContentStore} from '../../content/store.ts'
import {awaitedLater} from '../../core/awaited-later.ts'
import {HoldfastError} from '../../core/errors.ts'
import {Secret} from '../../core/secret.ts'
import {settlesWithin} from '../../core/settle-within.ts'
import {createEventRecorder} from '../../events/record-events.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import {createRegistryTokens, type RegistryTokens} from '../../tokens/registry-token.ts'
import type {KeyRing} from '../../tokens/signing-keys.ts'
import {type AccessControl, createAccessControl} from '../access-control.ts'
import type {RequestEvent, ServerListener} from '../server-events.ts'
import {createCollectorApp} from './app.ts'
import type {CatalogFor} from './catalog-routes.ts'
import {embeddedEvents} from './embedded-events.ts'
import {collectorChecks} from './health-routes.ts'
import {createMetrics} from './metrics.ts'
import type {SearchFor} from './search-routes.ts'

/** How often the keys are looked at: a rotation by another replica is known in time. */
const KEYS_CHECK_MS = 60_000
/** How long sweeps and events under way may take to end. */
const CLOSE_MS = 5_000
const SEARCH: readonly Scope[] = [{type: 'registry', name: 'catalog', actions: ['search']}]
const BEARER = /^Bearer +([^ ]+)$/i
const HOST = /^[A-Za-z0-9._-]+(?::[0-9]{1,5})?$|^\[[0-9a-fA-F:]+\](?::[0-9]{1,5})?$/

export interface ServedCollectorOptions {
  readonly store: CollectorStore
  /** The registry that is served beside it: its tokens are checked here. */
  readonly embedded: ManagedRegistry
  /** `auth.token.issuer` of the registries. */
  readonly issuer: string
  /** How clients see this server, when it does not follow from their requests. */
  readonly publicUrl?: string | undefined
  readonly isSecure: boolean
  readonly trustedProxies: readonly string[]
  readonly version: string
  readonly listener?: ServerListener | undefined
  /** Where the registry beside it keeps its images. */
  readonly embeddedStore: Pick<ContentStore, 'statManifest'>
  /** Who of elsewhere is let in by an identity token. */
  readonly federation: Federation
  /** Who else knows people. */
  readonly directories: readonly Directory[]
  /** Opens a registry for a sweep. */
  readonly openSource: OpenSweepSource
  /** Opens a registry for single requests. */
  readonly openProbe: SweeperOptions['openProbe']
  /** Opens a repository with tokens of the collector's own. */
  readonly openRepository: (
    registry: ManagedRegistry,
    repository: RepositoryName,
    own: Pick<SweeperOptions, 'keys' | 'issuer' | 'now'>,
  ) => Promise<ManagedRepository>
  /** Gives up the start before anything runs in the background. */
  readonly signal?: AbortSignal | undefined
}

export interface ServedCollector {
  readonly accessControl: AccessControl
  readonly others: RequestListener
  readonly healthChecks: ReturnType<typeof collectorChecks>
  /** Told of every request to the registry beside it: what changes it is an event. */
  readonly onRequest: (event: RequestEvent) => void
  close(): Promise<void>
}

export async function createServedCollector(options: ServedCollectorOptions): Promise<ServedCollector> {
  const {store, embedded, issuer, listener} = options
  const now = (): Date => new Date()
  const keys = createKeyRings(store, now)
  const verifier = await followKeys(keys, issuer, (error) => listener?.({type: 'failure', requestId: 'signing-keys', error}))
  const authenticator = createAccountAuthenticator(store, options.directories, now)
  const metrics = createMetrics()
  const onDecision = ({action, rule, granted}: DecidedAction): void => metrics.decided(action, rule, granted)
  const tokens = createLocalTokenService({store, keys, authenticator, issuer, now, federation: options.federation, onDecision})
  const searchService = createSearchService(store)
  const recorder = createEventRecorder({...createEventFeed(store), ownActor: OWN_ACTOR})
  const sweeping = {store, keys, issuer, openSource: options.openSource, openProbe: options.openProbe, now}

  const identify = async (authorization: string, address: string): Promise<{readonly account: Account; readonly service?: string}> => {
    const basic = parseBasic(authorization)
    if (basic !== undefined) return {account: await authenticator.authenticate(basic.username, new Secret(basic.password), address)}
    const services = new Set((await store.listManagedRegistries()).map(({service}) => service))
    const token = BEARER.exec(authorization)?.[1]
    const verified = token === undefined ? 'malformed' : verifier.tokens().verify(token, (audience) => services.has(audience), now())
    if (typeof verified !== 'string' && coversScopes(verified.access, SEARCH)) {
      const account = await accountOf(verified.subject, store)
      if (account !== undefined) return {account, service: verified.audience}
    }
    throw new HoldfastError('UNAUTHENTICATED', 'cannot search: it is not known who asks')
  }
  const searchFor: SearchFor = async (authorization, {term, limit, registry: meant, address}) => {
    const {account, service} = await identify(authorization, address)
    const registries = await store.listManagedRegistries()
    const named = 'name' in meant ? registries.find(({name}) => name === meant.name) : undefined
    // A token says which registry it is for; a path that names another one is not answered with it.
    const registry =
      service === undefined
        ? (named ?? ('host' in meant ? registryAt(registries, meant.host) : undefined))
        : registries.find((one) => one.service === service)
    if (registry === undefined || !isProven(registry) || ('name' in meant && registry.name !== meant.name)) return {count: 0, results: []}
    return await searchService.searchFor(account, term, {registry: registry.name, limit})
  }

  const catalogFor: CatalogFor = async (authorization, {registry: name, after, limit, address}) => {
    const registry = await store.findManagedRegistry({name})
    // A registry that is not there is like one of which nothing may be pulled.
    const service = registry?.service ?? name
    const token = BEARER.exec(authorization)?.[1]
    const verified = token === undefined ? 'malformed' : verifier.tokens().verify(token, (audience) => audience === service, now())
    if (typeof verified !== 'string' && verified.subject === OWN_ACTOR && coversScopes(verified.access, [CATALOG_SCOPE])) return 'own'
    const basic = parseBasic(authorization)
    const account =
      basic !== undefined
        ? await authenticator.authenticate(basic.username, new Secret(basic.password), address)
        : typeof verified === 'string'
          ? undefined
          : await accountOf(verified.subject, store)
    if (account === undefined) throw new HoldfastError('UNAUTHENTICATED', 'cannot list: it is not known who asks', {details: {service}})
    if (registry === undefined) return {repositories: [], hasMore: false}
    return await searchService.listFor(account, registry, {after, limit})
  }

  const app = await createCollectorApp({
    store,
    secrets: createSecretMaker(),
    now,
    version: options.version,
    sessions: store,
    async verifyUser(name, password, address) {
      const account = await authenticator.authenticate(name, password, address)
      if (account.kind === 'user') return account.user
      throw new HoldfastError('UNAUTHENTICATED', 'cannot call the collector: services have nothing to do here')
    },
    async verifyIdentityToken(token, request) {
      const {account, isPerson, reason = 'it is not that of a person'} = await admitByIdentityToken(store, options.federation, token)
      if (isPerson && account?.kind === 'user') return account.user
      const entry = {...request, principal: account === undefined ? '-' : accountName(account), action: 'login', object: 'session'}
      await store.appendAudit([{...entry, outcome: 'refused', rule: 'UNAUTHENTICATED', reason}])
      throw new HoldfastError('UNAUTHENTICATED', 'cannot begin a session: no identity provider here knows whose token that is')
    },
    providers: options.federation.providers,
    tokens,
    searchFor,
    catalogFor,
    recorder,
    prover: new Prover(sweeping),
    publicUrl: options.publicUrl,
    keys,
    metrics,
    sweep: (registry) => sweepNow(registry, sweeping),
    checkTrust: (registry) => checkTrustNow(registry, sweeping),
    openRepository: (registry, repository) => options.openRepository(registry, repository, sweeping),
    trustedProxies: options.trustedProxies,
    listener,
  })
  if (options.signal?.aborted === true) {
    verifier.stop()
    await app.close()
    throw options.signal.reason
  }
  const pending = new Set<Promise<unknown>>()
  const sweeper = startSweeper(sweeping, ({registry, outcome, durationMs}) => {
    if (outcome.kind !== 'elsewhere') metrics.swept(registry, durationMs, outcome.kind === 'swept' && outcome.result.complete)
    const error =
      outcome.kind === 'failed' ? outcome.error : outcome.kind === 'swept' && !outcome.result.complete ? outcome.result.reason : undefined
    if (error !== undefined) listener?.({type: 'failure', requestId: `discovery of ${registry}`, error})
  })
  const isActive = createActiveAccounts((name) => accountOf(name, store), now)
  const leases = createLeases(store, now, 'retention-lease')
  const retention = startRetention({store, leases, now}, (error) => listener?.({type: 'failure', requestId: 'retention', error}))
  return {
    accessControl: createAccessControl({
      service: embedded.service,
      mayPull(subject) {
        const standing = awaitedLater(
          accountOf(subject, store).then(async (account) =>
            account === undefined ? undefined : await standingOf(account, embedded, store),
          ),
        )
        return async (repository) => {
          const known = await standing
          return (
            known !== undefined && decide('pull', known.principal, known.registry, await known.resolve(repository), known.options).granted
          )
        }
      },
      isActive: async (subject) => subject === OWN_ACTOR || (await isActive(subject)),
      originOf: ({request}) => options.publicUrl ?? originOf(request, options.isSecure),
      verifyToken(token) {
        const verified = verifier.tokens().verify(token, (audience) => audience === embedded.service, now())
        return typeof verified === 'string' ? undefined : verified
      },
    }),
    others: (request, response) => app.routing(request, response),
    healthChecks: collectorChecks({store, keys, now}),
    onRequest(event) {
      const recorded = embeddedEvents(event, options.embeddedStore).then(
        async (notified) => notified.length > 0 && (await recorder.record(embedded.name, notified)),
      )
      recorded
        .catch((error: unknown) => listener?.({type: 'failure', requestId: event.requestId, error}))
        .finally(() => pending.delete(recorded))
      pending.add(recorded)
    },
    async close() {
      verifier.stop()
      // What waits for a registry or a database that says nothing more ends when their connections do.
      await settlesWithin(Promise.allSettled([sweeper.stop(), retention.stop(), ...pending]), CLOSE_MS)
      await app.close()
    },
  }
}

/** As the client has it in its request: the realm goes back to nobody else. */
function originOf({headers}: IncomingMessage, isSecure: boolean): string {
  const host = headers.host ?? ''
  return `${isSecure ? 'https' : 'http'}://${HOST.test(host) ? host : 'localhost'}`
}

async function accountOf(name: string, store: CollectorStore): Promise<Account | undefined> {
  const service = serviceOfAccount(name)
  if (service !== undefined) {
    const found = await store.findService(service)
    return found === undefined ? undefined : {kind: 'service', service: found}
  }
  const user = await store.findUser(name)
  return user === undefined ? undefined : {kind: 'user', user}
}

interface FollowedKeys {
  readonly tokens: () => RegistryTokens
  readonly stop: () => void
}

async function followKeys(keys: KeyRings, issuer: string, onError: (error: unknown) => void): Promise<FollowedKeys> {
  let ring: KeyRing = await keys.current()
  let tokens = createRegistryTokens(ring, issuer)
  const timer = setInterval(() => {
    keys
      .current()
      .then((current) => {
        if (current === ring) return
        ring = current
        tokens = createRegistryTokens(current, issuer)
      })
      .catch(onError)
  }, KEYS_CHECK_MS)
  timer.unref()
  return {tokens: () => tokens, stop: () => clearInterval(timer)}
}
