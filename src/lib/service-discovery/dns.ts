/** Registries in DNS: SRV records (RFC 2782) say host and port, priority and weight; where there are none, the addresses of the name with the default port. */
import {HoldfastError} from '../core/errors.ts'
import {DEFAULT_PORT, type InstanceSource, type RegistryInstance, unique} from './instance.ts'

const TIMEOUT_MS = 5_000
/** There is no such name, or no such record: the next kind of record may be there. */
const NOTHING_THERE = ['ENOTFOUND', 'ENODATA']

export interface DnsOptions {
  /** `docker-registry.service.consul`, `_docker-registry._tcp.example.com` */
  readonly name: string
  /** `address` or `address:port` of a name server; the system's when absent. */
  readonly server?: string | undefined
  readonly defaultPort?: number | undefined
  /** A number from 0 up to 1, for the choice among weights. */
  readonly random: () => number
}

export function createDnsSource({name, server, defaultPort = DEFAULT_PORT, random}: DnsOptions): InstanceSource {
  return {
    description: `DNS under "${name}"`,
    emptyHints: [`dig ${name} SRV`],
    async find() {
      const {Resolver} = await import('node:dns/promises')
      const resolver = new Resolver({timeout: TIMEOUT_MS, tries: 2})
      if (server !== undefined) resolver.setServers([server])
      const ask = async <Records>(question: Promise<readonly Records[]>): Promise<readonly Records[]> => {
        try {
          return await question
        } catch (cause) {
          const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
          if (NOTHING_THERE.includes(code)) return []
          throw new HoldfastError('NETWORK', `cannot look up "${name}": the name server does not answer (${code})`, {
            hints: [`dig ${name} SRV`],
            cause,
          })
        }
      }
      const services = await ask(resolver.resolveSrv(name))
      if (services.length > 0) return unique(inOrder(services, random).map(({name: host, port}) => ({host, port})))
      const addresses = (await Promise.all([ask(resolver.resolve4(name)), ask(resolver.resolve6(name))])).flat()
      return unique(addresses.map((host): RegistryInstance => ({host, port: defaultPort})))
    },
  }
}

interface Weighted {
  readonly priority: number
  readonly weight: number
}

/** The lowest priority first; within one, by chance in proportion to the weights (RFC 2782 §Usage rules). */
export function inOrder<Service extends Weighted>(services: readonly Service[], random: () => number): readonly Service[] {
  const ordered: Service[] = []
  for (const priority of [...new Set(services.map((service) => service.priority))].sort((a, b) => a - b)) {
    const left = services.filter((service) => service.priority === priority)
    while (left.length > 0) {
      // One more than the sum, so that those without weight have a small chance.
      const total = left.reduce((sum, {weight}) => sum + weight, 0)
      let point = random() * (total + 1)
      const index = left.findIndex(({weight}) => {
        point -= weight
        return point <= 0
      })
      ordered.push(...left.splice(Math.max(0, index === -1 ? left.length - 1 : index), 1))
    }
  }
  return ordered
}
