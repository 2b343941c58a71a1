/** Asks a registry what it is, and turns the answers into its record: flavour, authentication, pinned hosts, proofs. */

import type {CredentialLookup, RegistryCapabilities, RegistryEndpoint} from '../content/remote/endpoint.ts'
import {isOwnName} from '../content/remote/realm-trust.ts'
import {RegistrySession} from '../content/remote/session.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import type {HttpClient} from '../http/client.ts'
import type {RegistryRecord} from '../records/store.ts'
import {MAX_PINNED_ON_SIGHT} from './limits.ts'
import {probeRegistry, type RegistryNetwork, type RegistryProbe} from './probe.ts'
import {agreeOnRealm, type ConfirmRealm, type RealmConsent, trusting} from './realm-consent.ts'
import {formatRegistryUrl} from './registry-url.ts'
import {mountsFromItself, refusesWrongDigest} from './rights.ts'
import {type RegistrySubject, settingHint} from './subject.ts'

export interface ExamineDependencies extends RegistryNetwork {
  readonly credentials?: CredentialLookup | undefined
  /** Absent where no user can be asked. */
  readonly confirmRealm?: ConfirmRealm | undefined
}

export interface Examination {
  readonly registry: RegistryRecord
  /** What the user should know, one sentence each. */
  readonly notes: readonly string[]
}

/**
 * Probes the registry of a draft record and completes it. The token realm that it names is pinned, and told in the notes, when it may have the credentials of the registry
 * without being declared, or when the user says so.
 * @throws {HoldfastError} as `probeRegistry`; UNTRUSTED_HOST for another realm, before anything is sent there. A registry without push is a note, not an error.
 */
export async function examineRegistry(
  draft: RegistryRecord,
  endpoint: RegistryEndpoint,
  subject: RegistrySubject,
  dependencies: ExamineDependencies,
): Promise<Examination> {
  const http = dependencies.openHttp(endpoint)
  try {
    const probe = await probeRegistry(endpoint, subject, http, dependencies)
    const consent = probe.authScheme === 'bearer' ? await consentTo(probe, endpoint, subject, dependencies) : undefined
    // With a client that may connect to the host.
    if (consent?.newlyTrusted !== undefined)
      return await examineRegistry(draft, trusting(endpoint, consent.newlyTrusted), subject, dependencies)
    const registry = recordProbe(draft, probe, consent?.realm.host)
    const settled: RegistryEndpoint = {...endpoint, plainHttp: registry.plainHttp ? 'always' : 'never', pinnedHosts: registry.pinnedHosts}
    const push = await examinePush(settled, http, probe.base, subject, dependencies)
    const pinnedHosts = push.endpoint.pinnedHosts ?? registry.pinnedHosts
    return {
      registry: {...registry, pinnedHosts, capabilities: {...registry.capabilities, ...push.capabilities}},
      notes: [...pinNotes(draft.pinnedHosts, pinnedHosts), ...push.notes],
    }
  } finally {
    http.close()
  }
}

function consentTo(
  probe: RegistryProbe,
  endpoint: RegistryEndpoint,
  subject: RegistrySubject,
  {confirmRealm}: ExamineDependencies,
): Promise<RealmConsent> {
  const commandFor = (host: string): string => settingHint(subject, `--trust-host ${host}`)
  return agreeOnRealm(probe.realm, probe.base, endpoint, {confirm: confirmRealm, commandFor})
}

/** The realm that is named now is pinned instead of the one that was named before. */
function recordProbe(draft: RegistryRecord, probe: RegistryProbe, realmHost: string | undefined): RegistryRecord {
  const {flavour, authScheme, realm, ...rest} = draft
  const former = realm === undefined || authScheme !== 'bearer' ? undefined : URL.parse(realm, probe.base.href)?.host
  const plainHttp = probe.base.protocol === 'http:'
  const named = realmHost === probe.base.host ? undefined : realmHost
  return {
    ...rest,
    url: formatRegistryUrl(draft.host, plainHttp),
    plainHttp,
    authScheme: probe.authScheme,
    ...(probe.flavour === undefined ? {} : {flavour: probe.flavour}),
    ...(probe.realm === undefined ? {} : {realm: probe.realm}),
    pinnedHosts: [...new Set([...draft.pinnedHosts.filter((host) => host !== former), ...(named === undefined ? [] : [named])])],
  }
}

interface PushExamination {
  readonly endpoint: RegistryEndpoint
  readonly capabilities: RegistryCapabilities
  readonly notes: readonly string[]
}

/** Tries an upload; another port of the registry's own host that the upload is to go to is pinned, and the upload tried again there. */
async function examinePush(
  endpoint: RegistryEndpoint,
  http: HttpClient,
  base: URL,
  subject: RegistrySubject,
  dependencies: ExamineDependencies,
): Promise<PushExamination> {
  const session = new RegistrySession({endpoint, http, credentials: dependencies.credentials})
  try {
    const refuses = await refusesWrongDigest(session, dependencies.signal)
    const mounts = await findSelfMount(session, dependencies.signal)
    const notes = refuses === true ? [] : ['it did not refuse a wrong digest, so Holdfast hashes what it uploads']
    return {endpoint, capabilities: {...(refuses === undefined ? {} : {refusesWrongDigest: refuses}), ...mounts}, notes}
  } catch (error) {
    const pinned = endpoint.pinnedHosts ?? []
    const host = hasCode(error, 'UNTRUSTED_HOST') ? error.details.host : undefined
    if (typeof host === 'string' && !pinned.includes(host) && pinned.length < MAX_PINNED_ON_SIGHT) {
      const isOwn = isOwnName(new URL(`${base.protocol}//${host}`), base, endpoint)
      if (isOwn) return examinePush({...endpoint, pinnedHosts: [...pinned, host]}, http, base, subject, dependencies)
    }
    if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') throw error
    const way =
      typeof host === 'string' && error.hints.length > 0
        ? `; if that host is to be trusted: ${settingHint(subject, `--trust-host ${host}`)}`
        : ''
    return {
      endpoint,
      capabilities: {},
      notes: [`not tried whether it refuses a wrong digest, so Holdfast hashes what it uploads: ${error.message}${way}`],
    }
  }
}

/** Saves requests and nothing more, so that a registry where it cannot be tried is as good as any. */
async function findSelfMount(
  session: RegistrySession,
  signal: AbortSignal | undefined,
): Promise<Pick<RegistryCapabilities, 'mountsFromItself'>> {
  try {
    return {mountsFromItself: await mountsFromItself(session, signal)}
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') throw error
    return {}
  }
}

function pinNotes(before: readonly string[], after: readonly string[]): readonly string[] {
  return after.filter((host) => !before.includes(host)).map((host) => `pinned ${host}: the registry may send credentials and blobs there`)
}
