/**
 * References: `registry/repository[:tag][@digest]`, with Docker's short names (`alpine` is `docker.io/library/alpine:latest`).
 * Grammar: distribution-spec 1.1 §Pulling manifests for names and tags; Docker's rule for what is a host.
 */
import {HoldfastError} from '../core/errors.ts'
import {type Digest, parseDigest} from './digest.ts'

export type RepositoryName = string & {readonly __brand: 'RepositoryName'}
export type Tag = string & {readonly __brand: 'Tag'}
/** `host`, `host:port` or `[ipv6]:port`, lower case. */
export type RegistryHost = string & {readonly __brand: 'RegistryHost'}

/** One image in one registry; with both a tag and a digest the digest decides and the tag is a remark. */
export interface Reference {
  readonly registry: RegistryHost
  readonly repository: RepositoryName
  readonly tag?: Tag
  readonly digest?: Digest
}

export const DOCKER_HUB: RegistryHost = 'docker.io' as RegistryHost
/** Where docker.io's API really is. */
export const DOCKER_HUB_API_HOST = 'registry-1.docker.io'
export const DEFAULT_TAG: Tag = 'latest' as Tag

const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
const HOST =
  /^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*)(?::[1-9][0-9]{0,4})?$/
const MAX_PORT = 65_535
/** Characters of a repository name, `library/` included (distribution's reference grammar). */
const MAX_NAME_LENGTH = 255
/** What `docker images -q --no-trunc` shows; docker refuses it as a name, since it would be taken for one. */
const IMAGE_ID = /^[0-9a-f]{64}$/

export function isRepositoryName(text: string): text is RepositoryName {
  return text.length <= MAX_NAME_LENGTH && NAME.test(text)
}

export function isTag(text: string): text is Tag {
  return TAG.test(text)
}

/** @throws {HoldfastError} INVALID_REFERENCE */
export function parseRepositoryName(text: string): RepositoryName {
  if (isRepositoryName(text)) return text
  const lower = text.toLowerCase()
  throw invalid(
    text,
    'a repository name has lower-case letters, digits, and single . _ - / between them',
    isRepositoryName(lower) ? [lower] : [],
  )
}

/** @throws {HoldfastError} INVALID_REFERENCE */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text
  throw invalid(text, 'a tag has up to 128 letters, digits, and . _ - but not at its start')
}

/** @throws {HoldfastError} INVALID_REFERENCE */
export function parseRegistryHost(text: string): RegistryHost {
  if (!HOST.test(text)) throw invalid(text, 'a registry is host or host:port')
  const [, name = '', port] = /^(.*?)(?::([0-9]+))?$/.exec(text) ?? []
  if (port !== undefined && Number(port) > MAX_PORT) throw invalid(text, `a port is at most ${MAX_PORT}`)
  const hostname = urlHostname(name)
  const isIpv6 = name.startsWith('[')
  // `127.1`, `0x7f.0.0.1` and `2130706433` mean 127.0.0.1 in a URL: a name must not be another host than it says.
  if (hostname === undefined || (!isIpv6 && hostname !== name.toLowerCase()))
    throw invalid(text, 'the host is neither a name nor an IP address as it is usually written', hostname === undefined ? [] : [hostname])
  return normaliseHost(port === undefined ? hostname : `${hostname}:${port}`)
}

/**
 * Parses what people type after `docker pull`.
 * Docker's rule: the first part is a host if it has a dot or a colon, is `localhost`, or has upper-case letters; else docker.io is meant.
 * @throws {HoldfastError} INVALID_REFERENCE, INVALID_DIGEST
 */
export function parseReference(text: string): Reference {
  const named = parseNamed(text)
  if (named.tag !== undefined || named.digest !== undefined) return named
  return {...named, tag: DEFAULT_TAG}
}

/**
 * Parses `registry/repository` with an optional tag or digest and adds no default tag.
 * @throws {HoldfastError} INVALID_REFERENCE, INVALID_DIGEST
 */
export function parseNamed(text: string): Reference {
  if (text === '') throw invalid(text, 'it is empty')
  if (/\s/.test(text)) throw invalid(text, 'it has white space')
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)
  if (scheme) throw invalid(text, `it is a name, not a URL`, [text.slice(scheme[0].length)])
  const at = text.indexOf('@')
  const digest = at < 0 ? undefined : parseDigest(text.slice(at + 1))
  const rest = at < 0 ? text : text.slice(0, at)
  const slash = rest.indexOf('/')
  const first = slash < 0 ? '' : rest.slice(0, slash)
  const hasHost = first.includes('.') || first.includes(':') || first === 'localhost' || first !== first.toLowerCase()
  const registry = hasHost ? parseRegistryHost(first) : DOCKER_HUB
  const path = hasHost ? rest.slice(slash + 1) : rest
  const colon = path.lastIndexOf(':')
  const tag = colon < 0 ? undefined : parseTag(path.slice(colon + 1))
  const name = parseRepositoryName(colon < 0 ? path : path.slice(0, colon))
  if (!hasHost && IMAGE_ID.test(name)) throw invalid(text, 'it is the ID of an image, not a name')
  const repository = registry === DOCKER_HUB && !name.includes('/') ? parseRepositoryName(`library/${name}`) : name
  return {registry, repository, ...(tag === undefined ? {} : {tag}), ...(digest === undefined ? {} : {digest})}
}

/** The full form, with every default written out; a store without repositories (an OCI layout) has none to show. */
export function formatReference(reference: Reference): string {
  const {registry, repository, tag, digest} = reference
  return `${registry}${repository === '' ? '' : `/${repository}`}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

/** The form that can never change its meaning: `registry/repository@digest`. */
export function formatPinned(reference: Pick<Reference, 'registry' | 'repository'>, digest: Digest): string {
  return `${reference.registry}/${reference.repository}@${digest}`
}

/** What to ask a registry for: the digest where there is one, else the tag. */
export function manifestReference(reference: Reference): Tag | Digest {
  return reference.digest ?? reference.tag ?? DEFAULT_TAG
}

/** The host as a URL has it, brackets included; undefined when it cannot be in one. */
function urlHostname(name: string): string | undefined {
  return URL.canParse(`http://${name}/`) ? new URL(`http://${name}/`).hostname : undefined
}

function normaliseHost(text: string): RegistryHost {
  const host = text.toLowerCase()
  if (host === 'index.docker.io' || host === 'registry-1.docker.io' || host === 'registry.hub.docker.com') return DOCKER_HUB
  return host as RegistryHost
}

function invalid(text: string, reason: string, hints: readonly string[] = []): HoldfastError {
  return new HoldfastError('INVALID_REFERENCE', `cannot read reference "${text.slice(0, 300)}": ${reason}`, {hints})
}
