/** What is said about declared registries and about a check. */

import {type TerminalText, text} from '../core/terminal-text.ts'
import type {RegistryFlavour, RegistryRecord} from '../records/store.ts'
import type {CheckStep} from '../registries/check.ts'
import {formatTable} from './table.ts'

const FLAVOURS: Readonly<Record<RegistryFlavour, string>> = {
  http: 'plain HTTP',
  'https-self-signed': 'HTTPS, self-signed',
  'https-ca-signed': 'HTTPS, signed by a CA',
}

/** Everything known of one registry, a line each. */
export function describeRegistry(registry: RegistryRecord): readonly TerminalText[] {
  const {refusesWrongDigest} = registry.capabilities
  const facts: readonly (readonly [name: string, value: string | undefined])[] = [
    ['name', registry.name],
    ['url', registry.url],
    ['default', registry.isDefault ? 'yes' : 'no'],
    ['flavour', describeFlavour(registry)],
    ['authentication', registry.authScheme ?? 'not known'],
    ['realm', registry.realm],
    ['pinned hosts', registry.pinnedHosts.length === 0 ? 'none but its own' : registry.pinnedHosts.join(', ')],
    ['CA file', registry.caFile],
    ['client certificate', registry.clientCertFile],
    ['client key', registry.clientKeyFile],
    ['refuses a wrong digest', refusesWrongDigest === undefined ? 'not proven' : refusesWrongDigest ? 'yes, proven' : 'no'],
    ['declared', registry.createdAt],
    ['updated', registry.updatedAt],
  ]
  return facts.flatMap(([name, value]) => (value === undefined ? [] : [text`${name.padEnd(FACT_WIDTH)}  ${value}`]))
}

/** All registries, a row each. */
export function describeRegistries(registries: readonly RegistryRecord[]): readonly TerminalText[] {
  const rows = registries.map((registry) => [
    registry.name,
    registry.url,
    describeFlavour(registry),
    registry.authScheme ?? 'not known',
    registry.isDefault ? 'yes' : '',
  ])
  return formatTable(['NAME', 'URL', 'FLAVOUR', 'AUTHENTICATION', 'DEFAULT'], rows)
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
