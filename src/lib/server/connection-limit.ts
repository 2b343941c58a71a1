/** How many connections a server keeps, of one address and in all: each costs memory and a file descriptor before anything is known of its client. */
import type {Socket} from 'node:net'
import type {AddressPolicy} from '../core/address-policy.ts'
import {HoldfastError} from '../core/errors.ts'
import {connectionAddress} from './client-address.ts'

/** How often it is told that connections are closed. */
const TELL_EVERY_MS = 60_000

export interface ConnectionLimits {
  readonly perAddress: number
  readonly inAll: number
  /** Addresses that stand for many clients: those of this machine and of trusted proxies. They count in all only. */
  readonly isExempt?: AddressPolicy | undefined
}

/** Machines of a whole site may share an address, and each pulls with several connections. */
export const CONNECTION_LIMITS: ConnectionLimits = {perAddress: 1_024, inAll: 8_192}

export class ConnectionLimit {
  readonly #limits: ConnectionLimits
  readonly #onRefusal: (error: HoldfastError) => void
  readonly #byAddress = new Map<string, number>()
  #inAll = 0
  #toldAtMs = Number.NEGATIVE_INFINITY

  /** @param onRefusal told once a minute at most. */
  constructor(limits: ConnectionLimits, onRefusal: (error: HoldfastError) => void) {
    this.#limits = limits
    this.#onRefusal = onRefusal
  }

  /** Counts a connection until it is closed; one beyond the limits is closed at once. */
  add(socket: Socket): void {
    const address = connectionAddress({socket})
    const {perAddress, inAll, isExempt} = this.#limits
    const ofAddress = this.#byAddress.get(address) ?? 0
    const reason =
      this.#inAll >= inAll
        ? `${inAll} are open`
        : ofAddress >= perAddress && isExempt?.(address) !== true
          ? `${perAddress} of this address are open`
          : undefined
    if (reason !== undefined) {
      socket.destroy()
      this.#tell(address, reason)
      return
    }
    this.#inAll++
    this.#byAddress.set(address, ofAddress + 1)
    socket.once('close', () => {
      this.#inAll--
      const left = (this.#byAddress.get(address) ?? 1) - 1
      if (left === 0) this.#byAddress.delete(address)
      else this.#byAddress.set(address, left)
    })
  }

  #tell(address: string, reason: string): void {
    if (performance.now() - this.#toldAtMs < TELL_EVERY_MS) return
    this.#toldAtMs = performance.now()
    this.#onRefusal(
      new HoldfastError('OVERLOADED', `cannot take a connection of "${address}": ${reason}`, {hints: ['ss -tn state established']}),
    )
  }
}
