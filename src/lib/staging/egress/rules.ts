/**
 * The holes in a firewall that staging needs, and none besides: to the instances of the cache, or to the one range that they are in. Running apps need none, since what runs is
 * pulled by the platform itself. Each format is that of its platform: Diego's egress rules, Cloud Foundry's security groups, Kubernetes' NetworkPolicy, nftables.
 */
import {BlockList, isIP} from 'node:net'
import {HoldfastError} from '../../core/errors.ts'
import {missingRegistry} from '../../service-discovery/failover.ts'
import type {InstanceSource} from '../../service-discovery/instance.ts'

export const EGRESS_FORMATS = ['diego', 'cf-security-group', 'kubernetes-networkpolicy', 'nftables'] as const
export type EgressFormat = (typeof EGRESS_FORMATS)[number]

/** One hole: TCP to an address or a range. */
export interface Hole {
  /** An IP address or a range in CIDR notation. */
  readonly destination: string
  readonly port: number
}

/** What a rule of a security group looks like (API v3: `ports` is a text). */
export interface SecurityGroupRule {
  readonly protocol: 'tcp'
  readonly destination: string
  readonly ports: string
}

const MAX_PORT = 65_535

/**
 * One hole for each instance. Rules replace those before them, so that none is an error unless it is meant: service discovery shows nothing, too, where it may not show.
 * @throws {HoldfastError} REGISTRY_UNAVAILABLE with the words `missing docker registry` for no instance; USAGE for an instance that is a name: firewalls know addresses.
 */
export async function findHoles(
  source: InstanceSource,
  {allowEmpty, signal}: {readonly allowEmpty: boolean; readonly signal?: AbortSignal | undefined},
): Promise<readonly Hole[]> {
  const instances = await source.find(signal)
  if (instances.length === 0 && !allowEmpty) throw missingRegistry('open a firewall', source, ['--allow-empty   # closes what was open'])
  return instances.map(({host, port}) => {
    if (isIP(host) !== 0) return {destination: host, port}
    throw new HoldfastError('USAGE', `cannot open a firewall for "${host}": it is a name, and rules want addresses`, {
      hints: [`--docker-registry-address ADDRESS:${port}`, `--cidr RANGE --port ${port}`],
    })
  })
}

/** One hole for a whole range. @throws {HoldfastError} USAGE for what is no range. */
export function holeForRange(cidr: string, port: number): Hole {
  const [address = '', prefix = '', ...rest] = cidr.split('/')
  const family = isIP(address)
  const bits = /^[0-9]{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
  if (family !== 0 && rest.length === 0 && bits <= (family === 4 ? 32 : 128) && port > 0 && port <= MAX_PORT) {
    const range = new BlockList()
    range.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6')
    return {destination: cidr, port}
  }
  throw new HoldfastError('USAGE', `cannot open a firewall for "${cidr}" port ${port}: it is no range in CIDR notation`, {
    hints: ['--cidr 10.244.2.0/24 --port 8080'],
  })
}

/** As the stager appends them to the rules of a staging task, one for each instance. */
export function diegoRules(holes: readonly Hole[]): readonly object[] {
  return holes.map(({destination, port}) => ({protocol: 'tcp', destinations: [destination], ports: [port]}))
}

export function securityGroupRules(holes: readonly Hole[]): readonly SecurityGroupRule[] {
  return holes.map(({destination, port}) => ({protocol: 'tcp', destination, ports: String(port)}))
}
