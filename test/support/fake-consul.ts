/** A Consul agent on loopback, in the parts of its HTTP API that registries are found by: catalog, health, agent services, ACL tokens, blocking queries. */
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'

interface FakeService {
  readonly id: string
  readonly name: string
  readonly node: string
  /** The node's. */
  readonly address: string
  readonly serviceAddress: string
  readonly port: number
  readonly tags: readonly string[]
  healthy: boolean
  readonly check?: unknown
}

export interface FakeConsul {
  readonly url: string
  readonly services: FakeService[]
  /** Tells those who wait that something has changed. */
  changed(): void
  /** Answers every request with that status; undefined for as it should be. */
  status: number | undefined
  /** Whoever has another token, or none, is told nothing. */
  token: string | undefined
  /** Health is not offered, as by what is Consul for its catalog alone. */
  hasHealth: boolean
  stop(): Promise<void>
}

export async function startFakeConsul(): Promise<FakeConsul> {
  let index = 1
  let waiting: (() => void)[] = []
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  const wait = async (query: URLSearchParams): Promise<void> => {
    if (Number(query.get('index') ?? 0) < index) return
    const seconds = Number(/^(\d+)s$/.exec(query.get('wait') ?? '')?.[1] ?? 300)
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000)
      timer.unref()
      waiting.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const {pathname, searchParams} = new URL(request.url ?? '/', consul.url)
    let body = ''
    for await (const chunk of request) body += chunk
    const send = (status: number, value: unknown): void => {
      response.writeHead(status, {'content-type': 'application/json', 'x-consul-index': String(index)}).end(JSON.stringify(value))
    }
    if (consul.status !== undefined) return send(consul.status, 'rpc error')
    const maySee = consul.token === undefined || request.headers['x-consul-token'] === consul.token
    const [, kind, name] = /^\/v1\/(catalog|health)\/service\/(.+)$/.exec(pathname) ?? []
    if (request.method === 'GET' && kind !== undefined) {
      if (kind === 'health' && !consul.hasHealth) return send(404, '')
      await wait(searchParams)
      // What a token may not see is left out, and nobody says so.
      const found = maySee ? consul.services.filter((service) => service.name === decodeURIComponent(name ?? '')) : []
      const tag = searchParams.get('tag')
      const tagged = found.filter(({tags}) => tag === null || tags.includes(tag))
      if (kind === 'catalog') return send(200, tagged.map(viewCatalog))
      return send(200, tagged.filter(({healthy}) => healthy || !searchParams.has('passing')).map(viewHealth))
    }
    if (request.method === 'PUT' && pathname === '/v1/agent/service/register') {
      if (!maySee) return send(403, 'Permission denied')
      const {ID, Name, Address, Port, Tags, Check} = JSON.parse(body)
      remove(ID ?? Name)
      consul.services.push({
        id: ID ?? Name,
        name: Name,
        node: 'node-1',
        address: '127.0.0.1',
        serviceAddress: Address ?? '',
        port: Port ?? 0,
        tags: Tags ?? [],
        healthy: true,
        check: Check,
      })
      consul.changed()
      return send(200, null)
    }
    const id = /^\/v1\/agent\/service\/deregister\/(.+)$/.exec(pathname)?.[1]
    if (request.method === 'PUT' && id !== undefined) {
      if (!maySee) return send(403, 'Permission denied')
      remove(decodeURIComponent(id))
      consul.changed()
      return send(200, null)
    }
    send(404, '')
  }

  function remove(id: string): void {
    const at = consul.services.findIndex((service) => service.id === id)
    if (at >= 0) consul.services.splice(at, 1)
  }

  const consul: FakeConsul = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    services: [],
    changed() {
      index++
      const all = waiting
      waiting = []
      for (const go of all) go()
    },
    status: undefined,
    token: undefined,
    hasHealth: true,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return consul
}

const viewCatalog = ({id, name, node, address, serviceAddress, port, tags}: FakeService) => ({
  ID: 'f1',
  Node: node,
  Address: address,
  Datacenter: 'dc1',
  ServiceID: id,
  ServiceName: name,
  ServiceTags: tags,
  ServiceAddress: serviceAddress,
  ServicePort: port,
})

const viewHealth = ({id, name, node, address, serviceAddress, port, tags, healthy}: FakeService) => ({
  Node: {Node: node, Address: address},
  Service: {ID: id, Service: name, Tags: tags, Address: serviceAddress, Port: port},
  Checks: [{CheckID: `service:${id}`, Status: healthy ? 'passing' : 'critical'}],
})
