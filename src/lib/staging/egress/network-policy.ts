/**
 * The NetworkPolicy of the pods that stage. A policy denies what it does not name, so that it names all that staging needs: DNS, the origin of the images, and the instances of the cache
 * (Kubernetes, "Network Policies", egress).
 */
import {isIP} from 'node:net'
import {HoldfastError} from '../../core/errors.ts'
import {excerpt} from '../../core/redaction.ts'
import {type Hole, holeForRange} from './rules.ts'

/** 5353 is where the DNS pods of OpenShift listen: rules are held against the pod behind the service. */
const DNS_PORTS = [53, 5353]
const HTTPS_PORT = 443
/** Public registries have changing addresses, so that the origin is every public one. Ranges of private networks, of the hosts themselves, and of carriers (RFC 1918, 3927, 4193, 4291, 6598). */
const PUBLIC_ORIGINS = [
  {cidr: '0.0.0.0/0', except: ['10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16']},
  {cidr: '::/0', except: ['::1/128', '::ffff:0:0/96', 'fc00::/7', 'fe80::/10']},
]
const NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/

export interface NetworkPolicyOptions {
  readonly name: string
  /** Labels of the pods that stage. */
  readonly selector: Readonly<Record<string, string>>
  /** Where images come from; every public address with port 443 when empty. */
  readonly origins: readonly Hole[]
}

/** @throws {HoldfastError} USAGE for a name that Kubernetes does not take. */
export function networkPolicy(holes: readonly Hole[], {name, selector, origins}: NetworkPolicyOptions): object {
  if (!NAME.test(name)) {
    throw new HoldfastError(
      'USAGE',
      `cannot write a NetworkPolicy called "${excerpt(name)}": a name is lower-case letters, digits, "-" and "."`,
      {
        hints: ['--name docker-cache'],
      },
    )
  }
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {name},
    spec: {
      podSelector: {matchLabels: selector},
      policyTypes: ['Egress'],
      egress: [
        {ports: DNS_PORTS.flatMap((port) => ['UDP', 'TCP'].map((protocol) => ({protocol, port})))},
        ...(origins.length === 0
          ? [{to: PUBLIC_ORIGINS.map((ipBlock) => ({ipBlock})), ports: [{protocol: 'TCP', port: HTTPS_PORT}]}]
          : origins.map(egressRule)),
        ...holes.map(egressRule),
      ],
    },
  }
}

function egressRule({destination, port}: Hole): object {
  return {
    to: [{ipBlock: {cidr: destination.includes('/') ? destination : `${destination}/${isIP(destination) === 4 ? 32 : 128}`}}],
    ports: [{protocol: 'TCP', port}],
  }
}

/**
 * Reads `ADDRESS`, `RANGE`, `ADDRESS:PORT` or `RANGE:PORT`, with brackets around IPv6 before a port; the port is 443 when absent.
 * @throws {HoldfastError} USAGE
 */
export function parseOrigin(text: string): Hole {
  const isBare = isIP(text.split('/')[0] ?? '') === 6
  const [, bracketed, plain, port] = isBare ? [] : (/^(?:\[([^\]]+)\]|([^:[\]]+))(?::([0-9]{1,5}))?$/.exec(text) ?? [])
  const destination = isBare ? text : (bracketed ?? plain ?? '')
  const version = isIP(destination)
  try {
    return holeForRange(
      version === 0 ? destination : `${destination}/${version === 4 ? 32 : 128}`,
      port === undefined ? HTTPS_PORT : Number(port),
    )
  } catch (cause) {
    throw new HoldfastError('USAGE', `cannot use "${excerpt(text)}" as an origin: it is not an address or range with a port`, {
      hints: ['--origin 10.1.2.0/24:5000', "--origin '[2001:db8::]/32:443'"],
      cause,
    })
  }
}
