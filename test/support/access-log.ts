/** Questions to an access log: what moved, and what did not. */
import type {AccessLogEntry} from './docker-registry.ts'

const BLOB = /\/blobs\/(sha256:[0-9a-f]{64})$/

/** Digests of the blobs whose bytes were given out. */
export function downloadedBlobs(log: readonly AccessLogEntry[]): readonly string[] {
  return log
    .filter(({method, status}) => method === 'GET' && (status === 200 || status === 206))
    .map(({path}) => BLOB.exec(path)?.[1])
    .filter((digest): digest is string => digest !== undefined)
}

/** Finished uploads whose bytes came over the wire; mounts are none. */
export function uploadedBlobs(log: readonly AccessLogEntry[]): readonly AccessLogEntry[] {
  return log.filter(({method, path, status}) => method === 'PUT' && path.includes('/blobs/uploads/') && status === 201)
}

/** Upload sessions that were started, whatever became of them. */
export function startedUploads(log: readonly AccessLogEntry[]): readonly AccessLogEntry[] {
  return log.filter(({method, path, status}) => method === 'POST' && path.endsWith('/blobs/uploads/') && status === 202)
}

/** Manifests that were written, by tag or digest. */
export function writtenManifests(log: readonly AccessLogEntry[]): readonly AccessLogEntry[] {
  return log.filter(({method, path, status}) => method === 'PUT' && path.includes('/manifests/') && status === 201)
}
