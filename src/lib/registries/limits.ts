/** How long one step of a diagnosis may wait for a connection or a handshake. */
export const CONNECT_TIMEOUT_MS = 10_000
/** Certificates of a chain that are looked at; real chains have two to four. */
export const MAX_CHAIN_LENGTH = 10
/** Cap of what `/v2/` answers, in bytes: an error body at most. */
export const MAX_PING_BODY_BYTES = 65_536
/** Hosts pinned for one registry without being asked for by name: a registry needs two, for tokens and for storage. */
export const MAX_PINNED_ON_SIGHT = 4
