/**
 * Where bytes go. The giver hands over a slice and owns it again only after `release` was called for it; it calls `write` with the next slice only after the
 * previous call returned `true`, or, after `false`, once every slice handed over so far was released. So a reader can reuse its buffers, and back-pressure costs
 * nothing. `release` may be called before `write` returns, and exactly once for each slice.
 */
export interface ByteSink {
  write(chunk: Uint8Array, release: () => void): boolean
}
