/** Content discovery: tags with paging, the catalog, referrers with their filter. */
import assert from 'node:assert/strict'
import {type Answer, expectStatus, type RegistryApi} from './api.ts'
import {newRepository} from './blob-cases.ts'
import {createDataSets, type ManifestContent, randomContent} from './data.ts'
import type {ConformanceCase} from './suite.ts'

const INDEX = 'application/vnd.oci.image.index.v1+json'
/** The order that the specification asks for: as text, capitals first. */
const TAGS = ['Upper', '_under', 'a', 'b', 'c.d', 'x', 'y', 'z-9'] as const
/** Neither this order nor its reverse is the one above, in case a file system lists its entries as they came. */
const PUSH_ORDER = [2, 0, 7, 5, 1, 6, 4, 3] as const

export function discoveryCases(): Readonly<Record<string, readonly ConformanceCase[]>> {
  return {tags: TAG_CASES, referrers: REFERRER_CASES}
}

const TAG_CASES: readonly ConformanceCase[] = [
  {
    name: 'a repository that does not exist is 404 NAME_UNKNOWN',
    run: async (api) => {
      const answer = await api.send('GET', `/v2/${newRepository()}/tags/list`)
      expectStatus(answer, 404)
      assert.equal(JSON.parse(answer.body.toString()).errors[0].code, 'NAME_UNKNOWN')
    },
  },
  {
    name: 'every tag is listed, in lexical order',
    run: async (api) => {
      const repository = await pushTags(api)
      const answer = await api.send('GET', `/v2/${repository}/tags/list`)
      expectStatus(answer, 200)
      const list = JSON.parse(answer.body.toString())
      assert.equal(list.name, repository)
      assert.deepEqual(list.tags, TAGS)
    },
  },
  {
    name: 'n limits the list, also to nothing',
    run: async (api) => {
      const repository = await pushTags(api)
      assert.deepEqual(tagsOf(await api.send('GET', `/v2/${repository}/tags/list?n=2`)), TAGS.slice(0, 2))
      assert.deepEqual(tagsOf(await api.send('GET', `/v2/${repository}/tags/list?n=0`)), [])
    },
  },
  {
    name: 'last continues after a tag, also after one that does not exist',
    run: async (api) => {
      const repository = await pushTags(api)
      assert.deepEqual(tagsOf(await api.send('GET', `/v2/${repository}/tags/list?n=2&last=a`)), ['b', 'c.d'])
      assert.deepEqual(tagsOf(await api.send('GET', `/v2/${repository}/tags/list?last=b0`)), ['c.d', 'x', 'y', 'z-9'])
    },
  },
  {
    name: 'Link leads through all pages and ends',
    run: async (api) => {
      const repository = await pushTags(api)
      const seen: string[] = []
      let next: string | undefined = `/v2/${repository}/tags/list?n=2`
      for (let pages = 0; next !== undefined; pages += 1) {
        assert.ok(pages < TAGS.length, 'the pages never end')
        const page = await api.send('GET', next)
        seen.push(...tagsOf(page))
        next = /^<([^>]+)>; *rel="?next"?$/.exec(page.headers.get('link') ?? '')?.[1]
      }
      assert.deepEqual(seen, TAGS)
    },
  },
  {
    name: 'the catalog pages through repositories',
    run: async (api) => {
      const [first, second] = [await pushTags(api), await pushTags(api)].sort()
      const before = (first ?? '').slice(0, -1)
      const page = await api.send('GET', `/v2/_catalog?n=1&last=${before}`)
      assert.deepEqual(JSON.parse(page.body.toString()).repositories, [first])
      assert.ok(page.headers.get('link'), 'there is more, and no Link says so')
      const rest = await api.send('GET', `/v2/_catalog?n=1000&last=${first}`)
      assert.ok(JSON.parse(rest.body.toString()).repositories.includes(second))
    },
  },
]

