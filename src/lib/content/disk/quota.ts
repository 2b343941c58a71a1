/** How much images may take on a disk, by choice of the operator; several stores may share one. */

export class Quota {
  readonly maxBytes: number
  #usedBytes: number | undefined
  #missingBytes = 0

  /** @param maxBytes infinite for none. */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** Infinite until it was measured what there is. */
  get leftBytes(): number {
    return this.#usedBytes === undefined ? Number.POSITIVE_INFINITY : this.maxBytes - this.#usedBytes
  }

  get usedBytes(): number | undefined {
    return this.#usedBytes
  }

  /** Bytes that the largest write lacked that was refused since they were last taken, for the quota or for the disk. */
  takeMissingBytes(): number {
    const missing = this.#missingBytes
    this.#missingBytes = 0
    return missing
  }

  measured(usedBytes: number): void {
    this.#usedBytes = usedBytes
  }

  /** Counts bytes that are written; negative for those that were removed. */
  changed(bytes: number): void {
    if (this.#usedBytes !== undefined) this.#usedBytes = Math.max(0, this.#usedBytes + bytes)
  }

  refused(missingBytes: number): void {
    this.#missingBytes = Math.max(this.#missingBytes, missingBytes)
  }
}
