/** How far a transfer goes before it calls a source malicious or a run too wide; each with its unit. */

/** Referrers of referrers (a signature of an SBOM of an image is two). */
export const MAX_REFERRER_DEPTH = 100
/** Manifests of one image, referrers included. */
export const MAX_GRAPH_MANIFESTS = 5_000
/** Blobs that may be on their way at once when nobody says otherwise. */
export const DEFAULT_BLOB_CONCURRENCY = 6
/** Images worked on at once. */
export const IMAGE_CONCURRENCY = 8
/** Requests that carry no blob: manifests, mounts, existence checks. They have their own lane, so that no blob ever delays them. */
export const SMALL_REQUEST_CONCURRENCY = 16