const REFERRER_CASES: readonly ConformanceCase[] = [
  {
    name: 'nothing refers to a digest that nobody knows: an empty index',
    run: async (api) => {
      const {answer, digests} = await referrersOf(api, newRepository(), randomContent().digest)
      assert.equal(answer.headers.get('content-type'), INDEX)
      assert.deepEqual(digests, [])
    },
  },
  {
    name: 'a malformed digest is 400',
    run: async (api) => expectStatus(await api.send('GET', `/v2/${newRepository()}/referrers/sha256:abc`), 400),
  },
  {
    name: 'every manifest with the subject is listed with its artifact type and annotations',
    run: async (api) => {
      const {repository, subject, referrers} = await pushReferrers(api)
      const {answer, digests} = await referrersOf(api, repository, subject)
      assert.deepEqual(digests, referrers.map(({digest}) => digest).sort())
      for (const entry of JSON.parse(answer.body.toString()).manifests) {
        const pushed = referrers.find(({digest}) => digest === entry.digest)
        assert.equal(entry.artifactType, pushed?.artifactType)
        assert.equal(entry.mediaType, pushed?.mediaType)
        assert.equal(entry.size, pushed?.bytes.length)
        assert.ok(entry.annotations['org.example.test'])
      }
    },
  },
  {
    name: 'artifactType filters, and the answer says so',
    run: async (api) => {
      const {repository, subject, referrers} = await pushReferrers(api)
      const [wanted] = referrers
      assert.ok(wanted)
      const {answer, digests} = await referrersOf(
        api,
        repository,
        subject,
        `?artifactType=${encodeURIComponent(wanted.artifactType ?? '')}`,
      )
      if (answer.headers.get('oci-filters-applied') === 'artifactType') assert.deepEqual(digests, [wanted.digest])
      else assert.deepEqual(digests, referrers.map(({digest}) => digest).sort())
    },
  },
  {
    name: 'the push of a referrer is answered with OCI-Subject',
    run: async (api) => {
      const {repository, subject, referrers} = await pushReferrers(api)
      for (const {digest, mediaType, bytes} of referrers) {
        assert.equal((await api.putManifest(repository, digest, mediaType, bytes)).headers.get('oci-subject'), subject)
      }
    },
  },
  {
    name: 'a deleted referrer is listed no more',
    run: async (api) => {
      const {repository, subject, referrers} = await pushReferrers(api)
      const [gone, ...stay] = referrers
      assert.ok(gone)
      expectStatus(await api.send('DELETE', `/v2/${repository}/manifests/${gone.digest}`), 202)
      assert.deepEqual((await referrersOf(api, repository, subject)).digests, stay.map(({digest}) => digest).sort())
    },
  },
]

async function pushTags(api: RegistryApi): Promise<string> {
  const repository = newRepository()
  const set = createDataSets().find(({name}) => name === 'image without layers')
  const manifest = set?.manifests[0]
  assert.ok(set && manifest)
  for (const {digest, bytes} of set.blobs) await api.putBlob(repository, digest, bytes)
  for (const place of PUSH_ORDER) expectStatus(await api.putManifest(repository, TAGS[place], manifest.mediaType, manifest.bytes), 201)
  return repository
}

async function pushReferrers(api: RegistryApi): Promise<{repository: string; subject: string; referrers: readonly ManifestContent[]}> {
  const repository = newRepository()
  const set = createDataSets().find(({name}) => name === 'artifacts with a subject')
  assert.ok(set)
  for (const {digest, bytes} of set.blobs) await api.putBlob(repository, digest, bytes)
  for (const {digest, mediaType, bytes} of set.manifests) expectStatus(await api.putManifest(repository, digest, mediaType, bytes), 201)
  const referrers = set.manifests.filter(({subject}) => subject !== undefined)
  const subject = referrers[0]?.subject
  assert.ok(subject)
  return {repository, subject, referrers}
}

async function referrersOf(
  api: RegistryApi,
  repository: string,
  subject: string,
  query = '',
): Promise<{answer: Answer; digests: readonly string[]}> {
  const answer = await api.send('GET', `/v2/${repository}/referrers/${subject}${query}`)
  expectStatus(answer, 200)
  const {manifests}: {manifests: readonly {digest: string}[]} = JSON.parse(answer.body.toString())
  return {answer, digests: manifests.map(({digest}) => digest).sort()}
}

function tagsOf(answer: Answer): readonly string[] {
  expectStatus(answer, 200)
  return JSON.parse(answer.body.toString()).tags
}
