/** Tokens of this collector: who asks is authenticated, what he may is decided and written down, and exactly that is signed. */
import {isAction} from '../access/decide.ts'
import {type DecidedAction, grantScopes} from '../access/grant.ts'
import {type Authenticator, createAuthenticator, type KnownAccount} from '../accounts/authenticate.ts'
import type {Directory} from '../accounts/directory.ts'
import type {Federation} from '../accounts/federation/identity-tokens.ts'
import {formatScope} from '../auth/scope.ts'
import {HoldfastError} from '../core/errors.ts'
import type {Secret} from '../core/secret.ts'
import {hashOpaqueToken, isOpaqueToken, makeOpaqueToken, matchesHash} from '../tokens/opaque-token.ts'
import {createRegistryTokens, type RegistryTokens} from '../tokens/registry-token.ts'
import type {KeyRing} from '../tokens/signing-keys.ts'
import {admitByDirectories, admitByIdentityToken} from './foreign-accounts.ts'
import type {KeyRings} from './key-ring.ts'
import {INTERNAL_SOURCE, type ManagedRegistry} from './objects.ts'
import {explainRefusal} from './refusals.ts'
import type {CollectorStore} from './store.ts'
import {type Account, accountName, isDisabled, type Standing, serviceOfAccount, standingOf} from './subjects.ts'
import type {GrantedToken, TokenRefusal, TokenRequest, TokenService} from './token-service.ts'

/** A login that is not used for so long has to be made again. */
const REFRESH_TOKEN_LIFE_MS = 365 * 24 * 60 * 60 * 1000
/** Refusals that one response explains; clients ask for one repository mostly. */
const MAX_REFUSALS = 6

const CONTROL_CHARACTER = /\p{Cc}/u

export interface LocalTokenServiceOptions {
  readonly store: CollectorStore
  readonly keys: KeyRings
  readonly authenticator: Authenticator<Account>
  /** `auth.token.issuer` of the registries. */
  readonly issuer: string
  readonly now: () => Date
  /** Who of elsewhere is let in by an identity token: jobs and people. */
  readonly federation: Federation
  /** Told of every decision. */
  readonly onDecision: (decision: DecidedAction) => void
}

/** An authenticator over the accounts of the collector, and of the directories for names that are not its own; the first directory that knows somebody is asked. */
export function createAccountAuthenticator(
  store: CollectorStore,
  directories: readonly Directory[],
  now: () => Date,
): Authenticator<Account> {
  return createAuthenticator({find: (name) => findAccount(store, directories, name), now, history: store})
}

async function findAccount(
  store: CollectorStore,
  directories: readonly Directory[],
  name: string,
): Promise<KnownAccount<Account> | undefined> {
  // No account has one, and PostgreSQL takes no NUL in a text.
  if (CONTROL_CHARACTER.test(name)) return undefined
  const serviceName = serviceOfAccount(name)
  if (serviceName !== undefined) {
    const service = await store.findService(serviceName)
    const hash = service === undefined ? undefined : await store.findSecretHash(service.id)
    // Whoever guesses names of services learns nothing from the time it takes.
    if (service === undefined || hash === undefined) return {isDisabled: false, proof: {kind: 'secret', matches: () => false}}
    const matches = (secret: Secret): boolean => matchesHash(secret.reveal(), hash)
    return {account: {kind: 'service', service}, isDisabled: service.isDisabled, proof: {kind: 'secret', matches}}
  }
  const user = await store.findUser(name)
  if (user === undefined || user.source !== INTERNAL_SOURCE) {
    const asked = directories.filter((directory) => user === undefined || directory.name === user.source)
    if (asked.length === 0) return undefined
    const verify = (password: Secret): Promise<Account | undefined> => admitByDirectories(store, asked, name, password)
    const account = user === undefined ? undefined : ({kind: 'user', user} as const)
    return {account, isDisabled: user?.isDisabled ?? false, proof: {kind: 'directory', verify}}
  }
  const hash = await store.findPasswordHash(user.id)
  return {account: {kind: 'user', user}, isDisabled: user.isDisabled, proof: {kind: 'password-hash', hash}}
}

