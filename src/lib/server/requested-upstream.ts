/**
 * Which registry a request to a mirror is about. It is part of the image's name and never guessed: a registry that the mirror does not have is not found, so that the client
 * goes on to the next place, and no registry's image is served under the name of another.
 */
import {
  DOCKER_HUB,
  isRepositoryName,
  parseRegistryHost,
  parseRepositoryName,
  type RegistryHost,
  type RepositoryName,
} from '../oci/reference.ts'
import type {Route} from './route.ts'
import {SpecError} from './spec-error.ts'

/** How clients may call a registry. */
export interface UpstreamName {
  /** As references name it: `docker.io`; what containerd says in `ns=`. */
  readonly name: string
  /** The same as the first part of a repository: `docker.io`, `localhost_5000`. */
  readonly path: RepositoryName
}

export interface RequestedUpstream<Upstream> {
  readonly upstream: Upstream
  /** The route at that registry: its repository without the part that names the registry. */
  readonly route: Route
}

export interface UpstreamChoice<Upstream> {
  readonly upstreams: readonly [Upstream, ...Upstream[]]
  /** The registry of requests that name none; undefined where those are not found. */
  readonly unnamed: Upstream | undefined
}

/**
 * Returns the registry that a request names by `ns=` (containerd), by the first part of its path (podman, BuildKit), or by both alike; `unnamed` when it names none.
 * @throws {SpecError} 404 NAME_UNKNOWN for a registry that is not mirrored, for two that differ, and for none where that could be any of several.
 */
export function requestedUpstream<Upstream extends UpstreamName>(
  {upstreams, unnamed}: UpstreamChoice<Upstream>,
  route: Route,
  query: URLSearchParams,
): RequestedUpstream<Upstream> {
  const byQuery = namedByQuery(upstreams, query)
  const byPath = 'repository' in route ? namedByPath(upstreams, route.repository) : undefined
  if (byQuery !== undefined && byPath !== undefined && byQuery !== byPath.upstream) {
    throw unknownName(`the request names two registries: "${byQuery.name}" by ns= and "${byPath.upstream.name}" by its path`)
  }
  const upstream = byQuery ?? byPath?.upstream ?? unnamed
  if (upstream === undefined) {
    throw unknownName(
      `the request names no registry, and this mirror has several: ${listOf(upstreams)}; they are named by ?ns=HOST or /v2/HOST/…`,
    )
  }
  if (!('repository' in route)) return {upstream, route}
  const repository = byPath?.repository ?? route.repository
  if (byQuery === undefined && byPath === undefined && upstreams.length > 1) refuseOtherHost(upstreams, repository)
  return {upstream, route: {...route, repository: fullName(upstream, repository)}}
}

function namedByQuery<Upstream extends UpstreamName>(upstreams: readonly Upstream[], query: URLSearchParams): Upstream | undefined {
  const [text, ...others] = new Set(query.getAll('ns').filter((one) => one !== ''))
  if (text === undefined) return undefined
  const host = readHost(text)
  const found = host === undefined ? undefined : upstreams.find(({name}) => readHost(name) === host)
  if (found !== undefined && others.every((other) => readHost(other) === host)) return found
  throw notMirrored([text, ...others].join(', '), upstreams)
}

interface NamedByPath<Upstream> {
  readonly upstream: Upstream
  readonly repository: RepositoryName
}

function namedByPath<Upstream extends UpstreamName>(
  upstreams: readonly Upstream[],
  repository: RepositoryName,
): NamedByPath<Upstream> | undefined {
  const [first = ''] = repository.split('/', 1)
  const host = readFirstPart(first)
  for (const upstream of upstreams) {
    const isSame = host !== undefined && readHost(upstream.name) === host
    const prefix = isSame ? first : upstream.path
    const rest = repository.slice(prefix.length + 1)
    if ((isSame || repository.startsWith(`${prefix}/`)) && isRepositoryName(rest)) return {upstream, repository: rest}
  }
  return undefined
}

/** Of several registries one that no upstream has is not a folder of another. */
function refuseOtherHost(upstreams: readonly UpstreamName[], repository: RepositoryName): void {
  const [first = ''] = repository.split('/', 1)
  if (first !== 'localhost' && !first.includes('.')) return
  throw notMirrored(readFirstPart(first) ?? first, upstreams)
}

/** Of Docker Hub a name of one part is `library/NAME`, as everywhere. */
function fullName({name}: UpstreamName, repository: RepositoryName): RepositoryName {
  const isShort = name === DOCKER_HUB && !repository.includes('/')
  return isShort && isRepositoryName(`library/${repository}`) ? parseRepositoryName(`library/${repository}`) : repository
}

/** A registry as clients write it; those of Docker Hub are one, and the port of HTTPS may be omitted. Undefined for what is no host. */
function readHost(text: string): RegistryHost | undefined {
  try {
    return parseRegistryHost(text.replace(/:443$/, ''))
  } catch {
    return undefined
  }
}

/** A path has no colon: `localhost_5000`. */
function readFirstPart(first: string): RegistryHost | undefined {
  return readHost(first.replace(/_(?=[0-9]{1,5}$)/, ':'))
}

function notMirrored(name: string, upstreams: readonly UpstreamName[]): SpecError {
  return unknownName(`this mirror does not mirror "${name.slice(0, 200)}"; it mirrors ${listOf(upstreams)}`)
}

function listOf(upstreams: readonly UpstreamName[]): string {
  return upstreams.map(({name}) => name).join(', ')
}

function unknownName(message: string): SpecError {
  return new SpecError(404, 'NAME_UNKNOWN', message)
}
