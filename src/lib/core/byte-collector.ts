/** Bytes that arrive in pieces, kept in memory up to a cap. */

/**
 * Copies pieces of any size into one buffer that grows. No object is kept for a piece, so that a body in pieces of one byte costs no more than its bytes.
 */
export class ByteCollector {
  readonly maxBytes: number
  #buffer = Buffer.alloc(0)
  #sizeBytes = 0

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** Keeps a copy of the piece. Returns false, and keeps nothing of it, when the whole would have more than `maxBytes`. */
  add(piece: Uint8Array): boolean {
    const sizeBytes = this.#sizeBytes + piece.length
    if (sizeBytes > this.maxBytes) return false
    if (sizeBytes > this.#buffer.length) this.#grow(sizeBytes)
    this.#buffer.set(piece, this.#sizeBytes)
    this.#sizeBytes = sizeBytes
    return true
  }

  /** What has arrived: a view, which later pieces do not change. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#sizeBytes)
  }

  /** The first piece is often the only one: it gets a buffer of its own size, and later ones at least twice the room of before. */
  #grow(sizeBytes: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.min(this.maxBytes, Math.max(sizeBytes, this.#buffer.length * 2)))
    grown.set(this.bytes)
    this.#buffer = grown
  }
}
