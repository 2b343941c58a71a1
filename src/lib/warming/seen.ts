/** Images that were pulled before, and are wanted again: out of what registries notified of, or out of an access log. */
import {isDigest} from '../oci/digest.ts'
import {DOCKER_HUB, isRepositoryName, isTag, parseNamed, parseRegistryHost, type Reference, type RegistryHost} from '../oci/reference.ts'
import type {Wish} from './wishes.ts'

/** What a registry has notified of, as far as it matters here. */
export interface SeenEvent {
  readonly registry: string
  readonly action: string
  readonly repository: string
  readonly tag?: string | undefined
}

/** Those that were pulled by tag, each once, newest first. */
export function imagesOfEvents(events: readonly SeenEvent[], hostOf: ReadonlyMap<string, RegistryHost>): readonly Reference[] {
  return once(
    events.toReversed().flatMap(({registry, action, repository, tag}) => {
      const host = hostOf.get(registry)
      if (host === undefined || action !== 'pull' || tag === undefined || !isRepositoryName(repository) || !isTag(tag)) return []
      return [{registry: host, repository, tag}]
    }),
  )
}

/** `GET /v2/<name>/manifests/<reference>`, answered with 200, as nginx, Apache, docker-registry and others write it; the first word is the client's address. */
const ANSWERED =
  /^(\S*).*?"(GET|HEAD) (?:https?:\/\/[^/ ]+)?\/v2\/([^ "?]+)\/manifests\/([^ "?]+)(?:\?([^ "]*))? HTTP\/[0-9.]+"[^0-9]* 200 /

/** An upstream of the mirror whose log is read. */
export interface LoggedUpstream {
  /** `docker.io`; with the path where it lies below one: `harbor.example.com/proxy`. */
  readonly name: string
  /** The same as the first part of a repository: `localhost_5000`. */
  readonly path: string
}

/**
 * Those that a log in the common format has seen pulled by tag, each once, newest first. containerd and dockerd send HEAD by tag, then GET by digest; a HEAD alone is a look. A
 * request names its registry by `ns=`, or by the first part of the repository: that of one of `upstreams`, or one that reads as a host name, as no part of Docker Hub's
 * repositories does. What names none is of the first upstream, or of Docker Hub.
 */
export function imagesOfAccessLog(text: string, upstreams: readonly LoggedUpstream[] = []): readonly Reference[] {
  /** Repositories that a client has pulled from by digest, further down in the log. */
  const pulledByDigest = new Set<string>()
  return once(
    text
      .split('\n')
      .toReversed()
      .flatMap((line) => {
        const [, client = '', method, name = '', tag = '', query = ''] = ANSWERED.exec(line) ?? []
        if (!isRepositoryName(name)) return []
        if (isDigest(tag) && method === 'GET') pulledByDigest.add(`${client} ${name} ${query}`)
        if (!isTag(tag) || isDigest(tag)) return []
        // A digest that was pulled afterwards is what the last tag before it named.
        if (method === 'HEAD' && !pulledByDigest.delete(`${client} ${name} ${query}`)) return []
        const ns = new URLSearchParams(query).get('ns')
        if (ns !== null && !readsAsHost(ns)) return []
        const image = splitPath(name, upstreams)
        const named = ns === null ? (image?.registry ?? upstreams[0]?.name ?? DOCKER_HUB) : parseRegistryHost(ns)
        // Only one of both is told to the upstream, so that they must agree.
        if (image !== undefined && image.registry !== named && !image.registry.startsWith(`${named}/`)) return []
        return [{...parseNamed(`${image?.registry ?? named}/${image?.repository ?? name}`), tag}]
      }),
  )
}

/** As lines of a list. */
export function wishesOf(images: readonly Reference[]): readonly Wish[] {
  return images.map((reference, index) => ({
    line: index + 1,
    text: `${reference.registry}/${reference.repository}:${reference.tag}`,
    reference,
  }))
}

/** What the first part of a repository names, and the rest. */
function splitPath(
  name: string,
  upstreams: readonly LoggedUpstream[],
): {readonly registry: string; readonly repository: string} | undefined {
  for (const {name: registry, path} of upstreams) {
    const prefix = [path, registry].find((one) => name.startsWith(`${one}/`))
    if (prefix !== undefined) return {registry, repository: name.slice(prefix.length + 1)}
  }
  const at = name.indexOf('/')
  const first = name.slice(0, Math.max(0, at))
  return first.includes('.') && readsAsHost(first) ? {registry: parseRegistryHost(first), repository: name.slice(at + 1)} : undefined
}

function readsAsHost(text: string): boolean {
  return /^[a-z0-9.-]+(?::[0-9]{1,5})?$/i.test(text)
}

function once(images: readonly Reference[]): readonly Reference[] {
  const seen = new Map(images.map((image) => [`${image.registry}/${image.repository}:${image.tag}`, image]))
  return [...seen.values()]
}
