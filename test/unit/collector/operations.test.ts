/** Operations of the collector over a store of their own, as different callers. */
import assert from 'node:assert/strict'
import {join} from 'node:path'
import fc from 'fast-check'
import type {Static, TObject, TSchema} from 'typebox'
import {withRights} from '../../../src/lib/accounts/rights.ts'
import {discoverRegistry} from '../../../src/lib/collector/api/access.ts'
import {deleteRepositories} from '../../../src/lib/collector/api/deletions.ts'
import {applyAll, exportAll} from '../../../src/lib/collector/api/document.ts'
import {listAudit, listEvents} from '../../../src/lib/collector/api/logs.ts'
import {type Caller, checkInput, type Operation} from '../../../src/lib/collector/api/operation.ts'
import {manageRegistry} from '../../../src/lib/collector/api/registries.ts'
import {restoreUser} from '../../../src/lib/collector/api/restore.ts'
import {runOperation} from '../../../src/lib/collector/api/run-operation.ts'
import {changePassword, removeUser, updateUser} from '../../../src/lib/collector/api/users.ts'
import type {CollectorDocument} from '../../../src/lib/collector/document/document.ts'
import {admitByDirectories} from '../../../src/lib/collector/foreign-accounts.ts'
import type {ManagedRepository} from '../../../src/lib/collector/managed-repository.ts'
import {createSecretMaker} from '../../../src/lib/collector/secret-maker.ts'
import {openCollectorStore} from '../../../src/lib/collector/sql/open.ts'
import type {CollectorStore} from '../../../src/lib/collector/store.ts'
import {type ErrorCode, HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import {Secret} from '../../../src/lib/core/secret.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {parseRepositoryName, parseTag} from '../../../src/lib/oci/reference.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'

const MACHINE: Caller = {kind: 'machine'}
const RIGHT = 'the current one'

describe('operations of a collector', function () {
  this.timeout(60_000)
  let directory: TemporaryDirectory
  let store: CollectorStore
  let count = 0

  before(async () => {
    directory = await createTemporaryDirectory('operations')
  })
  after(() => directory.remove())
  beforeEach(async () => {
    store = await openCollectorStore({file: join(directory.path, `${count++}.db`)})
  })
  afterEach(() => store.close())

  async function run<Input extends TObject, Output extends TSchema>(
    operation: Operation<Input, Output>,
    input: Static<Input>,
    caller: Caller = MACHINE,
    over = store,
  ): Promise<Static<Output>> {
    const provePassword = async (_name: string, password: Secret): Promise<void> => {
      if (password.reveal() !== RIGHT) throw new HoldfastError('UNAUTHENTICATED', 'wrong')
    }
    const call = {store: over, secrets: createSecretMaker(), now: () => new Date(), caller, provePassword}
    return await runOperation(operation, checkInput(operation, input), call, {requestId: 'r', address: '192.0.2.1'})
  }

  async function as(name: string): Promise<Caller> {
    const user = await store.findUser(name)
    assert.ok(user)
    return {kind: 'user', user}
  }

  const rejects = (work: Promise<unknown>, code: ErrorCode, hint?: RegExp) =>
    assert.rejects(work, (error) => hasCode(error, code) && (hint === undefined || error.hints.some((line) => hint.test(line))))

  async function addUser(name: string, groups: readonly string[] = [], privileges: readonly string[] = []): Promise<number> {
    const {id} = await store.addUser({name, source: 'internal'})
    for (const group of groups) {
      const known = (await store.findGroup(group)) ?? (await store.addGroup(group))
      await store.addMember(known.id, id)
    }
    for (const privilege of privileges) await store.addMember((await store.findGroup(`DockerRegistries${privilege}`))?.id ?? 0, id)
    return id
  }

  const lab = {name: 'lab', url: 'https://lab.example.com'}

  describe('registry manage', () => {
    it('gives a new registry to the primary group alone, whatever its name', async () => {
      await addUser('ann', ['a', 'ops'], ['Manager'])
      await run(updateUser, {name: 'ann', primaryGroup: 'ops'})
      const managed = await run(manageRegistry, lab, await as('ann'))
      assert.partialDeepStrictEqual(managed, {responsibles: ['ops'], publications: ['ops'], restricted: true})
    })

    it('guesses no group for a user with several, and names the fix', async () => {
      await addUser('ann', ['a', 'ops'], ['Manager'])
      await rejects(run(manageRegistry, lab, await as('ann')), 'USAGE', /user update ann --primary-group a/)
      assert.deepEqual(await store.listManagedRegistries(), [])
      const named = {...lab, responsibles: ['ops'], publications: ['a']}
      assert.partialDeepStrictEqual(await run(manageRegistry, named, await as('ann')), {responsibles: ['ops'], publications: ['a']})
    })

    it('is refused to a manager without groups, who could not change the registry again', async () => {
      await addUser('ann', [], ['Manager'])
      await rejects(run(manageRegistry, lab, await as('ann')), 'USAGE', /group add-member GROUP ann/)
      assert.deepEqual(await store.listManagedRegistries(), [])
    })

    it('takes the only group of a user', async () => {
      await addUser('ann', ['ops'], ['Manager'])
      assert.partialDeepStrictEqual(await run(manageRegistry, lab, await as('ann')), {responsibles: ['ops'], publications: ['ops']})
    })
  })

  it('make a primary group only of a group that the user is in', async () => {
    await addUser('ann', ['a'])
    await store.addGroup('ops')
    await rejects(run(updateUser, {name: 'ann', primaryGroup: 'ops'}), 'USAGE', /group add-member ops ann/)
  })

  describe('a user', () => {
    it('changes the own password with the current one, which ends what was given out for it', async () => {
      const id = await addUser('ann')
      await addUser('bob')
      const expiresAt = '9999-12-31T00:00:00.000Z'
      await store.addSession({tokenHash: 's', userId: id, expiresAt})
      await store.addRefreshToken({tokenHash: 't', subject: {kind: 'user', id}, service: 's', client: 'c', expiresAt})
      const change = async (name: string, currentPassword?: string) =>
        await run(
          changePassword,
          {name, password: 'a new password', ...(currentPassword === undefined ? {} : {currentPassword})},
          await as('ann'),
        )
      await rejects(change('ann'), 'DENIED')
      await rejects(change('ann', 'wrong'), 'DENIED')
      await rejects(change('bob', RIGHT), 'DENIED')
      assert.equal(await store.findPasswordHash(id), undefined)
      assert.deepEqual(await change('ann', RIGHT), {changed: 'ann'})
      assert.match((await store.findPasswordHash(id)) ?? '', /^\$argon2/)
      assert.deepEqual([await store.findSession('s'), await store.findRefreshToken('t')], [undefined, undefined])
      const {entries} = await run(listAudit, {})
      assert.ok(!JSON.stringify(entries).includes('a new password') && !JSON.stringify(entries).includes(RIGHT))
    })

    it('of a directory has no password here', async () => {
      await store.addUser({name: 'dir', source: 'corp'})
      await rejects(run(changePassword, {name: 'dir', password: 'a new password', currentPassword: RIGHT}, await as('dir')), 'USAGE')
    })
  })

  describe('managers', () => {
    it('run the registries that they are responsible for, and no others', async () => {
      await addUser('ann', ['ops'], ['Manager'])
      await addUser('bob', ['ops'])
      await addUser('eve', ['others'], ['Manager'])
      await run(manageRegistry, lab, await as('ann'))
      await rejects(run(discoverRegistry, {name: 'lab'}, await as('ann')), 'UNSUPPORTED')
      await rejects(run(discoverRegistry, {name: 'lab'}, await as('bob')), 'DENIED')
      await rejects(run(discoverRegistry, {name: 'lab'}, await as('eve')), 'OBJECT_NOT_FOUND')
    })

    it('see the events of their registries, and users those of their own repositories', async () => {
      await addUser('ann', ['ops'], ['Manager'])
      const bob = await addUser('bob', ['team'])
      await addUser('eve', ['others'], ['Manager'])
      await run(manageRegistry, lab, await as('ann'))
      const shop = await store.addApp('shop')
      await store.updateApp(shop.id, {responsibles: [(await store.findGroup('team'))?.id ?? 0]})
      const repositories = ['base', 'users/bob/x', `users/${bob}/x`, 'groups/team/x', 'apps/shop/x', 'users/bobby/x']
      const registry = await store.findManagedRegistry({name: 'lab'})
      const events = repositories.map((repository) => ({
        eventId: repository,
        action: 'push',
        repository,
        occurredAt: '2026-01-01T00:00:00Z',
      }))
      await store.appendEvents(registry?.id ?? 0, events, new Map())
      const seenBy = async (name: string) => (await run(listEvents, {}, await as(name))).events.map(({repository}) => repository)
      assert.deepEqual(await seenBy('ann'), repositories)
      assert.deepEqual(await seenBy('bob'), repositories.slice(1, 5))
      assert.deepEqual(await seenBy('eve'), [])
    })
  })

  it('delete an image of thousands of tags, and write down each, as the user who did it', async () => {
    const bob = await addUser('bob')
    await addUser('mia', ['ops'], ['Manager'])
    await run(manageRegistry, lab, await as('mia'))
    const digest = digestOf(Buffer.from('image'))
    let tags = Array.from({length: 3000}, (_, number) => parseTag(`v${number}`))
    const openRepository = async (): Promise<ManagedRepository> => ({
      listTags: async () => tags.map((tag) => ({tag, digest, siblings: []})),
      sizesOf: async () => new Map(),
      deleteTag: async () => assert.fail('a tag was deleted alone'),
      deleteImage: async () => {
        tags = []
      },
    })
    const input = {registry: 'lab', repositories: ['users/bob/x']}
    const call = {store, secrets: createSecretMaker(), now: () => new Date(), caller: await as('mia'), openRepository}
    const {deleted} = await runOperation(deleteRepositories, input, call, {requestId: 'r', address: '192.0.2.1'})
    assert.equal(deleted[0]?.tags.length, 3000)
    const {events} = await run(listEvents, {limit: 1000, action: 'delete'}, await as('bob'))
    assert.deepEqual([events.length, events[0]?.actor, bob > 0], [1000, 'mia', true])
  })

  it('keep what a registry refuses to delete, and leave the other repositories of the request', async () => {
    await run(manageRegistry, lab)
    const digest = digestOf(Buffer.from('image'))
    const registry = await store.findManagedRegistry({name: 'lab'})
    for (const repository of ['a', 'b'].map(parseRepositoryName)) await store.expectRepository(registry?.id ?? 0, repository)
    const openRepository = async (_: unknown, repository: string): Promise<ManagedRepository> => {
      let tags = [parseTag('v1')]
      return {
        listTags: async () => tags.map((tag) => ({tag, digest, siblings: []})),
        sizesOf: async () => new Map(),
        deleteTag: async () => assert.fail('a tag was deleted alone'),
        async deleteImage() {
          if (repository === 'a') throw new HoldfastError('UNSUPPORTED', 'cannot delete: it is switched off')
          tags = []
        },
      }
    }
    const call = {store, secrets: createSecretMaker(), now: () => new Date(), caller: MACHINE, openRepository}
    const input = {registry: 'lab', repositories: ['a', 'b']}
    const {deleted, failures} = await runOperation(deleteRepositories, input, call, {requestId: 'r', address: '-'})
    assert.deepEqual([deleted.map(({repository}) => repository), failures.map(({error}) => error.code)], [['b'], ['UNSUPPORTED']])
    const left = await store.listRepositories(registry?.id ?? 0)
    assert.deepEqual(
      left.map(({name}) => name),
      ['a'],
    )
  })

  it('restore a user for administrators alone, which is audited', async () => {
    const id = await addUser('ann', ['ops'], ['Puller'])
    await addUser('bob')
    await run(removeUser, {name: 'ann'})
    await rejects(run(restoreUser, {name: 'ann'}, await as('bob')), 'DENIED')
    assert.deepEqual(await run(restoreUser, {name: 'ann'}), {restored: 'ann', id})
    assert.partialDeepStrictEqual(await store.findUser(id), {name: 'ann', groups: ['ops'], privileges: ['Puller']})
    await rejects(run(restoreUser, {name: 'ann'}), 'OBJECT_NOT_FOUND', /collector removed/)
    const {entries} = await run(listAudit, {})
    assert.deepEqual(
      entries.map(({principal, action, outcome}) => `${principal} ${action} ${outcome}`),
      ['#machine user.remove granted', 'bob user.restore refused', '#machine user.restore granted', '#machine user.restore failed'],
    )
  })

  describe('a document', () => {
    const apply = (document: CollectorDocument, more: object = {}) => run(applyAll, {document, ...more})
    const list = ({changes}: Awaited<ReturnType<typeof apply>>) => changes.map(({action, kind, name}) => `${action} ${kind} ${name}`)

    it('is applied as a whole or not at all, and a dry run finds the same errors', async () => {
      const broken: CollectorDocument = {groups: ['ops'], users: [{name: 'ann', groups: ['ops', 'missing']}]}
      for (const isDryRun of [true, false]) await rejects(apply(broken, {isDryRun}), 'OBJECT_NOT_FOUND')
      for (const isDryRun of [true, false]) await rejects(apply({groups: ['ops', 'OPS']}, {isDryRun}), 'CONFLICT')
      for (const isDryRun of [true, false]) await rejects(apply({users: [{name: 'ann'}, {name: 'ann'}]}, {isDryRun}), 'USAGE')
      for (const isDryRun of [true, false]) await rejects(apply({users: [{name: 'web@service'}]}, {isDryRun}), 'USAGE')
      for (const isDryRun of [true, false]) await rejects(apply({services: [{name: 'web', app: 'shop'}]}, {isDryRun}), 'OBJECT_NOT_FOUND')
      assert.partialDeepStrictEqual(await run(exportAll, {}), {groups: [], users: []})
      const planned = await apply({groups: ['ops'], users: [{name: 'ann', groups: ['ops']}]}, {isDryRun: true})
      assert.deepEqual(list(planned), ['add group ops', 'add user ann'])
      assert.partialDeepStrictEqual(await run(exportAll, {}), {groups: [], users: []})
    })

    it('is refused when the collector is no longer as it was planned for', async () => {
      const document: CollectorDocument = {groups: ['ops']}
      const {state} = await apply(document, {isDryRun: true})
      await addUser('ann')
      assert.deepEqual(list(await apply(document, {expectedState: state})), ['add group ops'])
      await rejects(apply({groups: ['dev']}, {expectedState: state}), 'CONFLICT', /--save-plan/)
      assert.equal(await store.findGroup('dev'), undefined)
    })

    it('restores what was removed, with the rights that it names alone', async () => {
      const id = await addUser('ann', ['ops'], ['Manager'])
      await store.updateUser(id, {isAdministrator: true, passwordHash: 'h'})
      const group = (await store.findGroup('ops'))?.id
      const before = await run(exportAll, {})
      assert.deepEqual(list(await apply({groups: [], users: []}, {prune: true})), ['remove user ann', 'remove group ops'])
      const restored = await apply(before)
      assert.deepEqual(list(restored), ['restore group ops', 'restore user ann'])
      assert.deepEqual(await run(exportAll, {}), before)
      assert.deepEqual([(await store.findUser('ann'))?.id, (await store.findGroup('ops'))?.id], [id, group])
      assert.equal(await store.findPasswordHash(id), undefined)
      await run(removeUser, {name: 'ann'})
      await apply({users: [{name: 'ann'}]})
      assert.partialDeepStrictEqual(await store.findUser('ann'), {id, groups: [], privileges: [], isAdministrator: false})
    })

    it('keeps ids in an empty collector, since they stand in paths, and takes none from another object', async () => {
      const document: CollectorDocument = {
        ids: {users: {ann: 9, bob: 4}, groups: {ops: 12}, apps: {shop: 5}},
        groups: ['ops'],
        users: [{name: 'ann', groups: ['ops']}, {name: 'bob'}],
        apps: [{code: 'shop', responsibles: ['ops']}],
      }
      await apply(document)
      const idsNow = async () => [
        ...(await Promise.all(['ann', 'bob'].map((name) => store.findUser(name)))).map((user) => user?.id),
        (await store.findGroup('ops'))?.id,
        (await store.findApp('shop'))?.id,
      ]
      assert.deepEqual(await idsNow(), [9, 4, 12, 5])
      await apply({ids: {users: {eve: 4, ann: 40}}, users: [{name: 'eve'}, {name: 'ann', groups: []}]})
      assert.deepEqual([(await store.findUser('eve'))?.id, (await store.findUser('ann'))?.id], [10, 9])
    })

    it('that was exported makes an empty collector the same', async () => {
      const groupNames = ['a', 'b', 'c d', 'e']
      const groups = fc.subarray(groupNames)
      const user = (name: string) =>
        fc.record(
          {
            name: fc.constant(name),
            email: fc.constant(`${name}@example.com`),
            source: fc.constantFrom('internal', 'corp'),
            subject: fc.constant(`id of ${name}`),
            groups,
            privileges: fc.subarray(['Manager', 'Pusher', 'Puller'] as const),
            administrator: fc.boolean(),
            disabled: fc.boolean(),
          },
          {requiredKeys: ['name']},
        )
      const repository = fc.record(
        {
          registry: fc.constant('lab'),
          name: fc.constantFrom('base', 'users/ann/x', 'apps/shop/web'),
          description: fc.string({maxLength: 20}),
          official: fc.boolean(),
          automated: fc.boolean(),
          stars: fc.subarray(['ann', 'bob']),
        },
        {requiredKeys: ['registry', 'name']},
      )
      const documents = fc.record({
        policy: fc.constantFrom('public' as const, 'private' as const),
        responsibleSees: fc.boolean(),
        users: fc.tuple(user('ann'), user('bob')),
        app: fc.record({responsibles: groups, publications: groups}),
        disabled: fc.boolean(),
        registry: fc.record({restricted: fc.boolean(), insecure: fc.boolean(), publications: groups, responsibles: groups}),
        repositories: fc.uniqueArray(repository, {selector: ({name}) => name}),
      })
      await fc.assert(
        fc.asyncProperty(documents, async ({policy, responsibleSees, users, app, disabled, registry, repositories}) => {
          const [one, other] = await Promise.all([1, 2].map(() => openCollectorStore({file: join(directory.path, `${count++}.db`)})))
          assert.ok(one && other)
          try {
            const document = {
              policy,
              responsibleSees,
              groups: groupNames,
              users: users.map((entry) => ({...entry, ...(entry.groups?.[0] === undefined ? {} : {primaryGroup: entry.groups[0]})})),
              apps: [{code: 'shop', ...app}],
              services: [{name: 'web', app: 'shop', disabled}],
              registries: [{...lab, ...registry}],
              repositories,
            }
            await run(applyAll, {document}, MACHINE, one)
            // A registry that has proven itself is exported like any other: the next collector asks for a proof of its own.
            const known = await one.findManagedRegistry({name: lab.name})
            assert.ok(known !== undefined)
            await one.markProven(known, '2026-01-01T00:00:00.000Z')
            const exported = await run(exportAll, {}, MACHINE, one)
            assert.deepEqual((await run(applyAll, {document: exported, prune: true}, MACHINE, one)).changes, [])
            await run(applyAll, {document: exported}, MACHINE, other)
            assert.deepEqual(await run(exportAll, {}, MACHINE, other), exported)
            const told = users[0]?.administrator
            assert.equal(exported.users?.[0]?.administrator, told ?? false)
          } finally {
            await Promise.all([one.close(), other.close()])
          }
        }),
        {numRuns: 25},
      )
    })
  })

  it('give the people of a directory the rights of their groups at each login, and leave what no rule is about', async () => {
    let groups = ['devs', 'admins']
    const rules = [
      {group: 'devs', privileges: ['Pusher'], isAdministrator: false},
      {group: 'admins', privileges: [], isAdministrator: true},
    ]
    const corp = withRights({name: 'corp', verify: async (name) => ({name, groups})}, rules)
    const login = () => admitByDirectories(store, [corp], 'dir', new Secret('x'))
    const account = await login()
    assert.partialDeepStrictEqual(account, {user: {name: 'dir', privileges: ['Pusher'], isAdministrator: true}})
    const user = await store.findUser('dir')
    await store.addMember((await store.findGroup('DockerRegistriesPuller'))?.id ?? 0, user?.id ?? 0)
    groups = []
    assert.partialDeepStrictEqual(await login(), {user: {privileges: ['Puller'], isAdministrator: false}})
  })
})
