/** Ends transfers that move, and yet too little to ever end: a byte now and then keeps an idle time-out quiet for ever. */

/** What a transfer must carry on average. */
export interface MinimumRate {
  /** 0 is no limit. */
  readonly bytesPerSecond: number
  /** Over how long the average is taken, in milliseconds. */
  readonly windowMs: number
}

/** What each transfer must carry unless the user says otherwise. */
export const MINIMUM_RATE: MinimumRate = {bytesPerSecond: 1000, windowMs: 60_000}

/** A connection in the middle of an exchange. */
export interface WatchedTransfer {
  /** Bytes moved so far, both ways. */
  readonly movedBytes: number
  /** The peer is to move bytes now. False while we hold it up, and while it has not begun to answer: the idle time-out is for that. */
  readonly isPeerMoving: boolean
  /** Called once when the transfer was too slow for a whole window. */
  tooSlow(error: SlowTransferError): void
}

/** A transfer carried less than the minimum. */
export class SlowTransferError extends Error {
  override readonly name = 'SlowTransferError'
}

interface Window {
  startBytes: number
  /** How long the peer has been waited for. */
  awaitedMs: number
  wasMoving: boolean
}

/** Looks are this many in a window, so that short pauses of ours are told from the peer's. */
const LOOKS_PER_WINDOW = 12

/** Looks at all transfers of a client now and then; a chunk costs nothing more. */
export class RateWatch {
  readonly #rate: MinimumRate
  readonly #lookEveryMs: number
  readonly #windows = new Map<WatchedTransfer, Window>()
  #timer: NodeJS.Timeout | undefined
  #lookedAtMs = 0

  constructor(rate: MinimumRate) {
    this.#rate = rate
    this.#lookEveryMs = rate.windowMs / LOOKS_PER_WINDOW
  }

  add(transfer: WatchedTransfer): void {
    if (this.#rate.bytesPerSecond === 0) return
    this.#windows.set(transfer, {startBytes: transfer.movedBytes, awaitedMs: 0, wasMoving: false})
    if (this.#timer !== undefined) return
    this.#lookedAtMs = performance.now()
    this.#timer = setInterval(() => this.#look(), this.#lookEveryMs)
    this.#timer.unref()
  }

  delete(transfer: WatchedTransfer): void {
    this.#windows.delete(transfer)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#windows.clear()
  }

  #look(): void {
    const nowMs = performance.now()
    // A machine that slept has not waited for anybody.
    const elapsedMs = Math.min(nowMs - this.#lookedAtMs, this.#lookEveryMs * 2)
    this.#lookedAtMs = nowMs
    if (this.#windows.size === 0) this.close()
    for (const [transfer, window] of this.#windows) this.#judge(transfer, window, elapsedMs)
  }

  #judge(transfer: WatchedTransfer, window: Window, elapsedMs: number): void {
    const isMoving = transfer.isPeerMoving
    if (isMoving && window.wasMoving) window.awaitedMs += elapsedMs
    window.wasMoving = isMoving
    if (window.awaitedMs < this.#rate.windowMs) return
    const movedBytes = transfer.movedBytes - window.startBytes
    if (movedBytes * 1000 >= this.#rate.bytesPerSecond * window.awaitedMs) {
      window.startBytes = transfer.movedBytes
      window.awaitedMs = 0
      return
    }
    this.#windows.delete(transfer)
    const {bytesPerSecond, windowMs} = this.#rate
    transfer.tooSlow(
      new SlowTransferError(
        `only ${Math.max(0, movedBytes)} bytes moved in ${windowMs / 1000} s, less than ${bytesPerSecond} bytes a second`,
      ),
    )
  }
}
