/** A registry in front of another one that keeps back the bytes of chosen blobs until told. */
import {createServer, type IncomingMessage, type ServerResponse, request as send} from 'node:http'
import type {AddressInfo} from 'node:net'

export interface HeldBlobs {
  /** `127.0.0.1:port` */
  readonly host: string
  /** Requests for the bytes of a held blob so far. */
  asked(): number
  /** Gives every held blob, now and from now on. */
  release(): void
  stop(): Promise<void>
}

export async function startHeldBlobs(registryUrl: string, digests: readonly string[]): Promise<HeldBlobs> {
  const {promise: released, resolve: release} = Promise.withResolvers<void>()
  let asked = 0
  const passOn = (request: IncomingMessage, response: ServerResponse): void => {
    const headers = {...request.headers, host: new URL(registryUrl).host}
    const behind = send(new URL(request.url ?? '/', registryUrl), {method: request.method, headers}, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    behind.on('error', () => response.destroy())
    request.pipe(behind)
  }
  const server = createServer((request, response) => {
    const isHeld = request.method === 'GET' && digests.some((digest) => request.url?.endsWith(`/blobs/${digest}`))
    if (!isHeld) return passOn(request, response)
    asked++
    void released.then(() => passOn(request, response))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => asked,
    release,
    stop: () =>
      new Promise((resolve) => {
        release()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
