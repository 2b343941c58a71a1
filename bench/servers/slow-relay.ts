/** A network of so many bytes a second between a server and its clients, as a program: `slow-relay.ts PORT HOST:PORT BYTES_PER_SECOND`. What clients send is not slowed down. */
import {connect, createServer} from 'node:net'
import {setTimeout as sleep} from 'node:timers/promises'

/** Waits shorter than this are saved up: timers are not that exact. */
const LEAST_WAIT_MS = 4

const [port, target = '', bytesPerSecond] = process.argv.slice(2)
const [, host = '', targetPort] = /^(.+):([0-9]+)$/.exec(target) ?? []
const msPerByte = 1000 / Number(bytesPerSecond)
/** When the network has carried what was given to it, on the clock of `performance`. */
let isFreeAtMs = 0

createServer({noDelay: true}, (client) => {
  const server = connect({host, port: Number(targetPort), noDelay: true})
  const end = (): void => {
    client.destroy()
    server.destroy()
  }
  for (const socket of [client, server]) socket.on('error', end)
  client.pipe(server)
  const carry = async (): Promise<void> => {
    for await (const chunk of server) {
      isFreeAtMs = Math.max(isFreeAtMs, performance.now()) + chunk.length * msPerByte
      const waitMs = isFreeAtMs - performance.now()
      if (waitMs >= LEAST_WAIT_MS) await sleep(waitMs)
      if (!client.write(chunk)) await new Promise<void>((resolve) => client.once('drain', resolve).once('close', resolve))
    }
    client.end()
  }
  carry().catch(end)
}).listen(Number(port), '127.0.0.1')
