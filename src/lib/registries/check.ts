/** Diagnoses a registry, from its name to the right to delete, one step after the other. */
import type {CredentialLookup, RegistryEndpoint} from '../content/remote/endpoint.ts'
import {RegistrySession} from '../content/remote/session.ts'
import {type ErrorCode, HoldfastError} from '../core/errors.ts'
import type {HttpClient} from '../http/client.ts'
import {pingRegistry, type RegistryPing} from './ping.ts'
import {firstBase, type RegistryNetwork, type RegistryProbe, secure} from './probe.ts'
import {connectTcp, resolveHost, serverAddress} from './reach.ts'
import {assertDeleteAllowed, assertLogin, assertPullAllowed, assertPushAllowed, refusesWrongDigest} from './rights.ts'
import type {RegistrySubject} from './subject.ts'
import {formatCertificate} from './trust-certificate.ts'

/** In the order in which they are tried. */
export type CheckStepName = 'dns' | 'tcp' | 'tls' | 'api' | 'auth' | 'pull' | 'push' | 'digest' | 'delete'

export interface CheckStep {
  readonly name: CheckStepName
  readonly status: 'ok' | 'failed' | 'skipped'
  /** What was found, why it failed, or why it was not tried. */
  readonly detail: string
  /** Commands that help, most helpful first; empty unless it failed. */
  readonly hints: readonly string[]
  /** Of a failed step. */
  readonly code?: ErrorCode
}

export interface RegistryCheck {
  readonly registry: string
  /** Absent for a registry that is not declared. */
  readonly name?: string
  /** Every step that was tried is ok. */
  readonly ok: boolean
  readonly steps: readonly CheckStep[]
}

export interface CheckDependencies extends RegistryNetwork {
  readonly credentials?: CredentialLookup | undefined
  /** Told each step as it ends. */
  readonly listener?: ((step: CheckStep) => void) | undefined
}

/**
 * Checks everything that can be checked: a step whose ground is missing is skipped and says so, and no failure is thrown but INTERRUPTED.
 * Writes nothing that stays: an upload is started and cancelled, one with a wrong digest is refused, and what is deleted does not exist.
 */
export async function checkRegistry(
  endpoint: RegistryEndpoint,
  subject: RegistrySubject,
  dependencies: CheckDependencies,
): Promise<RegistryCheck> {
  const steps = new Steps(dependencies.listener)
  const http = dependencies.openHttp(endpoint)
  try {
    const base = await checkReach(steps, endpoint, subject, dependencies)
    const ping = await checkApi(steps, http, base, dependencies)
    await checkRights(steps, endpointAt(endpoint, base), http, ping, dependencies)
  } finally {
    http.close()
  }
  return {
    registry: subject.host,
    ...(subject.isDeclared && subject.name !== undefined ? {name: subject.name} : {}),
    ok: steps.done.every(({status}) => status !== 'failed'),
    steps: steps.done,
  }
}

/** DNS, TCP and TLS; answers the base URL of the registry. */
async function checkReach(
  steps: Steps,
  endpoint: RegistryEndpoint,
  subject: RegistrySubject,
  {proxyFor, signal}: CheckDependencies,
): Promise<URL> {
  const first = firstBase(endpoint)
  const address = serverAddress(first)
  const proxy = proxyFor?.(first)
  if (proxy !== undefined) {
    for (const name of ['dns', 'tcp', 'tls'] as const) steps.skip(name, `left to the proxy ${proxy.host}`)
    return first
  }
  await steps.run('dns', [], async () => (await resolveHost(address.hostname)).join(', '))
  await steps.run('tcp', ['dns'], () => connectTcp(address, signal))
  if (first.protocol === 'http:') {
    steps.skip('tls', 'declared as plain HTTP: nothing is encrypted')
    return first
  }
  let base = first
  await steps.run('tls', ['tcp'], async () => {
    const secured = await secure(endpoint, subject, signal)
    base = secured.base
    return describeSecurity(secured)
  })
  return base
}

