/** Clients that hold a server up: each leaves a connection open in another state. */
import {once} from 'node:events'
import {connect, type Socket} from 'node:net'

/** Larger than every buffer between a server and a client that does not read. */
export const UNREAD_BYTES = 48 * 1024 * 1024

export interface HoldingClient {
  readonly name: string
  /** Opens the connection and settles when it is in its state. */
  hold(port: number): Promise<Socket>
}

const open = async (port: number, text: string): Promise<Socket> => {
  const socket = connect(port, '127.0.0.1')
  // The server may break it off in any way.
  socket.on('error', () => {})
  await once(socket, 'connect')
  if (text !== '') socket.write(text, 'latin1')
  return socket
}

export const SILENT: HoldingClient = {name: 'a client that says nothing', hold: (port) => open(port, '')}

/** States in which a connection may be when a server is to stop; `blobPath` is that of a blob of at least `UNREAD_BYTES`. */
export function holdingClients(blobPath?: string): readonly HoldingClient[] {
  const answered = async (port: number, text: string): Promise<Socket> => {
    const socket = await open(port, text)
    await once(socket, 'data')
    return socket
  }
  const unread: HoldingClient = {
    name: 'a client that does not read its download',
    hold: async (port) => {
      const socket = await answered(port, `GET ${blobPath} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      return socket.pause()
    },
  }
  return [
    SILENT,
    {name: 'a connection that is kept alive', hold: (port) => answered(port, 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n')},
    {name: 'half a request head', hold: (port) => open(port, 'GET /v2/ HTTP/1.1\r\nHost: local')},
    {
      name: 'half a request body',
      hold: (port) => open(port, 'PUT /v2/half/manifests/v1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"schemaVersion"'),
    },
    ...(blobPath === undefined ? [] : [unread]),
  ]
}
