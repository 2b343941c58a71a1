/** Unused connections, the most recently used first, since those are the likeliest to be alive. */
import type {WireConnection} from './connection.ts'
import {MAX_IDLE_CONNECTIONS} from './limits.ts'

export class ConnectionPool {
  readonly #idle = new Map<string, WireConnection[]>()
  readonly #keepAliveMs: number
  #isClosed = false

  constructor(keepAliveMs: number) {
    this.#keepAliveMs = keepAliveMs
  }

  /** A connection that was alive a moment ago. */
  take(key: string): WireConnection | undefined {
    const idle = this.#idle.get(key)
    for (let connection = idle?.pop(); connection !== undefined; connection = idle?.pop()) {
      if (!connection.isUsable) continue
      connection.socket.setTimeout(0)
      connection.socket.ref()
      return connection
    }
    return undefined
  }

  /** Keeps the connection for the next request; it does not keep the process alive. */
  give(key: string, connection: WireConnection): void {
    const idle = (this.#idle.get(key) ?? []).filter((other) => other.isUsable)
    if (this.#isClosed || idle.length >= MAX_IDLE_CONNECTIONS) {
      connection.destroy()
    } else {
      connection.socket.setTimeout(this.#keepAliveMs)
      connection.socket.unref()
      idle.push(connection)
    }
    this.#idle.set(key, idle)
  }

  close(): void {
    this.#isClosed = true
    for (const connection of [...this.#idle.values()].flat()) connection.destroy()
    this.#idle.clear()
  }
}
