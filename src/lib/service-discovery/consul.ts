/**
 * Registries in Consul (HTTP API v1): the healthy ones, else those in the catalog; registering and deregistering at an agent.
 * Replies of 2015 lack most fields, and those of today have an empty `ServiceAddress` where the node's is meant: every field is optional here.
 */
import {HoldfastError} from '../core/errors.ts'
import type {Secret} from '../core/secret.ts'
import type {JsonRequest, JsonResponse} from '../http/json-client.ts'
import {DEFAULT_PORT, type InstanceSource, isHost, type RegistryInstance, unique} from './instance.ts'

/** With a dash: the name of the service is a DNS label. */
const DEFAULT_SERVICE = 'docker-registry'
/** Thousands of instances. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024
const TIMEOUT_MS = 10_000
const WATCH_SECONDS = 55
const FIRST_RETRY_MS = 500
const MAX_RETRY_MS = 30_000
const DNS_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i

export interface ConsulNetwork {
  readonly proxyFor?: ((url: URL) => URL | undefined) | undefined
  readonly userAgent?: string | undefined
  readonly onExchange?: JsonRequest['onExchange']
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>
}

export interface ConsulOptions {
  /** `http://127.0.0.1:8500` */
  readonly url: URL
  readonly service?: string | undefined
  /** Sent as `X-Consul-Token`. What it may not see is left out by Consul without a word. */
  readonly token?: Secret | undefined
  readonly datacenter?: string | undefined
  readonly tag?: string | undefined
  /** For instances that name no port. */
  readonly defaultPort?: number | undefined
  readonly network: ConsulNetwork
}

export interface ConsulSource extends InstanceSource {
  /** Answers the instances at once and then whenever they change, for as long as it is asked; failures are waited out. */
  watch(signal: AbortSignal): AsyncGenerator<readonly RegistryInstance[]>
}

/** @throws {HoldfastError} USAGE for what is no name of a service. */
export function createConsulSource(options: ConsulOptions): ConsulSource {
  const {url, service = DEFAULT_SERVICE, datacenter, tag, defaultPort = DEFAULT_PORT} = options
  assertServiceName(service)
  const query = {...(datacenter === undefined ? {} : {dc: datacenter}), ...(tag === undefined ? {} : {tag})}
  const ask = (path: string, more: Readonly<Record<string, string>>, signal?: AbortSignal, timeoutMs?: number): Promise<JsonResponse> =>
    send(options, {method: 'GET', path: `${path}${encodeURIComponent(service)}`, query: {...query, ...more}, signal, timeoutMs})

  return {
    description: `service "${service}" of Consul at "${url.origin}"`,
    emptyHints: [
      `curl '${url.origin}/v1/health/service/${service}?passing'`,
      'export HOLDFAST_CONSUL_TOKEN=…   # Consul shows nothing that the token may not read',
      `holdfast registry register NAME --consul ${url.origin}`,
    ],
    async find(signal) {
      const healthy = await ask('/v1/health/service/', {passing: 'true'}, signal)
      const found = healthy.status === 200 ? readHealth(healthy.json, defaultPort) : undefined
      if (found !== undefined) return found
      const listed = await ask('/v1/catalog/service/', {}, signal)
      const known = listed.status === 200 ? readCatalog(listed.json, defaultPort) : undefined
      if (known !== undefined) return known
      throw refusal(options, listed.status)
    },
    async *watch(signal) {
      let index = 0
      let failures = 0
      let last: string | undefined
      while (!signal.aborted) {
        try {
          const more = {passing: 'true', ...(index === 0 ? {} : {index: String(index), wait: `${WATCH_SECONDS}s`})}
          const {status, json, headers} = await ask('/v1/health/service/', more, signal, TIMEOUT_MS + WATCH_SECONDS * 1000)
          const found = status === 200 ? readHealth(json, defaultPort) : undefined
          if (found === undefined) throw refusal(options, status)
          const next = Number(headers['x-consul-index'] ?? 0)
          // An index that goes back is of a server that was restored: begin again.
          index = next >= index && next > 0 ? next : 0
          failures = 0
          const text = JSON.stringify(found)
          if (text !== last) yield found
          last = text
          if (index === 0) await options.network.sleep(FIRST_RETRY_MS, signal)
        } catch (error) {
          if (signal.aborted) return
          if (!(error instanceof HoldfastError)) throw error
          await options.network.sleep(Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures++), signal).catch(() => {})
          index = 0
        }
      }
    },
  }
}

export interface Registration {
  /** Unique at the agent. */
  readonly id: string
  readonly name: string
  readonly address: string
  readonly port: number
  readonly tags: readonly string[]
  /** What the agent asks to see whether the instance is well. */
  readonly check: {
    readonly url: string
    readonly interval: string
    readonly deregisterAfter: string
    readonly skipTlsVerify: boolean
  }
}

