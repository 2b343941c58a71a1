import assert from 'node:assert/strict'
import {RegistrySession} from '../../../src/lib/content/remote/session.ts'
import {HoldfastError, RegistryError} from '../../../src/lib/core/errors.ts'
import {SYSTEM_CLOCK} from '../../../src/lib/core/retry.ts'
import {createRegistrySource} from '../../../src/lib/discovery/registry-source.ts'
import {sweepRegistry} from '../../../src/lib/discovery/sweep.ts'
import {createWireClient} from '../../../src/lib/http/wire/client.ts'
import {parseRepositoryName, type RegistryHost} from '../../../src/lib/oci/reference.ts'
import {type Answer, reply, type ScriptedRegistry, startScriptedRegistry} from '../../integration/remote/scripted-registry.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {MemoryIndex} from '../../support/memory-index.ts'

const WEB = parseRepositoryName('shop/web')
const CREDENTIAL = {kind: 'basic', username: 'collector', password: 'not-to-be-sent-elsewhere'} as const

describe('a registry that is swept', () => {
  const afterwards = cleanUpAfterwards()

  async function start(answer: Answer, pageSize = 2) {
    const registry = await startScriptedRegistry(answer)
    const http = createWireClient()
    afterwards(() => http.close())
    afterwards(registry.close)
    const endpoint = {registry: registry.host as RegistryHost, plainHttp: 'always' as const, tls: {}, capabilities: {}}
    const clock = {...SYSTEM_CLOCK, sleep: async () => {}}
    const session = new RegistrySession({endpoint, http, clock, credentials: async () => CREDENTIAL})
    return {registry, source: createRegistrySource(session, {pageSize})}
  }

  const pages =
    (answers: Readonly<Record<string, Answer>>): Answer =>
    (seen, response, request) => {
      const answer = answers[seen.url]
      return answer === undefined ? reply(response, 404, {}, `nobody asked for ${seen.url}`) : answer(seen, response, request)
    }

  const page =
    (body: unknown, link?: string): Answer =>
    (_seen, response) =>
      reply(response, 200, link === undefined ? {} : {link: `<${link}>; rel="next"`}, JSON.stringify(body))

  const status =
    (code: number, body: object = {}): Answer =>
    (_seen, response) =>
      reply(response, code, {}, body)

  async function all<T>(names: AsyncIterable<T>): Promise<T[]> {
    const found: T[] = []
    for await (const name of names) found.push(name)
    return found
  }

  /** What the catalog answers, and what was asked for. */
  async function catalog(answers: Readonly<Record<string, Answer>>, pageSize?: number) {
    const {registry, source} = await start(pages(answers), pageSize)
    return {names: all(source.listRepositories()), registry}
  }

  const urls = (registry: ScriptedRegistry) => registry.seen.map(({url}) => url)

  it('is read page by page along its links, whatever they say', async () => {
    const {names, registry} = await catalog({
      '/v2/_catalog?n=2': page({repositories: ['a', 'b']}, '/v2/_catalog?cursor=opaque%2F1'),
      '/v2/_catalog?cursor=opaque%2F1': page({repositories: ['c']}, '?last=c&n=2'),
      '/v2/_catalog?last=c&n=2': page({repositories: ['d', 'Not A Name', 'e']}),
    })
    assert.deepEqual(await names, ['a', 'b', 'c', 'd', 'e'])
    assert.equal(registry.seen.length, 3)
  })

  it('that gives no links is asked once more after a full page, and not after another', async () => {
    const full = await catalog({
      '/v2/_catalog?n=2': page({repositories: ['a', 'b']}),
      '/v2/_catalog?n=2&last=b': page({repositories: []}),
    })
    assert.deepEqual(await full.names, ['a', 'b'])
    const short = await catalog({'/v2/_catalog?n=2': page({repositories: ['a']})})
    assert.deepEqual(await short.names, ['a'])
    const ignored = await catalog({'/v2/_catalog?n=2': page({repositories: ['a', 'b', 'c']})})
    assert.deepEqual(await ignored.names, ['a', 'b', 'c'])
    assert.deepEqual(
      [full, short, ignored].map(({registry}) => registry.seen.length),
      [2, 1, 1],
    )
  })

  it('that refuses pages of this size is read in pages of its own', async () => {
    const {names, registry} = await catalog({
      '/v2/_catalog?n=2': status(400, {errors: [{code: 'PAGINATION_NUMBER_INVALID', message: 'n is too large'}]}),
      '/v2/_catalog': page({repositories: ['a']}, '/v2/_catalog?last=a&n=1'),
      '/v2/_catalog?last=a&n=1': page({repositories: ['b']}),
    })
    assert.deepEqual(await names, ['a', 'b'])
    assert.deepEqual(urls(registry), ['/v2/_catalog?n=2', '/v2/_catalog', '/v2/_catalog?last=a&n=1'])
  })

  for (const [name, answer] of Object.entries({
    'an empty body': (_seen, response) => reply(response, 200),
    'an object without a list': page({}),
    'a catalog that is null': page({repositories: null}),
    'a list of other things': page({repositories: [{name: 'a'}]}),
    'a page of a proxy': (_seen, response) => reply(response, 200, {'content-type': 'text/html'}, '<h1>Maintenance</h1>'),
    'a redirect to nowhere': (_seen, response) => reply(response, 302),
    'an empty answer': (_seen, response) => reply(response, 204),
    'a broken connection': (_seen, response) => void response.destroy(),
    'a body that is cut off': (_seen, response) => {
      response.writeHead(200, {'content-length': '1000'}).write('{"repositories":[')
      setImmediate(() => response.destroy())
    },
  } satisfies Record<string, Answer>))
    it(`has no end, but an error, with ${name}, on the first page and on the second`, async () => {
      const first = await catalog({'/v2/_catalog?n=2': answer})
      await assert.rejects(first.names, HoldfastError)
      const second = await catalog({
        '/v2/_catalog?n=2': page({repositories: ['a', 'b']}, '/v2/_catalog?last=b'),
        '/v2/_catalog?last=b': answer,
      })
      await assert.rejects(second.names, HoldfastError)
    })

  it('is an error when its pages go in circles', async () => {
    const {names, registry} = await catalog({
      '/v2/_catalog?n=2': page({repositories: ['a', 'b']}, '/v2/_catalog?last=b'),
      '/v2/_catalog?last=b': page({repositories: ['a', 'b']}, '/v2/_catalog?n=2'),
    })
    await assert.rejects(names, {code: 'PARTIAL', message: /go in circles/})
    assert.equal(registry.seen.length, 2)
  })

  it('does not lead to another host, nor with credentials', async () => {
    const {registry: other} = await start(page({repositories: ['evil']}))
    const {names} = await catalog({
      '/v2/_catalog?n=2': page({repositories: ['a', 'b']}, `http://localhost:${other.host.split(':')[1]}/v2/_catalog?last=b`),
      '/v2/_catalog?last=b': page({repositories: ['c']}),
    })
    assert.deepEqual(await names, ['a', 'b', 'c'])
    assert.deepEqual(other.seen, [])
  })

  it('has no tags where it says null, and says itself when it does not know a repository', async () => {
    const {source} = await start(pages({'/v2/shop/web/tags/list?n=2': page({name: 'shop/web', tags: null})}))
    assert.deepEqual(await all(source.listTags(WEB)), [])
    const {source: without} = await start(status(404, {errors: [{code: 'NAME_UNKNOWN', message: 'repository name not known to registry'}]}))
    await assert.rejects(all(without.listTags(WEB)), (error) => error instanceof RegistryError && error.registryCode === 'NAME_UNKNOWN')
  })

  for (const [name, second, code] of [
    ['500', status(500), 'REGISTRY_UNAVAILABLE'],
    ['401', status(401, {errors: [{code: 'UNAUTHORIZED', message: 'authentication required'}]}), 'UNAUTHENTICATED'],
    ['an empty body', (_seen, response) => reply(response, 200), 'UNSUPPORTED'],
  ] as const satisfies readonly (readonly [string, Answer, string])[])
    it(`and that answers ${name} on page 2 of its catalog loses nothing of the index`, async () => {
      const index = new MemoryIndex()
      const past = '2026-11-20T10:00:00.000Z'
      await index.note({repository: parseRepositoryName('z/last'), seenAt: past, learnt: [], present: []})
      const {source} = await start((seen, response, request) => {
        const isFirst = seen.url === '/v2/_catalog?n=2'
        if (!isFirst && seen.url.startsWith('/v2/_catalog')) return second(seen, response, request)
        return page(isFirst ? {repositories: ['a', 'b']} : {tags: null}, isFirst ? '/v2/_catalog?last=b' : undefined)(
          seen,
          response,
          request,
        )
      })
      const result = await sweepRegistry(source, index)
      assert.ok(!result.complete)
      assert.equal(result.reason.code, code)
      assert.deepEqual(index.purges, [])
      assert.ok(index.repositories.has('z/last'))
      assert.doesNotMatch(JSON.stringify(result) + result.reason.message, /not-to-be-sent/)
    })

  it('is read to its end though tokens end on the way, of the catalog and of a repository with many tags', async () => {
    const lifeMs = 300_000
    let nowMs = 0
    const minted: string[] = []
    const tags = Array.from({length: 6}, (_, index) => `v${index}`)
    const names = ['a', 'b', 'c', 'd', 'e']
    const listed = (all: readonly string[], url: URL): readonly string[] => {
      const last = url.searchParams.get('last')
      const start = last === null ? 0 : all.indexOf(last) + 1
      return all.slice(start, start + 2)
    }
    const registry = await startScriptedRegistry((seen, response) => {
      // Everything takes its time: the token of one page is useless for the next but one.
      nowMs += 200_000
      const url = new URL(seen.url, 'http://registry')
      const scope = url.pathname === '/v2/_catalog' ? 'catalog' : (/^\/v2\/(.+)\/tags\/list$/.exec(url.pathname)?.[1] ?? '')
      const [, of, at] = /^Bearer (.+)@([0-9]+)$/.exec(seen.headers.authorization ?? '') ?? []
      if (of !== scope || nowMs - Number(at) > lifeMs) {
        const error = at === undefined ? '' : ',error="invalid_token"'
        return reply(response, 401, {'www-authenticate': `Bearer realm="https://auth.example.com/token",service="r"${error}`})
      }
      const found =
        scope === 'catalog' ? {repositories: listed(names, url)} : {name: scope, tags: listed(scope === 'c' ? tags : ['v1'], url)}
      reply(response, 200, {}, JSON.stringify(found))
    })
    const http = createWireClient()
    afterwards(() => http.close())
    afterwards(registry.close)
    const endpoint = {registry: registry.host as RegistryHost, plainHttp: 'always' as const, tls: {}, capabilities: {}}
    const session = new RegistrySession({
      endpoint,
      http,
      clock: {...SYSTEM_CLOCK, sleep: async () => {}},
      credentials: async (_host, repository) => {
        const token = `${repository ?? 'catalog'}@${nowMs}`
        minted.push(token)
        return {kind: 'registry-token', token}
      },
    })
    const source = createRegistrySource(session, {pageSize: 2})
    assert.deepEqual(await all(source.listRepositories()), names)
    assert.deepEqual(await all(source.listTags(parseRepositoryName('c'))), tags)
    assert.ok(minted.filter((token) => token.startsWith('catalog')).length > 1, minted.join())
    assert.ok(minted.filter((token) => token.startsWith('c@')).length > 1, minted.join())
  })

  it('that refuses every token is asked with another one once, and then no more', async () => {
    let count = 0
    const registry = await startScriptedRegistry((_seen, response) =>
      reply(response, 401, {'www-authenticate': 'Bearer realm="https://auth.example.com/token",service="r",error="invalid_token"'}),
    )
    const http = createWireClient()
    afterwards(() => http.close())
    afterwards(registry.close)
    const endpoint = {registry: registry.host as RegistryHost, plainHttp: 'always' as const, tls: {}, capabilities: {}}
    const credentials = async () => ({kind: 'registry-token' as const, token: `token-${count++}`})
    const session = new RegistrySession({endpoint, http, credentials})
    await assert.rejects(all(createRegistrySource(session).listRepositories()), {code: 'UNAUTHENTICATED'})
    assert.ok(registry.seen.length <= 4, registry.lines().join('\n'))
  })
})
