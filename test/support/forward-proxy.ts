/** An HTTP forward proxy that takes names nobody can resolve to servers on loopback: how a test meets a registry that is not on loopback. */
import {createServer, request as httpRequest} from 'node:http'
import {type AddressInfo, connect, type Socket} from 'node:net'

export interface ForwardProxy {
  /** For HTTP_PROXY and HTTPS_PROXY. */
  readonly url: string
  /** What was asked of it: `CONNECT host:port`, or `GET http://host/path`. */
  readonly requests: readonly string[]
  stop(): Promise<void>
}

/** Starts it on a free port; `routes` maps `host:port`, as asked for, to a port of 127.0.0.1. */
export async function startForwardProxy(routes: Readonly<Record<string, number>>): Promise<ForwardProxy> {
  const requests: string[] = []
  const server = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url ?? '/', 'http://proxy')
    requests.push(`${incoming.method} ${url.origin}${url.pathname}`)
    const port = routes[`${url.hostname}:${url.port || '80'}`]
    if (port === undefined) {
      outgoing.writeHead(502).end()
      return
    }
    const options = {host: '127.0.0.1', port, method: incoming.method, path: url.pathname + url.search, headers: incoming.headers}
    const onward = httpRequest(options, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    onward.on('error', () => outgoing.destroy())
    incoming.pipe(onward)
  })
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('connect', (incoming, client: Socket) => {
    requests.push(`CONNECT ${incoming.url}`)
    const port = routes[incoming.url ?? '']
    if (port === undefined) {
      client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
      return
    }
    const upstream = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      client.pipe(upstream).pipe(client)
    })
    sockets.add(upstream)
    upstream.on('error', () => client.destroy())
    client.on('error', () => upstream.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
