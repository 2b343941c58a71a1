/** Images that were pulled before, and are wanted again: out of what registries notified of, or out of an access log. */
import {isDigest} from '../oci/digest.ts'
import {isRepositoryName, isTag, parseRegistryHost, parseRepositoryName, type Reference, type RegistryHost} from '../oci/reference.ts'
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

/** `GET /v2/<name>/manifests/<reference>`, answered with 200, as nginx, Apache, docker-registry and others write it. */
const PULL = /"GET (?:https?:\/\/[^/ ]+)?\/v2\/([^ "?]+)\/manifests\/([^ "?]+)(?:\?([^ "]*))? HTTP\/[0-9.]+"[^0-9]* 200 /

/**
 * Those that a log in the common format has seen pulled by tag, each once, newest first.
 * @param host Of requests that name no registry themselves, by `ns=` or by the first part of the repository.
 */
export function imagesOfAccessLog(text: string, host: RegistryHost, others: readonly RegistryHost[] = []): readonly Reference[] {
  return once(
    text
      .split('\n')
      .toReversed()
      .flatMap((line) => {
        const [, name = '', tag = '', query = ''] = PULL.exec(line) ?? []
        if (!isRepositoryName(name) || !isTag(tag) || isDigest(tag)) return []
        const ns = new URLSearchParams(query).get('ns')
        if (ns !== null) return readsAsHost(ns) ? [{registry: parseRegistryHost(ns), repository: name, tag}] : []
        const prefix = [host, ...others].find((one) => name.startsWith(`${one}/`))
        if (prefix === undefined) return [{registry: host, repository: name, tag}]
        return [{registry: prefix, repository: parseRepositoryName(name.slice(prefix.length + 1)), tag}]
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

function readsAsHost(text: string): boolean {
  return /^[a-z0-9.-]+(?::[0-9]{1,5})?$/i.test(text)
}

function once(images: readonly Reference[]): readonly Reference[] {
  const seen = new Map(images.map((image) => [`${image.registry}/${image.repository}:${image.tag}`, image]))
  return [...seen.values()]
}
