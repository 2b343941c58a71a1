/** Does a registry trust this collector, and does the collector hear of it? Asked with tokens of the collector's own, step by step; says which setting is wrong. */
import {parseChallenges} from '../auth/challenge.ts'
import {CATALOG_SCOPE} from '../auth/scope.ts'
import {HoldfastError} from '../core/errors.ts'
import {EMBEDDED_REGISTRY, type ManagedRegistry, TOKEN_HEADERS, type TokenHeader} from './objects.ts'
import type {MintToken} from './own-tokens.ts'

/** As much as distribution forgives (its token specification). */
const CLOCK_LEEWAY_MS = 60_000

export interface TrustStep {
  readonly name: 'challenge' | 'token' | 'catalog' | 'events' | 'index'
  readonly status: 'ok' | 'failed' | 'skipped'
  readonly detail: string
  readonly hints: readonly string[]
}

interface ProbeAnswer {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
}

/** Sends one GET to a registry, on its own. */
export type ProbeRegistry = (path: string, token: string | undefined) => Promise<ProbeAnswer>

export interface TrustFacts {
  readonly probe: ProbeRegistry
  readonly mint: MintToken
  readonly issuer: string
  /** When the registry last notified of something. */
  readonly lastEventAt: string | undefined
  readonly hasEventsSecret: boolean
  /** Repositories that are indexed. */
  readonly repositories: number
  readonly now: () => Date
}

export async function checkTrust(registry: ManagedRegistry, facts: TrustFacts): Promise<readonly TrustStep[]> {
  const steps: TrustStep[] = []
  const challenge = await step('challenge', () => checkChallenge(registry, facts.probe))
  steps.push(challenge)
  const token = challenge.status === 'ok' ? await step('token', () => checkToken(registry, facts)) : skipped('token', 'challenge')
  steps.push(token)
  steps.push(token.status === 'ok' ? await step('catalog', () => checkCatalog(facts)) : skipped('catalog', 'token'))
  return [...steps, checkEvents(registry, facts), checkIndex(registry, facts)]
}

type Finding = Pick<TrustStep, 'detail'> & Partial<Pick<TrustStep, 'status' | 'hints'>>

async function step(name: TrustStep['name'], work: () => Promise<Finding>): Promise<TrustStep> {
  try {
    const {status = 'ok', detail, hints = []} = await work()
    return {name, status, detail, hints}
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error
    return {name, status: 'failed', detail: error.message, hints: error.hints}
  }
}

function skipped(name: TrustStep['name'], ground: string): TrustStep {
  return {name, status: 'skipped', detail: `${ground} failed`, hints: []}
}

/** Asks without a token: a registry that trusts a collector asks for a token of its own service. */
export async function checkChallenge({name, service}: ManagedRegistry, probe: ProbeRegistry): Promise<Finding> {
  const {status, headers} = await probe('/v2/', undefined)
  const bearer = parseChallenges(headers['www-authenticate'] ?? '').find(({scheme}) => scheme.toLowerCase() === 'bearer')
  if (status !== 401 || bearer === undefined) {
    return {
      status: 'failed',
      detail: `it asks for no token: /v2/ answered ${status}`,
      hints: [`holdfast registry render ${name} --collector-url URL   # auth: token in its configuration`],
    }
  }
  const {realm = '', service: asked = ''} = bearer.parameters
  if (asked !== service) {
    return {
      status: 'failed',
      detail: `audience: it wants tokens for the service "${asked}", and the collector gives them for "${service}"`,
      hints: [`holdfast registry manage ${name} --service "${asked}"`],
    }
  }
  return {detail: `tokens of ${realm} for ${service}`}
}

/** Asks with a token of the collector that has no rights: a registry that trusts it takes that. */
export async function checkToken(
  registry: ManagedRegistry,
  {probe, mint, issuer, now}: Pick<TrustFacts, 'probe' | 'mint' | 'issuer' | 'now'>,
): Promise<Finding> {
  const ask = async (header?: TokenHeader): Promise<ProbeAnswer> => await probe('/v2/', await mint([], header))
  const {status, headers} = await ask()
  if (status === 200) return {detail: `a token of the form ${registry.tokenHeader} is taken`}
  const skewMs = headers.date === undefined ? 0 : Math.abs(now().getTime() - Date.parse(headers.date))
  if (skewMs > CLOCK_LEEWAY_MS) {
    return {
      status: 'failed',
      detail: `clock: its time and ours are ${Math.round(skewMs / 1000)} s apart, and tokens are good for some minutes`,
      hints: ['timedatectl set-ntp true   # on both machines'],
    }
  }
  for (const header of TOKEN_HEADERS) {
    if (header === registry.tokenHeader || (await ask(header)).status !== 200) continue
    return {
      status: 'failed',
      detail: `key: it refuses tokens of the form ${registry.tokenHeader}, and takes ${header}`,
      hints: [`holdfast registry manage ${registry.name} --token-header ${header}`],
    }
  }
  return {
    status: 'failed',
    detail: `issuer or key: it refuses tokens of the issuer "${issuer}" (${status}); it reads both when it starts`,
    hints: [
      `issuer: ${issuer}   # in auth.token of its configuration`,
      'holdfast collector keys export > FILE   # its rootcertbundle; then restart it',
    ],
  }
}

async function checkCatalog({probe, mint}: TrustFacts): Promise<Finding> {
  const {status} = await probe('/v2/_catalog?n=1', await mint([CATALOG_SCOPE]))
  if (status === 200) return {detail: 'the catalog can be read: sweeps find what events miss'}
  return {status: 'failed', detail: `the catalog answered ${status}`, hints: []}
}

function checkEvents({name}: ManagedRegistry, {lastEventAt, hasEventsSecret}: TrustFacts): TrustStep {
  if (name === EMBEDDED_REGISTRY) return {name: 'events', status: 'ok', detail: 'serve records what happens there itself', hints: []}
  const hints = [`holdfast registry render ${name} --collector-url URL   # notifications in its configuration`]
  if (!hasEventsSecret) return {name: 'events', status: 'failed', detail: 'no secret for its notifications was ever made', hints}
  if (lastEventAt === undefined)
    return {name: 'events', status: 'failed', detail: 'it has not notified of anything yet: push something, and check again', hints}
  return {name: 'events', status: 'ok', detail: `last notified on ${lastEventAt}`, hints: []}
}

function checkIndex({name}: ManagedRegistry, {repositories}: TrustFacts): TrustStep {
  if (repositories > 0) return {name: 'index', status: 'ok', detail: `${repositories} repositories can be searched`, hints: []}
  return {name: 'index', status: 'skipped', detail: 'it is empty, or was not swept yet', hints: [`holdfast registry discover ${name}`]}
}