function describeSecurity({certificate}: Pick<RegistryProbe, 'certificate'>): string {
  if (certificate === undefined) return 'plain HTTP, which is allowed on loopback'
  const {leaf, distrust} = certificate
  const remark = distrust === undefined ? '' : `; it is not trusted (${distrust.code}), and certificate checks are off`
  return `${formatCertificate(leaf)}${remark}`
}

async function checkApi(steps: Steps, http: HttpClient, base: URL, {signal}: CheckDependencies): Promise<RegistryPing | undefined> {
  let ping: RegistryPing | undefined
  await steps.run('api', ['tcp', 'tls'], async () => {
    ping = await pingRegistry(http, base, signal)
    return ping.apiVersion ?? 'a registry that does not tell its version'
  })
  return ping
}

async function checkRights(
  steps: Steps,
  endpoint: RegistryEndpoint,
  http: HttpClient,
  ping: RegistryPing | undefined,
  {credentials, signal}: CheckDependencies,
): Promise<void> {
  const session = new RegistrySession({endpoint, http, credentials})
  await steps.run('auth', ['api'], async () => {
    await assertLogin(session, signal)
    const credential = await credentials?.(endpoint.registry, undefined)
    return describeLogin(ping, credential?.kind === 'basic' ? credential.username : credential?.kind)
  })
  const allowed = async (assertAllowed: typeof assertPullAllowed): Promise<string> => {
    await assertAllowed(session, signal)
    return 'allowed'
  }
  await steps.run('pull', ['auth'], () => allowed(assertPullAllowed))
  await steps.run('push', ['auth'], () => allowed(assertPushAllowed))
  await steps.run('digest', ['push'], () => checkDigestProof(session, signal))
  await steps.run('delete', ['auth'], () => allowed(assertDeleteAllowed))
}

async function checkDigestProof(session: RegistrySession, signal: AbortSignal | undefined): Promise<string> {
  const refuses = await refusesWrongDigest(session, signal)
  if (refuses === false) {
    const {registry} = session.endpoint
    throw new HoldfastError(
      'INTEGRITY',
      `cannot rely on "${registry}": it took bytes under a digest that is not theirs, so Holdfast hashes what it uploads`,
    )
  }
  return refuses ? 'a wrong digest is refused' : 'not clear whether a wrong digest is refused, so Holdfast hashes what it uploads'
}

function describeLogin(ping: RegistryPing | undefined, account: string | undefined): string {
  if (ping === undefined || ping.authScheme === 'none') return 'not asked for: whoever reaches it may use it'
  const who = account === undefined ? 'anonymous' : `as ${account}`
  return ping.authScheme === 'basic' ? `basic, ${who}` : `bearer, ${who}, realm ${ping.realm ?? '(none)'}`
}

/** The endpoint with the question settled whether it speaks plain HTTP. */
function endpointAt(endpoint: RegistryEndpoint, base: URL): RegistryEndpoint {
  return {...endpoint, plainHttp: base.protocol === 'http:' ? 'always' : 'never'}
}

/** The steps so far; a step stands on others, and is skipped when one of them gives no ground. */
class Steps {
  readonly done: CheckStep[] = []
  readonly #groundless = new Set<CheckStepName>()
  readonly #listener: ((step: CheckStep) => void) | undefined

  constructor(listener: ((step: CheckStep) => void) | undefined) {
    this.#listener = listener
  }

  async run(name: CheckStepName, ground: readonly CheckStepName[], work: () => Promise<string>): Promise<void> {
    const missing = ground.find((step) => this.#groundless.has(step))
    if (missing !== undefined) {
      this.#groundless.add(name)
      return this.skip(name, `not tried: ${missing} comes first`)
    }
    try {
      this.#add({name, status: 'ok', detail: await work(), hints: []})
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') throw error
      this.#groundless.add(name)
      this.#add({name, status: 'failed', detail: error.message, hints: error.hints, code: error.code})
    }
  }

  skip(name: CheckStepName, detail: string): void {
    this.#add({name, status: 'skipped', detail, hints: []})
  }

  #add(step: CheckStep): void {
    this.done.push(step)
    this.#listener?.(step)
  }
}
