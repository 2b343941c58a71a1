/** Every limit and time-out of the wire client, with its unit. */

const KIB = 1024
const MIB = 1024 * KIB

/** DNS, TCP and TLS together, and the proxy's CONNECT where there is one. */
export const CONNECT_TIMEOUT_MS = 10_000
/** No byte moved in either direction although the peer was to move one. */
export const IDLE_TIMEOUT_MS = 60_000
/** How long an unused connection is kept; below the 60 s and more after which servers and load balancers usually hang up. */
export const KEEP_ALIVE_MS = 30_000
/** Unused connections kept for each origin. */
export const MAX_IDLE_CONNECTIONS = 32

/** Status line and headers of one answer. */
export const MAX_HEAD_BYTES = 64 * KIB
/** Informational answers (1xx) skipped before the real one. */
export const MAX_INFORMATIONAL_ANSWERS = 16
/** A chunk's size line with its extensions, and one trailer line. */
export const MAX_CHUNK_LINE_BYTES = 4 * KIB

/** A manifest may have 4 MiB (distribution-spec 1.1 §Pushing manifests); a little more so that one of exactly that size passes. */
export const DEFAULT_MAX_BODY_BYTES = 4 * MIB + 64 * KIB

/** Holds heads, collected bodies and whatever arrives while a connection is unused. */
export const SMALL_BUFFER_BYTES = 16 * KIB
/** Holds blob bodies; beyond this size throughput hardly rises while memory does. */
export const LARGE_BUFFER_BYTES = 256 * KIB
/** Large buffers kept for the next body, over all connections of a client. */
export const MAX_SPARE_BUFFERS = 12
/** Large buffers that one body may hold unreleased before its source is paused, whatever the sink answers. */
export const MAX_UNRELEASED_BUFFERS = 2
/** A batch of TLS records is handed on when the buffer has less room than two records (RFC 8446 §5.1: 16 KiB each). */
export const TLS_BATCH_ROOM_BYTES = 32 * KIB
