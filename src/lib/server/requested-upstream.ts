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
  /** As references name it: `docker.io`; what containerd says in `ns=`. With the folder where it lies below one: `harbor.example.com/proxy`. */
  readonly name: string
  /** The same as the first parts of a repository: `docker.io`, `localhost_5000`, `harbor.example.com/proxy`. */
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
  const byPath = 'repository' in route ? namedByPath(upstreams, route.repository) : undefined
  const byQuery = namedByQuery(upstreams, query, byPath, 'repository' in route ? route.repository : undefined)
  const named = byQuery ?? byPath
  const upstream = named?.upstream ?? unnamed
  if (upstream === undefined) {
    throw unknownName(
      `the request names no registry, and this mirror has several: ${listOf(upstreams)}; name one by ?ns=HOST or by ${upstreams.map(({path}) => `/v2/${path}/…`).join(', ')}`,
    )
  }
  if (!('repository' in route)) return {upstream, route}
  const repository = named?.repository ?? route.repository
  if (named === undefined && upstreams.length > 1) refuseOtherHost(upstreams, repository)
  return {upstream, route: {...route, repository: fullName(upstream, repository)}}
}

interface Named<Upstream> {
  readonly upstream: Upstream
  /** Absent for a request about no repository. */
  readonly repository: RepositoryName | undefined
}

function namedByQuery<Upstream extends UpstreamName>(
  upstreams: readonly Upstream[],
  query: URLSearchParams,
  byPath: Named<Upstream> | undefined,
  repository: RepositoryName | undefined,
): Named<Upstream> | undefined {
  const [text, ...others] = new Set(query.getAll('ns').filter((one) => one !== ''))
  if (text === undefined) return undefined
  const host = readHost(text)
  const ofHost = host === undefined ? [] : upstreams.filter(({name}) => hostOf(name) === host)
  if (ofHost.length === 0 || others.some((other) => readHost(other) !== host)) throw notMirrored([text, ...others].join(', '), upstreams)
  if (byPath !== undefined) {
    if (ofHost.includes(byPath.upstream)) return byPath
    throw unknownName(`the request names two registries: "${text.slice(0, 200)}" by ns= and "${byPath.upstream.name}" by its path`)
  }
  for (const upstream of longestFirst(ofHost)) {
    const folder = folderOf(upstream.name)
    if (folder === '') return {upstream, repository}
    const rest = repository?.startsWith(`${folder}/`) ? repository.slice(folder.length + 1) : ''
    if (isRepositoryName(rest)) return {upstream, repository: rest}
  }
  throw notMirrored(repository === undefined ? text : `${text}/${repository}`, upstreams)
}

function namedByPath<Upstream extends UpstreamName>(
  upstreams: readonly Upstream[],
  repository: RepositoryName,
): Named<Upstream> | undefined {
  const [first = '', ...parts] = repository.split('/')
  const host = readFirstPart(first)
  for (const upstream of longestFirst(upstreams)) {
    if (repository.startsWith(`${upstream.path}/`)) {
      const rest = repository.slice(upstream.path.length + 1)
      if (isRepositoryName(rest)) return {upstream, repository: rest}
    }
    const folder = folderOf(upstream.name)
    const within = parts.join('/')
    if (host === undefined || hostOf(upstream.name) !== host || !`${within}/`.startsWith(folder === '' ? '' : `${folder}/`)) continue
    const rest = folder === '' ? within : within.slice(folder.length + 1)
    if (isRepositoryName(rest)) return {upstream, repository: rest}
  }
  return undefined
}

/** Of a registry and a folder of it that are both mirrored, the folder is meant. */
function longestFirst<Upstream extends UpstreamName>(upstreams: readonly Upstream[]): readonly Upstream[] {
  return upstreams.toSorted((a, b) => b.name.length - a.name.length)
}

function hostOf(name: string): RegistryHost | undefined {
  return readHost(name.split('/', 1)[0] ?? '')
}

function folderOf(name: string): string {
  return name.split('/').slice(1).join('/')
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

/** A registry as clients write it; all names of Docker Hub are the same registry, and the HTTPS port may be omitted. Undefined for an invalid host. */
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
