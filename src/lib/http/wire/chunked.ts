/** Chunked transfer coding (RFC 9112 §7.1), decoded where the bytes lie: answers ranges of the buffer, copies nothing but the size lines. */
import {MalformedAnswerError} from './head.ts'
import {MAX_CHUNK_LINE_BYTES} from './limits.ts'

/** Hexadecimal digits of the largest chunk size that is a safe integer. */
const MAX_SIZE_DIGITS = 13
const SIZE_LINE = new RegExp(`^([0-9A-Fa-f]{1,${MAX_SIZE_DIGITS}})[ \\t]*(?:;[^\\r\\n]*)?$`)
const LF = 0x0a

type State = 'size' | 'data' | 'data-end' | 'trailer' | 'done'

/** Decodes one body. After each `next`, `position` says up to where the input is used. */
export class ChunkedDecoder {
  position = 0
  #state: State = 'size'
  #left = 0
  #line = ''
  #trailerBytes = 0

  get isDone(): boolean {
    return this.#state === 'done'
  }

  /**
   * Decodes from `start` on: answers how many bytes of the body lie directly before `position`; 0 when the input is used up or the body is done.
   * @throws {MalformedAnswerError}
   */
  next(bytes: Buffer, start: number, end: number): number {
    this.position = start
    while (this.position < end && this.#state !== 'done') {
      if (this.#state === 'data') {
        const length = Math.min(this.#left, end - this.position)
        this.#left -= length
        this.position += length
        if (this.#left === 0) this.#state = 'data-end'
        return length
      }
      const line = this.#readLine(bytes, end)
      if (line === undefined) return 0
      this.#apply(line)
    }
    return 0
  }

  #apply(line: string): void {
    if (this.#state === 'size') {
      const size = SIZE_LINE.exec(line)?.[1]
      if (size === undefined) throw new MalformedAnswerError('a chunk has no valid size')
      this.#left = Number.parseInt(size, 16)
      this.#state = this.#left === 0 ? 'trailer' : 'data'
    } else if (this.#state === 'data-end') {
      if (line !== '') throw new MalformedAnswerError('a chunk is longer than its size says')
      this.#state = 'size'
    } else if (line === '') {
      this.#state = 'done'
    } else {
      this.#trailerBytes += line.length
      if (this.#trailerBytes > MAX_CHUNK_LINE_BYTES) throw new MalformedAnswerError('the trailers are too long')
    }
  }

  /** A line without its CRLF, or undefined until it is whole. */
  #readLine(bytes: Buffer, end: number): string | undefined {
    const lf = bytes.indexOf(LF, this.position)
    const isWhole = lf >= 0 && lf < end
    const stop = isWhole ? lf + 1 : end
    if (this.#line.length + stop - this.position > MAX_CHUNK_LINE_BYTES) throw new MalformedAnswerError('a chunk size line is too long')
    this.#line += bytes.toString('latin1', this.position, stop)
    this.position = stop
    if (!isWhole) return undefined
    const line = this.#line
    this.#line = ''
    if (!line.endsWith('\r\n')) throw new MalformedAnswerError('a chunk line does not end with CRLF')
    return line.slice(0, -2)
  }
}
