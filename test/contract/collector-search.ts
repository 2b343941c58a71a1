/** What search must find over every database: held against a model that looks at everything. */
import assert from 'node:assert/strict'
import {classifyPath, ROOT_OWNER} from '../../src/lib/access/repository-path.ts'
import type {SearchLimits} from '../../src/lib/collector/sql/search.ts'
import type {CollectorStore, VisibleRepositories} from '../../src/lib/collector/store.ts'
import type {IndexChange} from '../../src/lib/events/index-changes.ts'
import {digestOf} from '../../src/lib/oci/digest.ts'
import {parseRepositoryName, parseTag} from '../../src/lib/oci/reference.ts'

const FACTS = {insecure: false, restricted: true, tokenHeader: 'x5c', tokenLifeSeconds: 900} as const

const pushed = (repository: string): IndexChange => ({
  kind: 'tag-set',
  at: '2026-01-01T00:00:00.000Z',
  repository: parseRepositoryName(repository),
  tag: parseTag('v1'),
  digest: digestOf(Buffer.from(repository)),
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
})

/** By every index, and one by one. */
const WAYS: Readonly<Record<string, SearchLimits>> = {
  'of many': {few: 0, ranked: 1_000},
  'of few': {few: 100_000, ranked: 1_000},
}

interface Row {
  readonly registryId: number
  readonly name: string
  readonly description: string
  readonly isOfficial: boolean
  readonly stars: number
}

/** Runs the suite; `open` gives an empty store each time. */
export function collectorSearchContract(open: (limits: SearchLimits) => Promise<CollectorStore>): void {
  describe('search', () => searchSuite(open))
}

