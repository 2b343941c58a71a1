/** How far a transfer has come, counted from its events. */

import {formatSeconds} from '../core/duration.ts'
import {type TerminalText, text} from '../core/terminal-text.ts'
import type {TransferEvent} from '../transfer/events.ts'
import {formatBytes, formatCount} from './units.ts'

/** Speed is what moved within this time. */
const SPEED_WINDOW_MS = 5_000
const SECOND_MS = 1000

export class TransferTally {
  #imagesStarted = 0
  #imagesDone = 0
  #imagesFailed = 0
  #blobsFound = 0
  #blobsDone = 0
  #bytesFound = 0
  #bytesMoved = 0
  /** Bytes that need not move, since the target has them. */
  #bytesSpared = 0
  /** Bytes that were counted, lost, and have not moved again yet. */
  #bytesToRepeat = 0
  readonly #samples: {readonly atMs: number; readonly bytes: number}[] = []

  /** Counts an event; `atMs` never goes backwards. */
  count(event: TransferEvent, atMs: number): void {
    switch (event.type) {
      case 'image-started':
        this.#imagesStarted++
        break
      case 'blobs-found':
        this.#blobsFound += event.blobs.length
        this.#bytesFound += event.blobs.reduce((sum, blob) => sum + blob.size, 0)
        break
      case 'bytes-moved':
        this.#bytesMoved += event.bytes
        this.#bytesToRepeat = Math.max(0, this.#bytesToRepeat - event.bytes)
        this.#sample(atMs)
        break
      case 'blob-finished':
        this.#blobsDone++
        if (event.outcome !== 'uploaded') this.#bytesSpared += event.blob.size
        break
      case 'image-finished':
        this.#imagesDone++
        break
      case 'image-failed':
        this.#imagesFailed++
        this.#bytesToRepeat = 0
        break
    }
  }

  /** One line: images, layers, bytes, that lost bytes are sent again, and, while bytes move, speed and time left. */
  format(nowMs: number): TerminalText {
    const images = `${this.#imagesDone + this.#imagesFailed} of ${formatCount(this.#imagesStarted, 'image')}`
    const failed = this.#imagesFailed === 0 ? '' : ` (${this.#imagesFailed} failed)`
    const bytesToMove = Math.max(0, this.#bytesFound - this.#bytesSpared)
    const bytes = `${formatBytes(this.#bytesMoved)} of ${formatBytes(Math.max(bytesToMove, this.#bytesMoved))}`
    const retrying = this.#bytesToRepeat === 0 ? '' : `, retrying ${formatBytes(this.#bytesToRepeat)}`
    const speed = this.#bytesPerSecond(nowMs)
    const left = speed > 0 ? `, ${formatBytes(speed)}/s, ${formatSeconds((bytesToMove - this.#bytesMoved) / speed)} left` : ''
    return text`${images}${failed}, ${this.#blobsDone} of ${formatCount(this.#blobsFound, 'blob')}, ${bytes}${retrying}${left}`
  }

  #sample(atMs: number): void {
    this.#samples.push({atMs, bytes: this.#bytesMoved})
    while ((this.#samples[0]?.atMs ?? atMs) < atMs - SPEED_WINDOW_MS) this.#samples.shift()
  }

  #bytesPerSecond(nowMs: number): number {
    const first = this.#samples.find(({atMs}) => atMs >= nowMs - SPEED_WINDOW_MS)
    if (first === undefined || nowMs <= first.atMs) return 0
    return Math.max(0, ((this.#bytesMoved - first.bytes) / (nowMs - first.atMs)) * SECOND_MS)
  }
}
