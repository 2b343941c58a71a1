/** Keys of `auths` and `credHelpers`: hosts, hosts with a path, and the URLs of docker's first API. */
import {hasCode} from '../../core/errors.ts'
import {parseRegistryHost, type RegistryHost, type RepositoryName} from '../../oci/reference.ts'

/** What a key stands for. */
export interface RegistryKey {
  readonly registry: RegistryHost
  /** The repositories it is for: this one and those below it; empty for the whole registry. */
  readonly pathPrefix: string
}

/**
 * Parses `host`, `host:port`, `host/path`, `https://host/` and `https://host/v1/`; docker.io's many names are one.
 * Answers undefined for a key that names no registry: another tool may have put it there, so it is no error.
 */
export function parseRegistryKey(key: string): RegistryKey | undefined {
  const [, scheme = '', host = '', path = ''] = /^(https?:\/\/)?([^/]*)(?:\/(.*))?$/i.exec(key) ?? []
  const trimmed = path.replace(/\/+$/, '')
  const isApiVersion = /^v[12]$/.test(trimmed) && (scheme !== '' || path !== trimmed)
  try {
    return {registry: parseRegistryHost(host), pathPrefix: isApiVersion ? '' : trimmed}
  } catch (error) {
    if (hasCode(error, 'INVALID_REFERENCE')) return undefined
    throw error
  }
}

/**
 * Picks the keys that speak for a repository, the longest path first; of equally long ones a bare host comes before a URL, as docker and podman have it.
 * Without a repository only keys for the whole registry match.
 */
export function matchRegistryKeys(
  keys: readonly string[],
  registry: RegistryHost,
  repository: RepositoryName | undefined,
): readonly string[] {
  return keys
    .map((key) => ({key, parsed: parseRegistryKey(key)}))
    .filter(({parsed}) => parsed?.registry === registry && coversRepository(parsed.pathPrefix, repository))
    .toSorted(
      (a, b) => (b.parsed?.pathPrefix.length ?? 0) - (a.parsed?.pathPrefix.length ?? 0) || Number(isUrl(a.key)) - Number(isUrl(b.key)),
    )
    .map(({key}) => key)
}

function coversRepository(pathPrefix: string, repository: RepositoryName | undefined): boolean {
  return pathPrefix === '' || repository === pathPrefix || repository?.startsWith(`${pathPrefix}/`) === true
}

function isUrl(key: string): boolean {
  return key.includes('://')
}