/** Registers an instance at an agent, or replaces it. @throws {HoldfastError} USAGE, DENIED, NETWORK, … */
export async function registerInstance(options: ConsulOptions, registration: Registration): Promise<void> {
  const {id, name, address, port, tags, check} = registration
  assertServiceName(name)
  const {status} = await send(options, {
    method: 'PUT',
    path: '/v1/agent/service/register',
    query: {'replace-existing-checks': 'true'},
    json: {
      ID: id,
      Name: name,
      Address: address,
      Port: port,
      Tags: tags,
      Check: {
        HTTP: check.url,
        Interval: check.interval,
        Timeout: '5s',
        DeregisterCriticalServiceAfter: check.deregisterAfter,
        ...(check.skipTlsVerify ? {TLSSkipVerify: true} : {}),
      },
    },
  })
  if (status !== 200) throw refusal(options, status)
}

/** Takes an instance away from an agent; one that is not there is gone already. */
export async function deregisterInstance(options: ConsulOptions, id: string): Promise<void> {
  const {status} = await send(options, {method: 'PUT', path: `/v1/agent/service/deregister/${encodeURIComponent(id)}`, query: {}})
  if (status !== 200 && status !== 404) throw refusal(options, status)
}

/** @throws {HoldfastError} USAGE for what is no DNS label, by which it could not be found. */
function assertServiceName(name: string): void {
  if (DNS_LABEL.test(name)) return
  throw new HoldfastError('USAGE', `cannot use "${name.slice(0, 100)}" as the name of a service: it is no DNS label`, {
    hints: ['--service docker-registry'],
  })
}

interface ConsulRequest {
  readonly method: 'GET' | 'PUT'
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly json?: object
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
}

async function send({url, token, network}: ConsulOptions, request: ConsulRequest): Promise<JsonResponse> {
  const {method, path, query, json, signal, timeoutMs = TIMEOUT_MS} = request
  const {requestJson} = await import('../http/json-client.ts')
  const target = new URL(path, url)
  for (const [name, value] of Object.entries(query)) target.searchParams.set(name, value)
  const {proxyFor, userAgent, onExchange} = network
  return await requestJson({
    method,
    url: target,
    headers: {
      ...(token === undefined ? {} : {'x-consul-token': token.reveal()}),
      ...(userAgent === undefined ? {} : {'user-agent': userAgent}),
    },
    ...(json === undefined ? {} : {json}),
    maxBodyBytes: MAX_ANSWER_BYTES,
    timeoutMs,
    proxy: proxyFor?.(target),
    hints: {
      reach: `curl -sS ${url.origin}/v1/status/leader`,
      trust: ['export NODE_EXTRA_CA_CERTS=FILE  # the authority of Consul, in PEM'],
    },
    signal,
    onExchange,
  })
}

function refusal({url, service = DEFAULT_SERVICE}: ConsulOptions, status: number): HoldfastError {
  const message = (reason: string): string => `cannot ask Consul at "${url.origin}" for service "${service}": ${reason} (${status})`
  const options = {details: {httpStatus: status}}
  if (status === 401 || status === 403) {
    return new HoldfastError('DENIED', message('the token may not do this'), {...options, hints: ['export HOLDFAST_CONSUL_TOKEN=…']})
  }
  if (status >= 500) return new HoldfastError('REGISTRY_UNAVAILABLE', message('it fails'), options)
  return new HoldfastError('UNSUPPORTED', message('it does not answer as Consul does'), {
    ...options,
    hints: [`curl ${url.origin}/v1/status/leader`],
  })
}

/** `GET /v1/health/service/<name>`: undefined when it is something else. */
function readHealth(json: unknown, defaultPort: number): readonly RegistryInstance[] | undefined {
  if (!Array.isArray(json)) return undefined
  return unique(
    json.flatMap((entry: unknown) => {
      const service = field(entry, 'Service')
      return instanceOf(field(service, 'Address'), field(field(entry, 'Node'), 'Address'), field(service, 'Port'), defaultPort)
    }),
  )
}

/** `GET /v1/catalog/service/<name>`, of 2015 and of today. */
function readCatalog(json: unknown, defaultPort: number): readonly RegistryInstance[] | undefined {
  if (!Array.isArray(json)) return undefined
  return unique(
    json.flatMap((entry: unknown) =>
      instanceOf(field(entry, 'ServiceAddress'), field(entry, 'Address'), field(entry, 'ServicePort'), defaultPort),
    ),
  )
}

/** The service's own address before its node's; none for what names no address that could be one. */
function instanceOf(own: unknown, node: unknown, port: unknown, defaultPort: number): readonly RegistryInstance[] {
  const host = [own, node].find((address) => typeof address === 'string' && address !== '')
  if (typeof host !== 'string' || !isHost(host)) return []
  return [{host, port: typeof port === 'number' && Number.isInteger(port) && port > 0 && port <= 65_535 ? port : defaultPort}]
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