function searchSuite(open: (limits: SearchLimits) => Promise<CollectorStore>): void {
  let store: CollectorStore
  afterEach(() => store.close())

  const addRegistry = async (name: string): Promise<number> =>
    (await store.addManagedRegistry({name, service: name, url: `https://${name}.example.com`, ...FACTS})).id
  const add = (registryId: number, ...names: readonly string[]) => store.applyIndexChanges(registryId, names.map(pushed))
  const describeOne = async (
    registryId: number,
    name: string,
    description: {readonly description?: string; readonly isOfficial?: boolean},
  ) => {
    const found = await store.findRepository(registryId, parseRepositoryName(name))
    await store.describeRepository(found?.id ?? 0, description)
  }
  const namesOf = async (visible: VisibleRepositories | readonly VisibleRepositories[], term: string, limit = 1_000) =>
    (await store.searchRepositories([visible].flat(), term, limit)).results.map(({name}) => name)

  for (const [way, limits] of Object.entries(WAYS)) {
    describe(way, () => {
      beforeEach(async () => {
        store = await open(limits)
      })

      it('puts the name first, then the last component, a beginning, the middle, a description', async () => {
        const registryId = await addRegistry('lab')
        await add(registryId, 'x', 'cobweb', 'website', 'apps/shop/web', 'web', 'other')
        await describeOne(registryId, 'x', {description: 'A WEB server'})
        assert.deepEqual(await namesOf({registryId, owners: 'all'}, 'web'), ['web', 'apps/shop/web', 'website', 'cobweb', 'x'])
      })

      it('puts official ones before starred, starred before pulled, and then goes by name', async () => {
        const registryId = await addRegistry('lab')
        await add(registryId, 'abc1', 'abc2', 'abc3', 'abc4', 'abc0')
        await describeOne(registryId, 'abc4', {isOfficial: true})
        const {id} = await store.addUser({name: 'ann', source: 'internal'})
        await store.star((await store.findRepository(registryId, parseRepositoryName('abc3')))?.id ?? 0, id)
        const pull: IndexChange = {kind: 'pulled', at: '', repository: parseRepositoryName('abc2'), digest: digestOf(Buffer.from('x'))}
        await store.applyIndexChanges(registryId, [pull])
        for (const term of ['abc', 'bc', 'a', '']) {
          assert.deepEqual(await namesOf({registryId, owners: 'all'}, term), ['abc4', 'abc3', 'abc2', 'abc0', 'abc1'], term)
        }
      })

      it('takes every character of a term for what it is', async () => {
        const registryId = await addRegistry('lab')
        await add(registryId, 'a_b', 'axb', 'ab', 'odd')
        await describeOne(registryId, 'odd', {description: '100% "quoted" a\\b o\'clock (NEAR) * ^x — Ärger'})
        const all = {registryId, owners: 'all'} as const
        assert.deepEqual(await namesOf(all, 'a_b'), ['a_b'])
        for (const term of ['100% "q', '"quoted" a\\b', "o'clock", '(near) * ^x', '— ärger', 'near)']) {
          assert.deepEqual(await namesOf(all, term), ['odd'], term)
        }
        for (const term of ['%', "'", '"', '%%', '""', '___', 'a%b', '" OR "', 'odd" OR name:"ab', 'NEAR']) {
          assert.deepEqual(await namesOf(all, term), [], term)
        }
      })

      it('finds at once what was written, described again or removed', async () => {
        const registryId = await addRegistry('lab')
        const all = {registryId, owners: 'all'} as const
        await add(registryId, 'users/ann/first')
        await describeOne(registryId, 'users/ann/first', {description: 'the old words'})
        assert.deepEqual(await namesOf(all, 'old words'), ['users/ann/first'])
        await describeOne(registryId, 'users/ann/first', {description: 'the new words'})
        assert.deepEqual([await namesOf(all, 'old words'), await namesOf(all, 'new words')], [[], ['users/ann/first']])
        await store.purgeUnseen(registryId, '9999-12-31T00:00:00.000Z')
        assert.deepEqual([await namesOf(all, 'first'), await namesOf(all, 'words')], [[], []])
        await add(registryId, 'users/ann/first')
        await store.removeManagedRegistry(registryId)
        const again = await addRegistry('lab')
        await add(again, 'second')
        assert.deepEqual(await namesOf({registryId: again, owners: 'all'}, ''), ['second'])
      })

      it('finds exactly what a look at everything finds, in the same order, for any owners and terms', async () => {
        const random = seeded(way.length)
        const rows: Row[] = []
        const {id: userId} = await store.addUser({name: 'ann', source: 'internal'})
        for (const registry of ['one', 'two']) {
          const registryId = await addRegistry(registry)
          for (const name of randomNames(random)) {
            await add(registryId, name)
            const description = random() < 0.3 ? randomText(random) : ''
            const isOfficial = random() < 0.1
            await describeOne(registryId, name, {description, isOfficial})
            const stars = random() < 0.1 ? 1 : 0
            const found = await store.findRepository(registryId, parseRepositoryName(name))
            if (stars > 0) await store.star(found?.id ?? 0, userId)
            rows.push({registryId, name, description, isOfficial, stars})
          }
        }
        const registries = [...new Set(rows.map(({registryId}) => registryId))]
        const owners = [...new Set(rows.map(({name}) => ownerOf(name)))]
        for (let round = 0; round < 150; round++) {
          const visible = registries
            .filter(() => random() < 0.8)
            .map(
              (registryId): VisibleRepositories => ({
                registryId,
                owners: random() < 0.2 ? 'all' : owners.filter((owner) => owner !== 'reserved' && random() < 0.5),
              }),
            )
          const from = rows[Math.floor(random() * rows.length)]
          const text = random() < 0.7 ? (from?.name ?? '') : (from?.description ?? '')
          const start = Math.floor(random() * text.length)
          const term = text
            .slice(start, start + Math.floor(random() * 7))
            .toLowerCase()
            .trim()
          const expected = model(rows, visible, term)
          const {count, isMore, results} = await store.searchRepositories(visible, term, 7)
          const told = JSON.stringify({term, visible})
          assert.deepEqual([count, isMore], [expected.length, false], told)
          assert.deepEqual(
            results.map(({name}) => name),
            expected.slice(0, 7).map(({name}) => name),
            told,
          )
          for (const one of visible) {
            const seen = model(rows, [one], '').map(({name}) => name)
            const after = seen.toSorted()[2] ?? ''
            assert.deepEqual(
              await store.listVisible(one, {after, limit: 3}),
              seen
                .toSorted()
                .filter((name) => name > after)
                .slice(0, 3),
              told,
            )
          }
        }
      }).timeout(120_000)
    })
  }

  it('ranks and counts no more than it must, and still has the best first', async () => {
    store = await open({few: 0, ranked: 10})
    const registryId = await addRegistry('lab')
    await add(registryId, ...Array.from({length: 50}, (_, number) => `a-web-${number}`), 'official/cobweb', 'z/web', 'web')
    await describeOne(registryId, 'official/cobweb', {isOfficial: true})
    for (const owners of ['all', [ROOT_OWNER]] as const) {
      const {count, isMore, results} = await store.searchRepositories([{registryId, owners}], 'web', 4)
      assert.deepEqual([count, isMore], [10, true])
      assert.deepEqual(
        results.slice(0, 3).map(({name}) => name),
        ['web', 'z/web', 'official/cobweb'],
      )
    }
    for (const term of ['we', 'a', '']) {
      const {count, isMore} = await store.searchRepositories([{registryId, owners: [ROOT_OWNER]}], term, 4)
      assert.deepEqual([count, isMore], [10, true], term)
    }
  })

  it('keeps the owner of each path as the access policy has it', async () => {
    store = await open({few: 100_000, ranked: 1_000})
    const registryId = await addRegistry('lab')
    const names = [
      'users',
      'users/ann',
      'users/ann/web',
      'users/1/a/b',
      'usersx/ann/web',
      'apps/shop/web',
      'groups/ops/x',
      'base',
      'a/users/b',
    ]
    await add(registryId, ...names)
    for (const name of names) {
      const owner = ownerOf(name)
      const found = await namesOf({registryId, owners: [owner]}, '')
      assert.equal(found.includes(parseRepositoryName(name)), owner !== 'reserved', name)
      for (const one of found) assert.equal(ownerOf(one), owner)
    }
  })
}

