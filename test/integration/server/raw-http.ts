/** Requests as bytes on a socket: what a well-behaved HTTP client would never send. */
import {once} from 'node:events'
import {connect, type Socket} from 'node:net'

const TIMEOUT_MS = 5_000

/** Sends the text and answers with everything that comes back until the server closes the connection. */
export async function sendRaw(port: number, text: string): Promise<string> {
  const socket = await openSocket(port)
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy())
  socket.write(text, 'latin1')
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}

/** A request without a body that closes its connection. */
export function rawRequest(method: string, target: string, headers: Readonly<Record<string, string>> = {}): string {
  const all = {Host: 'localhost', Connection: 'close', ...headers}
  return `${method} ${target} HTTP/1.1\r\n${Object.entries(all)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`
}

export async function openSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}
