/** Byte ranges: of a blob that is read (RFC 9110 §14), and of a chunk that is uploaded (distribution-spec 1.1 §Pushing a blob in chunks). */

/** First and last byte, both inclusive, from 0. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

const READ_RANGE = /^bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*$/i
const CHUNK_RANGE = /^(?:bytes[= ])?([0-9]+)-([0-9]+)(?:\/(?:[0-9]+|\*))?$/

/**
 * Answers a `Range` header for content of `sizeBytes`: the part to send, `unsatisfiable` (416), or undefined for the whole. Several ranges, other units and
 * malformed headers are ignored, as RFC 9110 §14.2 allows; a range that ends before it starts selects nothing and is unsatisfiable.
 */
export function selectRange(header: string | undefined, sizeBytes: number): ByteRange | 'unsatisfiable' | undefined {
  const match = header === undefined ? null : READ_RANGE.exec(header)
  if (match === null) return undefined
  const [first = '', last = ''] = match.slice(1)
  if (first === '' && last === '') return undefined
  if (first === '') {
    const length = Number(last)
    return length === 0 || sizeBytes === 0 ? 'unsatisfiable' : {start: Math.max(0, sizeBytes - length), end: sizeBytes - 1}
  }
  const start = Number(first)
  const end = last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1)
  return start >= sizeBytes || end < start ? 'unsatisfiable' : {start, end}
}

/** Parses the `Content-Range` of a chunk: `first-last`, also in the form of RFC 9110 (`bytes first-last/*`); undefined when it is malformed. */
export function parseChunkRange(header: string): ByteRange | undefined {
  const match = CHUNK_RANGE.exec(header)
  if (match === null) return undefined
  const [start, end] = [Number(match[1]), Number(match[2])]
  return Number.isSafeInteger(end) && start <= end ? {start, end} : undefined
}

/** The `Range` header that tells how much of an upload is there; clients expect `0-0` of an empty one, as CNCF Distribution says it. */
export function formatUploadRange(offset: number): string {
  return `0-${Math.max(0, offset - 1)}`
}
