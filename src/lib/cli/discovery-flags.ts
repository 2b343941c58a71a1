/** Where commands find the instances of a registry: Consul, DNS, or those that are named. */
import * as Flags from '@oclif/core/flags'
import {HoldfastError} from '../core/errors.ts'
import {SYSTEM_CLOCK} from '../core/retry.ts'
import {Secret} from '../core/secret.ts'
import type {ConsulNetwork} from '../service-discovery/consul.ts'
import {createListedSource, type InstanceSource} from '../service-discovery/instance.ts'
import type {Context} from './context.ts'

const helpGroup = 'DISCOVERY'

export const DISCOVERY_FLAGS = {
  'consul-cluster': Flags.string({
    aliases: ['consul-agent-url'],
    env: 'HOLDFAST_CONSUL_CLUSTER',
    helpGroup,
    helpValue: 'URL',
    summary: 'Find the registry’s instances in Consul; an ACL token is read from HOLDFAST_CONSUL_TOKEN.',
  }),
  'consul-service': Flags.string({
    env: 'HOLDFAST_CONSUL_SERVICE',
    helpGroup,
    helpValue: 'NAME',
    default: 'docker-registry',
    summary: 'The name of the service there. Default: docker-registry.',
  }),
  dns: Flags.string({env: 'HOLDFAST_DNS', helpGroup, helpValue: 'NAME', summary: 'Find them in DNS: SRV records, else addresses.'}),
  'docker-registry-address': Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    delimiter: ',',
    env: 'HOLDFAST_DOCKER_REGISTRY_ADDRESS',
    helpGroup,
    helpValue: 'HOST[:PORT]',
    summary: 'An instance. Repeatable.',
  }),
  'docker-registry-port': Flags.integer({
    env: 'HOLDFAST_DOCKER_REGISTRY_PORT',
    min: 1,
    max: 65_535,
    helpGroup,
    default: 8080,
    summary: 'The port of instances that name none. Default: 8080.',
  }),
}

export interface DiscoveryFlags {
  readonly 'consul-cluster'?: string | undefined
  readonly 'consul-service': string
  readonly dns?: string | undefined
  readonly 'docker-registry-address'?: readonly string[] | undefined
  readonly 'docker-registry-port': number
}

/** @throws {HoldfastError} USAGE unless one place is named. */
export async function openInstanceSource(context: Context, flags: DiscoveryFlags): Promise<InstanceSource> {
  const {'consul-cluster': consul, dns, 'docker-registry-address': addresses, 'docker-registry-port': defaultPort} = flags
  const places = [consul, dns, addresses].filter((place) => place !== undefined)
  if (places.length !== 1) {
    throw new HoldfastError('USAGE', `cannot find the registry: ${places.length === 0 ? 'nothing says where' : 'name one place only'}`, {
      hints: [
        '--consul-cluster http://127.0.0.1:8500',
        '--dns docker-registry.service.consul',
        '--docker-registry-address 10.244.2.6:8080',
      ],
    })
  }
  if (consul !== undefined) {
    const {createConsulSource} = await import('../service-discovery/consul.ts')
    return createConsulSource({
      url: parseConsulUrl(consul),
      service: flags['consul-service'],
      token: consulToken(context),
      defaultPort,
      network: await consulNetwork(context),
    })
  }
  if (dns === undefined) return createListedSource(addresses ?? [], defaultPort)
  const {createDnsSource} = await import('../service-discovery/dns.ts')
  return createDnsSource({name: dns, server: context.environment.HOLDFAST_DNS_SERVER || undefined, defaultPort, random: Math.random})
}

export async function consulNetwork(context: Context): Promise<ConsulNetwork> {
  const {proxyFor, userAgent, onExchange} = await context.loginNetwork()
  return {proxyFor, userAgent, onExchange, sleep: (ms, signal) => SYSTEM_CLOCK.sleep(ms, signal)}
}

/** Never an argument: those are seen by everybody on the machine. */
export function consulToken({environment}: Context): Secret | undefined {
  const token = environment.HOLDFAST_CONSUL_TOKEN || environment.CONSUL_HTTP_TOKEN
  return token ? new Secret(token) : undefined
}

/** @throws {HoldfastError} USAGE */
export function parseConsulUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.pathname === '/') return url
  throw new HoldfastError('USAGE', `cannot ask Consul at "${text.replace(/\/\/.*@/, '//')}": it is no http://HOST:PORT`, {
    hints: ['--consul-cluster http://127.0.0.1:8500'],
  })
}
