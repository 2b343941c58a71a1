/** What a server tells while it runs; the caller writes it wherever it likes. Neither event has a query, a header or a body, except for the tags that were set. */

/** One request is over. */
export interface RequestEvent {
  readonly type: 'request'
  readonly requestId: string
  readonly method: string
  /** The path as it was sent, without the query. */
  readonly path: string
  /** The status that was sent; 499 when the client went before there was one. */
  readonly status: number
  /** Bytes of bodies. */
  readonly receivedBytes: number
  readonly sentBytes: number
  readonly durationMs: number
  readonly remoteAddress: string
  /** Tags that the query of a push by digest named, and that were set. */
  readonly tags?: readonly string[] | undefined
  /** Whose token it was, where tokens are wanted. */
  readonly principal?: string | undefined
  /** Of a mirror: the upstream that the request was about. */
  readonly upstream?: string | undefined
  /** The answer did not reach its end. */
  readonly isCutShort: boolean
}

/** A request, or something the server does by itself, failed for a reason that no client is told. */
export interface FailureEvent {
  readonly type: 'failure'
  /** Stands in the answer too; `accept` or `purge-stale-uploads` when there was no request. */
  readonly requestId: string
  readonly error: unknown
  /** Of a mirror: the upstream that it was about. */
  readonly upstream?: string | undefined
}

export type ServerListener = (event: RequestEvent | FailureEvent) => void
