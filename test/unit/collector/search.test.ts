import assert from 'node:assert/strict'
import fc from 'fast-check'
import type {IndexedRepository, ManagedRegistry} from '../../../src/lib/collector/objects.ts'
import {createSearchIndex, type Searchable, search} from '../../../src/lib/collector/search/search.ts'
import {TrigramIndex} from '../../../src/lib/collector/search/trigram-index.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'

const LAB: ManagedRegistry = {
  id: 1,
  name: 'lab',
  service: 'lab.example.com',
  url: 'https://lab.example.com',
  insecure: false,
  restricted: true,
  publications: [],
  responsibles: [],
  tokenHeader: 'x5c',
  tokenLifeSeconds: 900,
  createdAt: '2026-01-01T00:00:00.000Z',
}

function entry(name: string, change: Partial<IndexedRepository> = {}, registry = LAB): Searchable {
  const repository = {id: 1, registry: registry.name, description: '', stars: 0, isOfficial: false, isAutomated: false, pulls: 0, ...change}
  return {registry, repository: {...repository, name: parseRepositoryName(name)}}
}

const names = async (entries: readonly Searchable[], term: string, mayPull: (found: Searchable) => boolean = () => true) =>
  (await search(await createSearchIndex(entries), term, {mayPull: async (found) => mayPull(found), limit: 100})).results.map(
    ({repository}) => repository.name,
  )

describe('an index of trigrams', () => {
  it('finds exactly what contains the term', () => {
    const letters = fc.string({unit: fc.constantFrom('a', 'b', 'c', '/', 'Ä'), maxLength: 12})
    fc.assert(
      fc.property(fc.array(letters, {maxLength: 30}), letters, (texts, term) => {
        const index = new TrigramIndex()
        for (const text of texts) index.add(text)
        const expected = texts.flatMap((text, position) => (text.toLowerCase().includes(term.toLowerCase()) ? [position] : []))
        assert.deepEqual(index.find(term), expected)
      }),
    )
  })
})

describe('search', () => {
  it('puts the exact name first, then the last component, a beginning, the middle, a description', async () => {
    const entries = [
      entry('x', {description: 'a web server'}),
      entry('cobweb'),
      entry('website'),
      entry('apps/shop/web'),
      entry('web'),
      entry('other'),
    ]
    assert.deepEqual(await names(entries, 'WEB '), ['web', 'apps/shop/web', 'website', 'cobweb', 'x'])
  })

  it('puts official ones before starred, starred before pulled, and then goes by name', async () => {
    const entries = [entry('a1'), entry('a2', {pulls: 9}), entry('a3', {stars: 1}), entry('a4', {isOfficial: true}), entry('a0')]
    assert.deepEqual(await names(entries, 'a'), ['a4', 'a3', 'a2', 'a0', 'a1'])
  })

  it('tells of nothing that may not be pulled, in its count neither', async () => {
    const entries = Array.from({length: 50}, (_, number) => entry(`users/u${number % 10}/web-${number}`))
    let asked = 0
    const mayPull = async ({repository}: Searchable): Promise<boolean> => {
      asked++
      return repository.name.startsWith('users/u7/')
    }
    const {count, results} = await search(await createSearchIndex(entries), 'web', {mayPull, limit: 3})
    assert.deepEqual([count, results.length, asked], [5, 3, 10])
  })

  it('stays within a registry when told to', async () => {
    const entries = [entry('web'), entry('web', {}, {...LAB, name: 'other'})]
    const {results} = await search(await createSearchIndex(entries), 'web', {mayPull: async () => true, registry: 'other', limit: 10})
    assert.deepEqual(
      results.map(({registry}) => registry.name),
      ['other'],
    )
  })

  it('takes patterns for what they are', async () => {
    const entries = [entry('a_b'), entry('axb'), entry('ab')]
    assert.deepEqual(await names(entries, 'a_b'), ['a_b'])
    assert.deepEqual(await names(entries, '%'), [])
    assert.deepEqual(await names(entries, "'"), [])
  })
})
