/** What search looks at is exactly what the access policy lets an account pull. */
import assert from 'node:assert/strict'
import {join} from 'node:path'
import {decide} from '../../../src/lib/access/decide.ts'
import {classifyPath, ROOT_OWNER} from '../../../src/lib/access/repository-path.ts'
import {PRIVILEGES} from '../../../src/lib/collector/objects.ts'
import {visibleIn} from '../../../src/lib/collector/search/visible.ts'
import {openCollectorStore} from '../../../src/lib/collector/sql/open.ts'
import type {CollectorStore} from '../../../src/lib/collector/store.ts'
import {type Account, standingOf} from '../../../src/lib/collector/subjects.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'

const FACTS = {
  service: 'lab',
  url: 'https://lab.example.com',
  insecure: false,
  restricted: true,
  tokenHeader: 'x5c',
  tokenLifeSeconds: 900,
} as const
const OWNERS = ['ann', 'bob', 'cleo', 'dan', 'gone', 'ops', 'team', 'other', 'shop', 'blog', 'both', 'none', 'ghost', '01']
const IDS = Array.from({length: 12}, (_, id) => String(id))

describe('what an account sees in a search', () => {
  let directory: TemporaryDirectory
  let store: CollectorStore

  before(async () => {
    directory = await createTemporaryDirectory('visible')
    store = await openCollectorStore({file: join(directory.path, 'collector.db')})
  })
  after(async () => {
    await store.close()
    await directory.remove()
  })

  it('is what the policy lets it pull: for every kind of path, account, group and app', async () => {
    const idOf = async (name: string): Promise<number> => (await store.findGroup(name))?.id ?? 0
    for (const name of ['ops', 'team', 'other', 'Upper']) await store.addGroup(name)
    const [ops, team, other, upper] = [await idOf('ops'), await idOf('team'), await idOf('other'), await idOf('Upper')]
    for (const [code, responsibles, publications] of [
      ['shop', [ops], []],
      ['blog', [], [ops, other]],
      ['both', [team], [ops]],
      ['none', [other], [other]],
    ] as const) {
      await store.updateApp((await store.addApp(code)).id, {responsibles, publications})
    }
    const privileges = await Promise.all(PRIVILEGES.map((name) => idOf(`DockerRegistries${name}`)))
    for (const [name, memberOf] of [
      ['ann', [ops, team, upper, ...privileges]],
      ['bob', [other, ...privileges]],
      ['Cleo', [ops, ...privileges]],
      ['dan', privileges],
      ['eve', [ops]],
    ] as const) {
      const {id} = await store.addUser({name, source: 'internal'})
      for (const group of memberOf) await store.addMember(group, id)
    }
    await store.addService({name: 'web', appId: (await store.findApp('blog'))?.id ?? 0, secretHash: 'x'})
    await store.updateUser((await store.addUser({name: 'gone', source: 'internal'})).id, {isDisabled: true})
    const accounts: readonly Account[] = [
      ...(await store.listUsers()).map((user): Account => ({kind: 'user', user})),
      ...(await store.listServices()).map((service): Account => ({kind: 'service', service})),
    ]
    const owned = ['users', 'groups', 'apps'].flatMap((folder) => [...OWNERS, ...IDS].map((owner) => `${folder}/${owner}/web`))
    const managed = await store.addManagedRegistry({name: 'lab', ...FACTS})
    let pullable = 0
    for (const publications of [[], [ops], [team, other]]) {
      for (const responsibles of [[], [ops], [other]]) {
        await store.updateManagedRegistry(managed.id, {publications, responsibles})
        for (const account of accounts) {
          const {owners} = await visibleIn(account, managed, store)
          const standing = await standingOf(account, managed, store)
          for (const name of ['base', 'team/base', 'users', 'users/1', ...owned]) {
            const path = classifyPath(name)
            const owner = path.kind === 'owned' ? `${path.class}/${path.owner}` : path.kind === 'other' ? ROOT_OWNER : path.kind
            const {granted} = decide('pull', standing.principal, standing.registry, await standing.resolve(name), standing.options)
            assert.equal(owners.includes(owner), granted, `${JSON.stringify(account)} ${name}`)
            if (granted) pullable++
          }
        }
      }
    }
    assert.ok(pullable > 200, String(pullable))
  }).timeout(60_000)
})
