/** Lists of names as registries and the proxies before them page them. */
import assert from 'node:assert/strict'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'
import {parseNamed} from '../../../src/lib/oci/reference.ts'
import {listTags} from '../../../src/lib/tags/list-tags.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {type Answer, REPOSITORY, reply, type ScriptedRegistry, startScriptedRegistry, storeFor} from './scripted-registry.ts'

const LIST = `/v2/${REPOSITORY}/tags/list`
const DIGEST = digestOf(Buffer.from('manifest'))

describe('the list of tags', () => {
  const afterwards = cleanUpAfterwards()
  const open = async (answer: Answer) => {
    const registry: ScriptedRegistry = await startScriptedRegistry(answer)
    afterwards(registry.close)
    const opened = storeFor(registry.host)
    afterwards(opened.close)
    return {registry, store: opened.store}
  }
  /** Pages by path and query; what has none is 404. */
  const list = async (pages: Readonly<Record<string, {readonly tags: unknown; readonly link?: string; readonly status?: number}>>) => {
    const {registry, store} = await open(({url}, response) => {
      const page = pages[url]
      if (page === undefined) return reply(response, 404)
      return reply(response, page.status ?? 200, page.link === undefined ? {} : {link: page.link}, {tags: page.tags})
    })
    const tags: string[] = []
    const end = (async () => {
      for await (const tag of store.listTags(REPOSITORY)) tags.push(tag)
    })()
    const error = await end.catch((cause: unknown) => cause)
    return {tags, error, urls: registry.seen.map(({url}) => url)}
  }

  for (const [name, link] of [
    ['an internal host', '<http://registry.internal:5000/next?last=b>; rel="next"'],
    ['the other scheme', '<https://127.0.0.1/next?last=b>; rel="next"'],
    ['no angle brackets', '/next?last=b; rel="next"'],
    ['a path that begins like a host', '<//other.example/next?last=b>; rel="next"'],
  ] as const)
    it(`goes on at the registry itself when its Link has ${name}`, async () => {
      const {tags, error} = await list({[`${LIST}?n=1000`]: {tags: ['a', 'b'], link}, '/next?last=b': {tags: ['c']}})
      assert.deepEqual([tags, error], [['a', 'b', 'c'], undefined])
    })

  it('goes on after the last name when its Link leads to nothing, and tries no second one', async () => {
    const link = (last: string) => `<http://inner/registry/v2/list?last=${last}&n=2>; rel="next"`
    const {tags, error, urls} = await list({
      [`${LIST}?n=1000`]: {tags: ['a', 'b'], link: link('b')},
      [`${LIST}?n=1000&last=b`]: {tags: ['c', 'd'], link: link('d')},
      [`${LIST}?n=1000&last=d`]: {tags: ['e']},
    })
    assert.deepEqual([tags, error], [['a', 'b', 'c', 'd', 'e'], undefined])
    assert.equal(urls.length, 4)
  })

  it('goes on through 100 empty pages, and not through one more', async () => {
    const pages = (empty: number) => {
      const made: Record<string, {tags: readonly string[]; link?: string}> = {
        [`${LIST}?n=1000`]: {tags: ['a'], link: `<${LIST}?last=0>; rel="next"`},
      }
      for (let page = 0; page < empty; page++) made[`${LIST}?last=${page}`] = {tags: [], link: `<${LIST}?last=${page + 1}>; rel="next"`}
      made[`${LIST}?last=${empty}`] = {tags: ['z']}
      return made
    }
    const within = await list(pages(100))
    assert.deepEqual([within.tags, within.error], [['a', 'z'], undefined])
    const beyond = await list(pages(101))
    assert.deepEqual(beyond.tags, ['a'])
    assert.ok(hasCode(beyond.error, 'PARTIAL'), String(beyond.error))
  })

  it('is incomplete, after what came, when its pages go in circles', async () => {
    const {tags, error, urls} = await list({
      [`${LIST}?n=1000`]: {tags: ['a'], link: '</p>; rel="next"'},
      '/p': {tags: ['b'], link: `<${LIST}?n=1000>; rel="next"`},
    })
    assert.deepEqual(tags, ['a', 'b'])
    assert.ok(hasCode(error, 'PARTIAL'), String(error))
    assert.equal(urls.length, 2)
  })

  it('is asked without a page size where the registry refuses one', async () => {
    const {tags, error} = await list({[`${LIST}?n=1000`]: {tags: [], status: 400}, [LIST]: {tags: ['a']}})
    assert.deepEqual([tags, error], [['a'], undefined])
  })

  for (const [name, body] of [
    ['is nested 100,000 levels deep', `{"tags":${'['.repeat(100_000)}`],
    ['holds something else than names', '{"tags":["a",{"b":1}]}'],
    ['has no list', '{}'],
    ['is a web page', '<html>'],
  ] as const)
    it(`is an error, and not empty, when the answer ${name}`, async () => {
      const {store} = await open((_seen, response) => void response.writeHead(200).end(body))
      await assert.rejects(
        async () => {
          for await (const _ of store.listTags(REPOSITORY));
        },
        {code: 'UNSUPPORTED'},
      )
    })

  it('of referrers is an error, and not empty, when what is called an index is none', async () => {
    const {store} = await open(({url}, response) =>
      url.includes('/referrers/')
        ? void response.writeHead(200, {'content-type': MEDIA_TYPE.ociIndex}).end('['.repeat(100_000))
        : reply(response, 404),
    )
    await assert.rejects(store.listReferrers(REPOSITORY, DIGEST), {code: 'INVALID_MANIFEST'})
  })

  it('of 50,000 tags costs its pages and the lookups of as many tags as are wanted', async () => {
    const all = Array.from({length: 50_000}, (_, index) => `t${String(index).padStart(5, '0')}`)
    const {registry, store} = await open(({method, url}, response) => {
      if (!url.startsWith(LIST))
        return method === 'HEAD'
          ? reply(response, 200, {'docker-content-digest': DIGEST, 'content-type': MEDIA_TYPE.ociManifest})
          : reply(response, 404)
      const last = new URL(url, registry.url).searchParams.get('last') ?? ''
      const from = last === '' ? 0 : all.indexOf(last) + 1
      return reply(response, 200, {}, {tags: all.slice(from, from + 1000)})
    })
    const {tags, others, incomplete} = await listTags(parseNamed(`${registry.host}/${REPOSITORY}`), store, {limit: 10})
    assert.deepEqual([tags.length, others.length, incomplete], [10, 49_990, undefined])
    assert.deepEqual(tags[0]?.siblings.length, 9)
    assert.equal(registry.seen.filter(({method, url}) => method === 'HEAD' && !url.startsWith(LIST)).length, 10)
    assert.equal(registry.seen.filter(({url}) => url.startsWith(LIST)).length, 51)
  })

  it('of a repository without tags is empty', async () => {
    const {registry, store} = await open((_seen, response) => reply(response, 200, {}, {tags: null}))
    assert.deepEqual(await listTags(parseNamed(`${registry.host}/${REPOSITORY}`), store), {
      tags: [],
      others: [],
      invalid: [],
      broken: [],
      incomplete: undefined,
    })
  })
})
