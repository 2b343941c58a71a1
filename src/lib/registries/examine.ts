/** Asks a registry what it is, and turns the answers into its record: flavour, authentication, pinned hosts, proofs. */

import type {CredentialLookup, RegistryCapabilities, RegistryEndpoint} from '../content/remote/endpoint.ts'
import {RegistrySession} from '../content/remote/session.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import type {HttpClient} from '../http/client.ts'
import type {RegistryRecord} from '../records/store.ts'
import {MAX_PINNED_ON_SIGHT} from './limits.ts'
import {realmHost} from './ping.ts'
import {probeRegistry, type RegistryNetwork, type RegistryProbe} from './probe.ts'
import {formatRegistryUrl} from './registry-url.ts'
import {mountsFromItself, refusesWrongDigest} from './rights.ts'
import type {RegistrySubject} from './subject.ts'

export interface ExamineDependencies extends RegistryNetwork {
  readonly credentials?: CredentialLookup | undefined
}

export interface Examination {
  readonly registry: RegistryRecord
  /** What the user should know, one sentence each. */
  readonly notes: readonly string[]
}

/**
 * Probes the registry of a draft record and completes it. Whom the registry names while it is declared is pinned, and told in the notes.
 * @throws {HoldfastError} as `probeRegistry`; that nobody may push is a note, not an error.
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
    const registry = recordProbe(draft, probe)
    const settled: RegistryEndpoint = {...endpoint, plainHttp: registry.plainHttp ? 'always' : 'never', pinnedHosts: registry.pinnedHosts}
    const push = await examinePush(settled, http, dependencies)
    const pinnedHosts = push.endpoint.pinnedHosts ?? registry.pinnedHosts
    return {
      registry: {...registry, pinnedHosts, capabilities: {...registry.capabilities, ...push.capabilities}},
      notes: [...pinNotes(draft.pinnedHosts, pinnedHosts), ...push.notes],
    }
  } finally {
    http.close()
  }
}

/** The realm that is named now is pinned instead of the one that was named before. */
function recordProbe(draft: RegistryRecord, probe: RegistryProbe): RegistryRecord {
  const {flavour, authScheme, realm, ...rest} = draft
  const former = realm === undefined || authScheme !== 'bearer' ? undefined : realmHost({authScheme, realm}, probe.base)
  const named = realmHost(probe, probe.base)
  const plainHttp = probe.base.protocol === 'http:'
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

/** Tries an upload; a host that the registry wants the upload sent to is pinned, and the upload tried again there. */
async function examinePush(endpoint: RegistryEndpoint, http: HttpClient, dependencies: ExamineDependencies): Promise<PushExamination> {
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
      return examinePush({...endpoint, pinnedHosts: [...pinned, host]}, http, dependencies)
    }
    if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') throw error
    return {
      endpoint,
      capabilities: {},
      notes: [`not tried whether it refuses a wrong digest, so Holdfast hashes what it uploads: ${error.message}`],
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
