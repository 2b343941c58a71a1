/** A registry in front of another one that keeps back chosen requests until told, and breaks every connection while it is down. */
import {createServer, type IncomingMessage, type ServerResponse, request as send} from 'node:http'
import type {AddressInfo} from 'node:net'

export interface HeldRequests {
  /** `127.0.0.1:port` */
  readonly host: string
  /** Requests that were held so far. */
  asked(): number
  /** Passes every held request on, now and from now on. */
  release(): void
  /** While it is down, every request ends without an answer; held ones too. */
  setDown(isDown: boolean): void
  stop(): Promise<void>
}

export async function startHeldRequests(registryUrl: string, isHeld: (request: IncomingMessage) => boolean): Promise<HeldRequests> {
  const {promise: released, resolve: release} = Promise.withResolvers<void>()
  let asked = 0
  let isDown = false
  const passOn = (request: IncomingMessage, response: ServerResponse): void => {
    if (isDown || response.closed) return void response.destroy()
    // With the client's Host, so that the places that the registry names are behind this one too.
    const {method, headers, url = '/'} = request
    const behind = send(new URL(url, registryUrl), {method, headers}, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    behind.on('error', () => response.destroy())
    request.pipe(behind)
  }
  const server = createServer((request, response) => {
    if (!isHeld(request)) return passOn(request, response)
    asked++
    void released.then(() => passOn(request, response))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => asked,
    release,
    setDown(down) {
      isDown = down
      if (down) server.closeAllConnections()
    },
    stop: () =>
      new Promise((resolve) => {
        release()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
