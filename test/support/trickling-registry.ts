/** A registry that has every blob and every manifest, and gives a byte of them now and then. */
import {createHash} from 'node:crypto'
import {createServer, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'

const TRICKLE_MS = 50
const SIZE_BYTES = 1_000_000

export interface TricklingRegistry {
  /** `127.0.0.1:port` */
  readonly host: string
  readonly url: string
  /** A digest that it will be long in giving the bytes of. */
  readonly digest: string
  /** Requests that it is answering. */
  trickling(): number
  stop(): Promise<void>
}

export async function startTricklingRegistry(): Promise<TricklingRegistry> {
  const digest = `sha256:${createHash('sha256').update('what never comes').digest('hex')}`
  const open = new Set<ServerResponse>()
  const server = createServer((request, response) => {
    if (request.url === '/v2/') return void response.writeHead(200).end('{}')
    const isManifest = request.url?.includes('/manifests/')
    response.writeHead(200, {
      'content-type': isManifest ? 'application/vnd.oci.image.manifest.v1+json' : 'application/octet-stream',
      'content-length': SIZE_BYTES,
      'docker-content-digest': digest,
    })
    if (request.method === 'HEAD') return void response.end()
    open.add(response)
    const timer = setInterval(() => response.write(' '), TRICKLE_MS)
    response.once('close', () => {
      clearInterval(timer)
      open.delete(response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    host,
    url: `http://${host}`,
    digest,
    trickling: () => open.size,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
