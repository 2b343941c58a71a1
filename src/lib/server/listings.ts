/** Endpoints that list: tags, repositories, referrers (distribution-spec 1.1 §Content Discovery). */
import type {Digest} from '../oci/digest.ts'
import {MEDIA_TYPE} from '../oci/media-types.ts'
import type {RepositoryName} from '../oci/reference.ts'
import {type Exchange, type ReplyHeaders, reply, replyJson} from './exchange.ts'
import {parsePage} from './request-values.ts'
import {SpecError} from './spec-error.ts'
import type {ReadableStore} from './upload-sessions.ts'

/** Repositories in an answer to a client that sets no limit. */
const CATALOG_PAGE_ENTRIES = 1000

/**
 * `GET /v2/<name>/tags/list`: every tag, unless `n` asks for less.
 * @throws {SpecError} 404 NAME_UNKNOWN when there is no such repository.
 */
export async function listTags(exchange: Exchange, store: ReadableStore, repository: RepositoryName): Promise<void> {
  const {n, last} = parsePage(exchange.query)
  const tags = await takePage(n, (limit) => store.listTags(repository, {signal: exchange.signal, ...pageOptions(limit, last)}))
  if (tags.entries.length === 0 && !(await hasRepository(exchange, store, repository))) {
    throw new SpecError(404, 'NAME_UNKNOWN', 'there is no such repository')
  }
  replyJson(exchange, 200, {name: repository, tags: tags.entries}, nextLink(exchange, n, tags))
}

/** `GET /v2/_catalog`, of those repositories that are visible to whoever asks. */
export async function listRepositories(
  exchange: Exchange,
  store: ReadableStore,
  isVisible?: (repository: RepositoryName) => Promise<boolean>,
): Promise<void> {
  const {n = CATALOG_PAGE_ENTRIES, last} = parsePage(exchange.query)
  const repositories = await takePage(n, (limit) => {
    const {signal} = exchange
    if (isVisible === undefined) return store.listRepositories({signal, ...pageOptions(limit, last)})
    return visible(store.listRepositories({signal, ...pageOptions(undefined, last)}), isVisible)
  })
  replyJson(exchange, 200, {repositories: repositories.entries}, nextLink(exchange, n, repositories))
}

/** `GET /v2/<name>/referrers/<digest>`: an index, empty when nothing refers to the digest. */
export async function listReferrers(exchange: Exchange, store: ReadableStore, repository: RepositoryName, subject: Digest): Promise<void> {
  const wanted = exchange.query.get('artifactType')
  const all = await store.listReferrers(repository, subject, {signal: exchange.signal})
  const manifests = wanted === null ? all : all.filter(({artifactType}) => artifactType === wanted)
  const body = JSON.stringify({schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests})
  const headers = {'Content-Type': MEDIA_TYPE.ociIndex, ...(wanted === null ? {} : {'OCI-Filters-Applied': 'artifactType'})}
  reply(exchange, 200, headers, body)
}

/** Repositories come in lexical order, so the search begins with the names that share all but the last letter. */
async function hasRepository({signal}: Exchange, store: ReadableStore, repository: RepositoryName): Promise<boolean> {
  for await (const name of store.listRepositories({signal, last: repository.slice(0, -1)})) {
    if (name >= repository) return name === repository
  }
  return false
}

async function* visible(
  repositories: AsyncIterable<RepositoryName>,
  isVisible: (repository: RepositoryName) => Promise<boolean>,
): AsyncGenerator<RepositoryName> {
  for await (const repository of repositories) if (await isVisible(repository)) yield repository
}

interface Page {
  readonly entries: readonly string[]
  readonly hasMore: boolean
}

function pageOptions(limit: number | undefined, last: string | undefined): {readonly limit?: number; readonly last?: string} {
  return {...(limit === undefined ? {} : {limit}), ...(last === undefined ? {} : {last})}
}

/** Takes `n` entries, and looks for one more to know whether there is a next page. */
async function takePage(n: number | undefined, list: (limit: number | undefined) => AsyncIterable<string>): Promise<Page> {
  const entries: string[] = []
  for await (const entry of list(n === undefined ? undefined : n + 1)) {
    if (entries.length === n) return {entries, hasMore: true}
    entries.push(entry)
  }
  return {entries, hasMore: false}
}

/** Leads on where the client came from, whatever else it asked. */
function nextLink({request, query}: Exchange, n: number | undefined, {entries, hasMore}: Page): ReplyHeaders {
  const last = entries.at(-1)
  if (!hasMore || last === undefined || n === undefined) return {}
  const ns = query.get('ns')
  const next = new URLSearchParams({n: String(n), last, ...(ns === null ? {} : {ns})})
  return {Link: `<${request.url?.split('?', 1)[0]}?${next}>; rel="next"`}
}