export function createLocalTokenService({
  store,
  keys,
  authenticator,
  issuer,
  now,
  federation,
  onDecision,
}: LocalTokenServiceOptions): TokenService {
  let signer: {readonly ring: KeyRing; readonly tokens: RegistryTokens} | undefined
  const signerFor = (ring: KeyRing): RegistryTokens => {
    if (signer?.ring !== ring) signer = {ring, tokens: createRegistryTokens(ring, issuer)}
    return signer.tokens
  }

  const grant = async (account: Account, registry: ManagedRegistry, request: TokenRequest): Promise<GrantedToken> => {
    const standing = await standingOf(account, registry, store)
    const {access, decisions} = await grantScopes({...standing, scopes: request.scopes})
    const principal = accountName(account)
    const {requestId, address} = request
    decisions.forEach(onDecision)
    await store.appendAudit(
      decisions.map(({scope, action, granted, rule}) => ({
        requestId,
        principal,
        address,
        action,
        object: `${registry.name} ${formatScope({...scope, actions: [action]})}`,
        outcome: granted ? ('granted' as const) : ('refused' as const),
        rule,
      })),
    )
    const at = now()
    const claims = {subject: principal, audience: registry.service, access, lifeSeconds: registry.tokenLifeSeconds}
    const token = signerFor(await keys.current()).issue(claims, registry.tokenHeader, at)
    return {
      token,
      expiresInSeconds: registry.tokenLifeSeconds,
      issuedAt: at.toISOString(),
      granted: access,
      refusals: await explain(decisions, account, registry, standing),
    }
  }

  const explain = async (
    decisions: readonly DecidedAction[],
    account: Account,
    registry: ManagedRegistry,
    standing: Standing,
  ): Promise<readonly TokenRefusal[]> => {
    const refusals: TokenRefusal[] = []
    for (const {scope, action, granted, rule} of decisions) {
      if (granted || scope.type !== 'repository' || !isAction(action)) continue
      const refused = {action, account, registry, standing, repository: scope.name}
      refusals.push({scope: formatScope({...scope, actions: [action]}), rule, ...(await explainRefusal(refused, store))})
      if (refusals.length === MAX_REFUSALS) break
    }
    return refusals
  }

  const keepLogin = async (account: Account, {service}: ManagedRegistry, {client}: TokenRequest): Promise<Secret> => {
    const refreshToken = makeOpaqueToken('refresh')
    await store.addRefreshToken({
      tokenHash: hashOpaqueToken(refreshToken.reveal()),
      subject: subjectOf(account),
      service,
      client,
      expiresAt: new Date(now().getTime() + REFRESH_TOKEN_LIFE_MS).toISOString(),
    })
    return refreshToken
  }

  /** @param reason for the operator alone. */
  const refuse = async (
    account: string,
    request: TokenRequest,
    registry: ManagedRegistry,
    error: unknown,
    reason?: string,
  ): Promise<never> => {
    if (error instanceof HoldfastError) {
      const {requestId, address} = request
      const entry = {requestId, principal: account.replaceAll(/\p{Cc}/gu, '?'), address, action: 'login', object: registry.name}
      await store.appendAudit([{...entry, outcome: 'refused', rule: error.code, reason}])
    }
    throw error
  }

  return {
    async byPassword(name, password, request) {
      const registry = await registryOf(request, store)
      const account = await authenticator
        .authenticate(name, password, request.address)
        .catch((error: unknown) => refuse(name, request, registry, error))
      const granted = await grant(account, registry, request)
      return request.isOffline ? {...granted, refreshToken: await keepLogin(account, registry, request)} : granted
    },
    async byRefreshToken(refreshToken, request) {
      const registry = await registryOf(request, store)
      const text = refreshToken.reveal()
      const issued = isOpaqueToken('refresh', text) ? await store.findRefreshToken(hashOpaqueToken(text)) : undefined
      const account = issued?.service === registry.service ? await findSubject(store, issued.subject) : undefined
      if (issued === undefined || account === undefined || isDisabled(account)) {
        const error = new HoldfastError('UNAUTHENTICATED', 'cannot give a token: the identity token is not, or no longer, good here')
        return await refuse(account === undefined ? '-' : accountName(account), request, registry, error)
      }
      await store.touchRefreshToken(issued.id)
      const granted = await grant(account, registry, request)
      // The same one again: clients keep what they are given, and would lose the login at the first answer that they miss.
      return {...granted, refreshToken}
    },
    async byIdentityToken(identityToken, request) {
      const registry = await registryOf(request, store)
      const {account, isPerson, reason} = await admitByIdentityToken(store, federation, identityToken)
      if (account === undefined || isDisabled(account)) {
        const error = new HoldfastError(
          'UNAUTHENTICATED',
          'cannot give a token: nothing here trusts that identity token, or it is not, or no longer, good',
        )
        return await refuse(
          account === undefined ? '-' : accountName(account),
          request,
          registry,
          error,
          reason ?? 'its account is disabled',
        )
      }
      const granted = await grant(account, registry, request)
      // A job's lasts as long as the job has its own: nothing is given that would outlive it.
      return request.isOffline && isPerson ? {...granted, refreshToken: await keepLogin(account, registry, request)} : granted
    },
  }
}

async function registryOf({service}: TokenRequest, store: CollectorStore): Promise<ManagedRegistry> {
  const registry = service === '' ? undefined : await store.findManagedRegistry({service})
  if (registry !== undefined) return registry
  throw new HoldfastError('USAGE', `cannot give a token: no registry is known by the service "${service.slice(0, 100)}"`)
}

function subjectOf(account: Account): {readonly kind: 'user' | 'service'; readonly id: number} {
  return account.kind === 'user' ? {kind: 'user', id: account.user.id} : {kind: 'service', id: account.service.id}
}

async function findSubject(
  store: CollectorStore,
  {kind, id}: {readonly kind: 'user' | 'service'; readonly id: number},
): Promise<Account | undefined> {
  if (kind === 'user') {
    const user = await store.findUser(id)
    return user === undefined ? undefined : {kind, user}
  }
  const service = (await store.listServices()).find((one) => one.id === id)
  return service === undefined ? undefined : {kind, service}
}
