/** The session's message bus, over which the Secret Service is reached (D-Bus specification, §Authentication Protocol). */
import {ItemError} from './item-store.ts'

/** Linux' abstract sockets begin with NUL. */
const ABSTRACT = '\0'
const ADDRESS = /^unix:(?:[^,;]*,)*(path|abstract)=([^,;]+)/

/**
 * Makes sure that the bus at `address` (of `DBUS_SESSION_BUS_ADDRESS`) answers: the binding waits for one that does not for ever, and the whole process with it.
 * An address that is no Unix socket is left to the binding.
 * @param userId the numeric user id, by which one authenticates there.
 * @throws {ItemError} `unavailable` when nothing listens there, `timeout` when nothing answers within `timeoutMs`.
 */
export async function assertBusAnswers(address: string, userId: number, timeoutMs: number): Promise<void> {
  const [, kind, escaped = ''] = ADDRESS.exec(address) ?? []
  if (kind === undefined) return
  const path = `${kind === 'abstract' ? ABSTRACT : ''}${decodeURIComponent(escaped)}`
  const {connect} = await import('node:net')
  await new Promise<void>((resolve, reject) => {
    const socket = connect(path)
    socket.setTimeout(timeoutMs, () =>
      socket.destroy(new ItemError('timeout', `its message bus has not answered for ${timeoutMs / 1000} s`)),
    )
    socket.once('error', (error: NodeJS.ErrnoException) => {
      reject(error instanceof ItemError ? error : new ItemError('unavailable', `its message bus is not there (${error.code})`))
    })
    socket.once('close', () => reject(new ItemError('unavailable', 'its message bus has ended')))
    socket.once('data', () => {
      resolve()
      socket.destroy()
    })
    socket.write(`\0AUTH EXTERNAL ${Buffer.from(String(userId)).toString('hex')}\r\n`)
  })
}
