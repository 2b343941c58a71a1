/** What is said about declared registries and about a check. */

import {type TerminalText, text} from '../core/terminal-text.ts'
import type {RegistryFlavour, RegistryRecord, TrustRecord, TrustSource} from '../records/store.ts'
import type {CheckStep} from '../registries/check.ts'
import {formatTable} from './table.ts'

const FLAVOURS: Readonly<Record<RegistryFlavour, string>> = {
  http: 'plain HTTP',
  'https-self-signed': 'HTTPS, self-signed',
  'https-ca-signed': 'HTTPS, signed by a CA',
}

const SOURCES: Readonly<Record<TrustSource, string>> = {login: 'by login', collector: 'by its collector'}

/**
 * Everything known of one registry, a line each.
 * @param trust the hosts that are trusted with its credentials besides those pinned; absent to say nothing of them.
 */
export function describeRegistry(registry: RegistryRecord, trust?: readonly TrustRecord[]): readonly TerminalText[] {
  const {refusesWrongDigest} = registry.capabilities
  const facts: readonly (readonly [name: string, value: string | undefined])[] = [
    ['name', registry.name],
    ['url', registry.url],
    ['default', registry.isDefault ? 'yes' : 'no'],
    ['flavour', describeFlavour(registry)],
    ['authentication', registry.authScheme ?? 'not known'],
    ['realm', registry.realm],
    ['pinned hosts', registry.pinnedHosts.length === 0 ? 'none but its own' : registry.pinnedHosts.join(', ')],
    ['trusted hosts', trust === undefined || trust.length === 0 ? undefined : trust.map(formatTrust).join(', ')],
    ['prefix', registry.repositoryPrefix],
    ['CA file', registry.caFile],
    ['client certificate', registry.clientCertFile],
    ['client key', registry.clientKeyFile],
    ['refuses a wrong digest', refusesWrongDigest === undefined ? 'not proven' : refusesWrongDigest ? 'yes, proven' : 'no'],
    ['declared', registry.createdAt],
    ['updated', registry.updatedAt],
  ]
  return facts.flatMap(([name, value]) => (value === undefined ? [] : [text`${name.padEnd(FACT_WIDTH)}  ${value}`]))
}

/** All registries, a row each, with the hosts that may have their credentials. */
export function describeRegistries(registries: readonly RegistryRecord[], trust: readonly TrustRecord[]): readonly TerminalText[] {
  const rows = registries.map((registry) => [
    registry.name,
    registry.url,
    describeFlavour(registry),
    registry.authScheme ?? 'not known',
    registry.isDefault ? 'yes' : '',
    registry.repositoryPrefix ?? '',
    [...registry.pinnedHosts, ...trust.filter((one) => one.registry === registry.host).map(formatTrust)].join(', '),
  ])
  return formatTable(['NAME', 'URL', 'FLAVOUR', 'AUTHENTICATION', 'DEFAULT', 'PREFIX', 'TRUSTED HOSTS'], rows)
}

/** A host that is trusted for a registry which is not declared. */
export function describeTrust(trust: TrustRecord): TerminalText {
  return text`${trust.registry} is not declared, and may send credentials to ${formatTrust(trust)}`
}

function formatTrust({host, trustedBy}: TrustRecord): string {
  return `${host} (${SOURCES[trustedBy]})`
}

/** One line of a check, with its hints below it. */
export function describeStep({name, status, detail, hints}: Omit<CheckStep, 'name'> & {readonly name: string}): readonly TerminalText[] {
  return [text`${name.padEnd(STEP_WIDTH)}  ${status.padEnd(STATUS_WIDTH)}  ${detail}`, ...hints.map((hint) => text`${HINT_INDENT}${hint}`)]
}

const FACT_WIDTH = 'refuses a wrong digest'.length
const STEP_WIDTH = 'challenge'.length
const STATUS_WIDTH = 'skipped'.length
const HINT_INDENT = ' '.repeat(STEP_WIDTH + STATUS_WIDTH + 4)

function describeFlavour({flavour, insecure}: RegistryRecord): string {
  const known = flavour === undefined ? 'not known' : FLAVOURS[flavour]
  return insecure && flavour !== 'http' ? `${known}, not checked` : known
}