function ownerOf(name: string): string {
  const path = classifyPath(name)
  return path.kind === 'owned' ? `${path.class}/${path.owner}` : path.kind === 'other' ? ROOT_OWNER : 'reserved'
}

/** Everything is looked at. */
function model(rows: readonly Row[], visible: readonly VisibleRepositories[], term: string): readonly Row[] {
  const rankOf = ({name}: Row): number => {
    if (name === term) return 0
    if (name.split('/').at(-1) === term) return 1
    if (name.startsWith(term) || name.includes(`/${term}`)) return 2
    return name.includes(term) ? 3 : 4
  }
  const isSeen = ({registryId, name}: Row): boolean =>
    visible.some((one) => one.registryId === registryId && (one.owners === 'all' || one.owners.includes(ownerOf(name))))
  const matches = ({name, description}: Row): boolean => {
    if ([...term].length === 1) return `/${name}`.includes(`/${term}`)
    return name.includes(term) || ([...term].length >= 3 && description.toLowerCase().includes(term))
  }
  return rows
    .filter((row) => isSeen(row) && matches(row))
    .toSorted(
      (a, b) =>
        rankOf(a) - rankOf(b) ||
        Number(b.isOfficial) - Number(a.isOfficial) ||
        b.stars - a.stars ||
        (a.name < b.name ? -1 : a.name > b.name ? 1 : a.registryId - b.registryId),
    )
}

/** Numbers from 0 to 1, the same ones each time. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}

const pick = <T>(random: () => number, from: readonly T[]): T => from[Math.floor(random() * from.length)] as T

function randomNames(random: () => number): readonly string[] {
  const word = (): string =>
    Array.from({length: 1 + Math.floor(random() * 4)}, () => pick(random, ['a', 'b', 'web', 'x1'])).join(pick(random, ['', '-', '.', '_']))
  const folders = ['', 'users/ann/', 'users/1/', 'users/', 'groups/ops/', 'apps/shop/', 'apps/7/', 'team/']
  return [...new Set(Array.from({length: 60}, () => `${pick(random, folders)}${word()}`))]
}

function randomText(random: () => number): string {
  return Array.from({length: 5}, () => pick(random, ['Web', 'server', 'a', 'ÄRGER', '百度网', '"x"', '100%', 'ab'])).join(' ')
}
