/**
 * Request targets of the registry API as values. Each part is decoded once, on its own, and must then follow its grammar; so an encoded slash, `..` or NUL never
 * becomes part of a name (distribution-spec 1.1 §Endpoints).
 */
import type {RepositoryName} from '../oci/reference.ts'
import {isRepositoryName} from '../oci/reference.ts'
import {SpecError} from './spec-error.ts'

export type Route =
  | {readonly kind: 'health'}
  | {readonly kind: 'readiness'}
  | {readonly kind: 'base'}
  | {readonly kind: 'catalog'}
  | {readonly kind: 'tags'; readonly repository: RepositoryName}
  /** `reference` is not checked yet: what an invalid one means depends on the method. */
  | {readonly kind: 'manifest'; readonly repository: RepositoryName; readonly reference: string}
  | {readonly kind: 'blob'; readonly repository: RepositoryName; readonly digest: string}
  | {readonly kind: 'uploads'; readonly repository: RepositoryName}
  | {readonly kind: 'upload'; readonly repository: RepositoryName; readonly id: string}
  | {readonly kind: 'referrers'; readonly repository: RepositoryName; readonly digest: string}

/** A request target longer than this has no valid name and digest in it. */
const MAX_PATH_LENGTH = 1024

/** Probes come from everywhere, and learn no name. */
export function isProbe(route: Route): boolean {
  return route.kind === 'health' || route.kind === 'readiness'
}

/**
 * Parses the path of a request, without its query.
 * @returns undefined when no endpoint has such a path.
 * @throws {SpecError} 400 NAME_INVALID when the path names a repository that cannot exist.
 */
export function parseRoute(path: string): Route | undefined {
  if (path === '/healthz') return {kind: 'health'}
  if (path === '/readyz') return {kind: 'readiness'}
  if (path === '/v2' || path === '/v2/') return {kind: 'base'}
  if (path === '/v2/_catalog') return {kind: 'catalog'}
  if (!path.startsWith('/v2/') || path.length > MAX_PATH_LENGTH) return undefined
  const parts = decodeParts(path.slice('/v2/'.length))
  if (parts === undefined) return undefined
  if (parts.at(-1) === '' && parts.at(-2) === 'uploads' && parts.at(-3) === 'blobs') return {kind: 'uploads', repository: name(parts, 3)}
  const [last, second, third] = [parts.at(-1) ?? '', parts.at(-2), parts.at(-3)]
  if (second === 'tags' && last === 'list') return {kind: 'tags', repository: name(parts, 2)}
  if (second === 'blobs' && last === 'uploads') return {kind: 'uploads', repository: name(parts, 2)}
  if (third === 'blobs' && second === 'uploads') return {kind: 'upload', repository: name(parts, 3), id: last}
  if (second === 'manifests') return {kind: 'manifest', repository: name(parts, 2), reference: last}
  if (second === 'blobs') return {kind: 'blob', repository: name(parts, 2), digest: last}
  if (second === 'referrers') return {kind: 'referrers', repository: name(parts, 2), digest: last}
  return undefined
}

function decodeParts(text: string): readonly string[] | undefined {
  try {
    return text.split('/').map(decodeURIComponent)
  } catch {
    return undefined
  }
}

function name(parts: readonly string[], dropped: number): RepositoryName {
  const text = parts.slice(0, -dropped).join('/')
  if (isRepositoryName(text)) return text
  throw new SpecError(400, 'NAME_INVALID', 'the repository name has characters or a length that no repository can have')
}
