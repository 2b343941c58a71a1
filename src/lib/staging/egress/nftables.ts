/**
 * The instances as named sets of nftables, and the rules that use them. A verdict of one table does not bind another one: beside a default-deny table an accept counts only within
 * that table, so that the sets belong to the table that drops (nftables, "Configuring chains").
 */
import {isIP} from 'node:net'
import {HoldfastError} from '../../core/errors.ts'
import {excerpt} from '../../core/redaction.ts'
import type {Hole} from './rules.ts'

/** What a table of each family can match. */
const IP_VERSIONS: Readonly<Record<string, readonly (4 | 6)[]>> = {inet: [4, 6], ip: [4], ip6: [6]}
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,59}$/

export interface NftablesPlace {
  /** `inet filter`: family and name of the table that drops what it does not know. */
  readonly table: string
  /** The chain of that table through which staging containers send. */
  readonly chain: string
  /** What the sets are called: `NAME-v4` and `NAME-v6`. */
  readonly name: string
}

/**
 * A file for `nft -f` that replaces the elements of the sets in one step, with the rules that use them as comments.
 * @throws {HoldfastError} USAGE for a name that nftables does not take, and for an instance that the table cannot match.
 */
export function nftablesSets(holes: readonly Hole[], {table, chain, name}: NftablesPlace): string {
  const [family = '', tableName = '', ...rest] = table.split(' ')
  const versions = Object.hasOwn(IP_VERSIONS, family) ? IP_VERSIONS[family] : undefined
  if (versions === undefined || rest.length > 0) {
    throw unusable(table, 'a table is "inet NAME", "ip NAME" or "ip6 NAME"', "--table 'inet filter'")
  }
  for (const [text, hint] of [
    [tableName, "--table 'inet filter'"],
    [chain, '--chain forward'],
    [name, '--name docker-cache'],
  ] as const) {
    if (!NAME.test(text)) throw unusable(text, 'a name is a letter, then letters, digits, ".", "_" and "-"', hint)
  }
  const place = `${family} ${tableName}`
  const foreign = holes.find((hole) => !versions.includes(versionOf(hole)))
  if (foreign !== undefined) throw unusable(place, `the table cannot match "${foreign.destination}"`, "--table 'inet filter'")
  const sets = versions.map((version) => {
    const set = `${name}-v${version}`
    const elements = holes.filter((hole) => versionOf(hole) === version).map(({destination, port}) => `${destination} . ${port}`)
    return {
      definition: [
        `add set ${place} ${set} { type ipv${version}_addr . inet_service; flags interval; }`,
        `flush set ${place} ${set}`,
        ...(elements.length === 0 ? [] : [`add element ${place} ${set} { ${elements.join(', ')} }`]),
      ],
      rule: `#   nft insert rule ${place} ${chain} ${version === 4 ? 'ip' : 'ip6'} daddr . tcp dport @${set} accept`,
    }
  })
  return [
    `# The instances of the cache, as sets of the table "${place}". Load them with: nft -f FILE`,
    '# Loading the file again replaces them in one step.',
    ...sets.flatMap(({definition}) => definition),
    '# Once, so that the table lets staging reach them before it drops the rest:',
    ...sets.map(({rule}) => rule),
    '',
  ].join('\n')
}

function versionOf({destination}: Hole): 4 | 6 {
  return isIP(destination.split('/')[0] ?? '') === 4 ? 4 : 6
}

function unusable(text: string, reason: string, hint: string): HoldfastError {
  return new HoldfastError('USAGE', `cannot write rules of nftables for "${excerpt(text)}": ${reason}`, {hints: [hint]})
}
