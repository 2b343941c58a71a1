/** What every implementation of the CollectorStore port must do. */
import assert from 'node:assert/strict'
import {hashPassword} from '../../src/lib/accounts/password.ts'
import {withRights} from '../../src/lib/accounts/rights.ts'
import {admitByDirectories} from '../../src/lib/collector/foreign-accounts.ts'
import {createAccountAuthenticator} from '../../src/lib/collector/local-token-service.ts'
import type {CollectorStore} from '../../src/lib/collector/store.ts'
import {HoldfastError, hasCode} from '../../src/lib/core/errors.ts'
import {Secret} from '../../src/lib/core/secret.ts'
import type {Sighting} from '../../src/lib/discovery/sweep-ports.ts'
import type {IndexChange} from '../../src/lib/events/index-changes.ts'
import {digestOf} from '../../src/lib/oci/digest.ts'
import {parseRepositoryName, parseTag} from '../../src/lib/oci/reference.ts'

const WEB = parseRepositoryName('apps/shop/web')
const BASE = parseRepositoryName('base')
const FAR = '9999-12-31T00:00:00.000Z'
const PAST = '2001-01-01T00:00:00.000Z'

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

const pushed = (tag: string, content: string, repository = WEB): IndexChange => ({
  kind: 'tag-set',
  at: PAST,
  repository,
  tag: parseTag(tag),
  digest: digestOf(Buffer.from(content)),
  mediaType: OCI_MANIFEST,
})

const seen = (
  seenAt: string,
  learnt: readonly (readonly [tag: string, content: string])[],
  present: readonly string[] = [],
  repository = WEB,
): Sighting => ({
  repository,
  seenAt,
  learnt: learnt.map(([tag, content]) => ({
    tag: parseTag(tag),
    digest: digestOf(Buffer.from(content)),
    mediaType: OCI_MANIFEST,
    askedAt: seenAt,
  })),
  present: present.map(parseTag),
})

export function collectorStoreContract(open: () => Promise<CollectorStore>): void {
  let store: CollectorStore

  beforeEach(async () => {
    store = await open()
  })
  afterEach(() => store.close())

  const addUser = (name: string) => store.addUser({name, source: 'internal', passwordHash: `hash of ${name}`})
  const addRegistry = (name: string) =>
    store.addManagedRegistry({
      name,
      service: `${name}.example.com`,
      url: `https://${name}.example.com`,
      insecure: false,
      restricted: true,
      tokenHeader: 'x5c',
      tokenLifeSeconds: 900,
    })
  const rejects = (work: Promise<unknown>, code: 'CONFLICT') => assert.rejects(work, (error) => hasCode(error, code))

  describe('users', () => {
    it('are found by name and by id, with what they are', async () => {
      const ann = await store.addUser({name: 'ann', email: 'ann@example.com', source: 'internal', passwordHash: 'h', isAdministrator: true})
      assert.deepEqual(await store.findUser('ann'), ann)
      assert.deepEqual(await store.findUser(ann.id), ann)
      assert.partialDeepStrictEqual(ann, {name: 'ann', email: 'ann@example.com', isAdministrator: true, isDisabled: false, groups: []})
      assert.equal(await store.findPasswordHash(ann.id), 'h')
      assert.equal(await store.findUser('Ann'), undefined)
      assert.equal(await store.findUser('bob'), undefined)
    })

    it('have names that nobody else has, whatever their case, not after a removal either', async () => {
      const ann = await addUser('ann')
      await rejects(addUser('ann'), 'CONFLICT')
      await rejects(addUser('ANN'), 'CONFLICT')
      await store.removeUser(ann.id)
      assert.equal(await store.findUser('ann'), undefined)
      await rejects(addUser('ann'), 'CONFLICT')
      const bob = await addUser('bob')
      assert.ok(bob.id > ann.id, 'an id was given twice')
    })

    it('change in what is named and stay in what is not', async () => {
      const ann = await addUser('ann')
      await store.updateUser(ann.id, {isDisabled: true})
      await store.updateUser(ann.id, {email: 'a@example.com'})
      await store.updateUser(ann.id, {})
      assert.partialDeepStrictEqual(await store.findUser('ann'), {isDisabled: true, email: 'a@example.com', isAdministrator: false})
    })

    it('are held to the person of their directory who came first', async () => {
      const [ann, bob] = [await addUser('ann'), await addUser('bob')]
      assert.equal(await store.bindSubject(ann.id, 'id-1'), true)
      assert.equal(await store.bindSubject(ann.id, 'id-1'), true)
      assert.equal(await store.bindSubject(ann.id, 'id-2'), false)
      assert.equal(await store.bindSubject(ann.id, 'id-1'), true)
      assert.equal(await store.bindSubject(bob.id, 'id-2'), true)
    })

    it('have the groups that a directory says, made when they are missing, and keep their privileges', async () => {
      const ann = await addUser('ann')
      const manager = await store.findGroup('DockerRegistriesManager')
      assert.ok(manager)
      await store.addMember(manager.id, ann.id)
      await store.addGroup('ops')
      await store.replaceGroups(ann.id, ['ops', 'dev'])
      assert.partialDeepStrictEqual(await store.findUser('ann'), {groups: ['dev', 'ops'], privileges: ['Manager']})
      await store.replaceGroups(ann.id, ['DEV'])
      assert.deepEqual((await store.findUser('ann'))?.groups, ['dev'])
      await store.replaceGroups(ann.id, ['DockerRegistriesPusher'])
      assert.partialDeepStrictEqual(await store.findUser('ann'), {groups: [], privileges: ['Manager']})
      const gone = await store.addGroup('gone')
      await store.removeGroup(gone.id)
      await store.replaceGroups(ann.id, ['Gone'])
      assert.deepEqual((await store.findUser('ann'))?.groups, [], 'the name of a group that was removed is given again')
      const qa = await store.addGroup('qa')
      await store.replaceGroups(ann.id, ['qa', 'Gone', 'DockerRegistriesPusher'])
      await store.updateUser(ann.id, {primaryGroupId: qa.id})
      await store.replaceGroups(ann.id, ['QA', 'Gone', 'DockerRegistriesPusher'])
      assert.partialDeepStrictEqual(await store.findUser('ann'), {groups: ['qa'], primaryGroup: 'qa'})
      await store.replaceGroups(ann.id, [])
      assert.equal((await store.findUser('ann'))?.primaryGroup, undefined)
      assert.deepEqual((await store.groupsOfUser(ann.id)).size, 0)
    })
  })

  describe('logins of one user of a directory', () => {
    it('at the same time all succeed, whatever groups the directory says', async () => {
      const rules = [{group: 'ops', privileges: ['Pusher', 'Puller'], isAdministrator: true}]
      const corp = withRights({name: 'corp', verify: async (name) => ({name, groups: ['ops', 'dev', 'qa']})}, rules)
      const logins = await Promise.all(Array.from({length: 30}, () => admitByDirectories(store, [corp], 'dir', new Secret('x'))))
      for (const account of logins) assert.partialDeepStrictEqual(account, {user: {name: 'dir', isAdministrator: true}})
      assert.deepEqual((await store.findUser('dir'))?.groups, ['dev', 'ops', 'qa'])
      const id = (await store.findUser('dir'))?.id ?? 0
      const lists = [['ops', 'dev'], ['qa'], ['new', 'dev', 'qa'], []]
      await Promise.all(Array.from({length: 40}, (_, index) => store.replaceGroups(id, lists[index % lists.length] ?? [])))
      await store.replaceGroups(id, ['ops'])
      assert.deepEqual((await store.findUser('dir'))?.groups, ['ops'])
    })
  })

  describe('groups', () => {
    it('are the three privileges at first, and those that are added', async () => {
      await store.addGroup('ops')
      assert.deepEqual(
        (await store.listGroups()).map(({name, kind}) => [name, kind]),
        [
          ['DockerRegistriesManager', 'privilege'],
          ['DockerRegistriesPuller', 'privilege'],
          ['DockerRegistriesPusher', 'privilege'],
          ['ops', 'organisational'],
        ],
      )
      await rejects(store.addGroup('OPS'), 'CONFLICT')
    })

    it('have members, once each', async () => {
      const [ops, ann] = [await store.addGroup('ops'), await addUser('ann')]
      assert.equal(await store.addMember(ops.id, ann.id), true)
      assert.equal(await store.addMember(ops.id, ann.id), false)
      assert.deepEqual((await store.findGroup('ops'))?.members, ['ann'])
      assert.deepEqual([...(await store.groupsOfUser(ann.id))], [ops.id])
      assert.equal(await store.removeMember(ops.id, ann.id), true)
      assert.equal(await store.removeMember(ops.id, ann.id), false)
    })

    it('go with what was published to them, and their names are not given again', async () => {
      const [ops, app] = [await store.addGroup('ops'), await store.addApp('shop')]
      await store.updateApp(app.id, {publications: [ops.id]})
      await store.removeGroup(ops.id)
      assert.deepEqual((await store.findApp('shop'))?.publications, [])
      await rejects(store.addGroup('Ops'), 'CONFLICT')
    })
  })

  describe('apps and services', () => {
    it('have groups by role', async () => {
      const [ops, dev, app] = [await store.addGroup('ops'), await store.addGroup('dev'), await store.addApp('shop')]
      await store.updateApp(app.id, {responsibles: [ops.id], publications: [ops.id, dev.id, dev.id]})
      assert.deepEqual(await store.findApp('shop'), {id: app.id, code: 'shop', responsibles: ['ops'], publications: ['dev', 'ops']})
      await store.updateApp(app.id, {publications: []})
      assert.deepEqual(await store.findApp(app.id), {id: app.id, code: 'shop', responsibles: ['ops'], publications: []})
      const {publications, responsibles} = await store.groupsOfApp(app.id)
      assert.deepEqual([[...publications], [...responsibles]], [[], [ops.id]])
      await store.addApp('blog')
      assert.deepEqual(
        (await store.listApps()).map(({code}) => code),
        ['blog', 'shop'],
      )
    })

    it('stand and fall together', async () => {
      const app = await store.addApp('shop')
      const web = await store.addService({name: 'web', appId: app.id, secretHash: 'one'})
      await rejects(store.addService({name: 'web', appId: app.id, secretHash: 'two'}), 'CONFLICT')
      assert.partialDeepStrictEqual(web, {name: 'web', app: 'shop', isDisabled: false})
      await store.updateService(web.id, {secretHash: 'three', isDisabled: true})
      assert.equal(await store.findSecretHash(web.id), 'three')
      assert.equal((await store.findService('web'))?.isDisabled, true)
      await store.removeApp(app.id)
      assert.deepEqual(await store.listServices(), [])
      await rejects(store.addApp('shop'), 'CONFLICT')
    })
  })

  describe('managed registries', () => {
    it('are found by name and by service, and change in what is named', async () => {
      const lab = await addRegistry('lab')
      await rejects(addRegistry('lab'), 'CONFLICT')
      const ops = await store.addGroup('ops')
      await store.updateManagedRegistry(lab.id, {restricted: false, responsibles: [ops.id], eventsSecretHash: 'h'})
      const found = await store.findManagedRegistry({service: 'lab.example.com'})
      assert.deepEqual(found, {...lab, restricted: false, responsibles: ['ops']})
      assert.deepEqual(await store.findManagedRegistry({name: 'lab'}), found)
      assert.equal(await store.findEventsSecretHash(lab.id), 'h')
      assert.deepEqual([...(await store.groupsOfRegistry(lab.id)).responsibles], [ops.id])
      await store.removeManagedRegistry(lab.id)
      assert.deepEqual(await store.listManagedRegistries(), [])
    })

    const facts = {insecure: false, restricted: true, tokenHeader: 'x5c', tokenLifeSeconds: 900} as const

    it('have places and services of their own, and say which of them is taken; the registry of serve takes no place', async () => {
      await addRegistry('lab')
      const conflict = (reason: string) => (error: unknown) => hasCode(error, 'CONFLICT') && error.message.endsWith(reason)
      const url = 'http://LAB.example.com:80'
      await assert.rejects(
        store.addManagedRegistry({...facts, name: 'two', service: 'two', url}),
        conflict(`cannot add registry "two": another registry is at "${url}"`),
      )
      await assert.rejects(
        store.addManagedRegistry({...facts, name: 'two', service: 'lab.example.com', url: 'https://two.example.com'}),
        conflict('cannot add registry "two": another registry has the service "lab.example.com"'),
      )
      const two = await store.addManagedRegistry({...facts, name: 'two', service: 'two', url: 'https://two.example.com'})
      await assert.rejects(
        store.updateManagedRegistry(two.id, {url}),
        conflict(`cannot change registry "two": another registry is at "${url}"`),
      )
      await store.addManagedRegistry({...facts, name: 'embedded', service: 'embedded', url})
    })

    it('are proven until their URL or service changes, and not by a proof of what was there before', async () => {
      const lab = await addRegistry('lab')
      const provenAt = async () => (await store.findManagedRegistry({name: 'lab'}))?.provenAt
      await store.markProven(lab, PAST)
      assert.equal(await provenAt(), PAST)
      await store.updateManagedRegistry(lab.id, {restricted: false, url: lab.url})
      assert.equal(await provenAt(), PAST)
      await store.updateManagedRegistry(lab.id, {service: 'another'})
      assert.equal(await provenAt(), undefined)
      await store.markProven(lab, PAST)
      assert.equal(await provenAt(), undefined)
    })
  })

  describe('what was removed', () => {
    it('is restored under its name and id, with what it belonged to, and without its secrets', async () => {
      const [ops, dev, app, lab] = [
        await store.addGroup('ops'),
        await store.addGroup('dev'),
        await store.addApp('shop'),
        await addRegistry('lab'),
      ]
      await addUser('first')
      const ann = await addUser('Ann')
      await store.updateUser(ann.id, {email: 'a@example.com', isAdministrator: true, primaryGroupId: ops.id})
      await store.bindSubject(ann.id, 'id-1')
      for (const group of [ops, dev]) await store.addMember(group.id, ann.id)
      await store.updateApp(app.id, {responsibles: [ops.id], publications: [dev.id]})
      await store.updateManagedRegistry(lab.id, {responsibles: [ops.id], eventsSecretHash: 'h'})
      const web = await store.addService({name: 'web', appId: app.id, secretHash: 'one'})
      await store.applyIndexChanges(lab.id, [pushed('v1', 'one')])
      await store.star((await store.findRepository(lab.id, WEB))?.id ?? 0, ann.id)
      const before = {
        user: await store.findUser(ann.id),
        app: await store.findApp(app.id),
        service: await store.findService('web'),
        registry: await store.findManagedRegistry({name: 'lab'}),
      }
      await store.removeUser(ann.id)
      assert.equal((await store.findRepository(lab.id, WEB))?.stars, 0)
      assert.partialDeepStrictEqual(await store.listRemoved(), [{kind: 'user', name: 'Ann', id: ann.id}])
      assert.equal(await store.restoreRemoved('user', 'ann'), true)
      assert.equal((await store.findRepository(lab.id, WEB))?.stars, 1)
      await store.removeGroup(ops.id)
      assert.equal((await store.findUser(ann.id))?.primaryGroup, undefined)
      assert.equal(await store.restoreRemoved('group', 'ops'), true)
      assert.equal((await store.findGroup('ops'))?.id, ops.id)
      await store.updateUser(ann.id, {primaryGroupId: ops.id})
      await store.removeApp(app.id)
      await assert.rejects(store.restoreRemoved('service', 'web'), (error) => hasCode(error, 'CONFLICT'))
      assert.equal(await store.restoreRemoved('app', 'shop'), true)
      assert.equal(await store.restoreRemoved('service', 'web'), true)
      await store.removeManagedRegistry(lab.id)
      assert.equal(await store.restoreRemoved('registry', 'lab'), true)
      assert.deepEqual(
        {
          user: await store.findUser(ann.id),
          app: await store.findApp(app.id),
          service: await store.findService('web'),
          registry: await store.findManagedRegistry({name: 'lab'}),
        },
        before,
      )
      assert.equal(await store.findPasswordHash(ann.id), undefined)
      assert.notEqual(await store.findSecretHash(web.id), 'one')
      assert.equal(await store.findEventsSecretHash(lab.id), undefined)
      assert.deepEqual(await store.listRemoved(), [])
      assert.equal(await store.restoreRemoved('user', 'ann'), false)
      assert.equal(await store.restoreRemoved('user', 'never'), false)
      assert.ok((await addUser('next')).id > ann.id)
    })

    it('comes back without groups that are gone, and not over another one', async () => {
      const [ops, ann] = [await store.addGroup('ops'), await addUser('ann')]
      await store.addMember(ops.id, ann.id)
      await store.removeUser(ann.id)
      await store.removeGroup(ops.id)
      await store.restoreRemoved('user', 'ann')
      assert.deepEqual((await store.findUser('ann'))?.groups, [])
      const lab = await addRegistry('lab')
      await store.removeManagedRegistry(lab.id)
      await addRegistry('lab')
      await rejects(store.restoreRemoved('registry', 'lab'), 'CONFLICT')
      assert.partialDeepStrictEqual(await store.listRemoved(), [
        {kind: 'group', name: 'ops'},
        {kind: 'registry', name: 'lab', id: lab.id},
      ])
    })
  })

  it('ids of another collector are kept where they cannot be another object’s', async () => {
    const ids = async (work: Promise<{readonly id: number}>): Promise<number> => (await work).id
    assert.equal(await ids(store.addUser({name: 'ann', source: 'internal', id: 7})), 7)
    assert.equal(await ids(addUser('bob')), 8)
    const eve = await ids(store.addUser({name: 'eve', source: 'internal', id: 5}))
    assert.ok(eve > 8, 'the id may have been that of a user who was removed')
    await store.removeUser(eve)
    assert.notEqual(await ids(store.addUser({name: 'max', source: 'internal', id: eve})), eve)
    assert.equal(await ids(store.addGroup('ops', 20)), 20)
    assert.equal(await ids(store.addGroup('dev')), 21)
    assert.equal(await ids(store.addApp('shop', 3)), 3)
    assert.equal(await ids(store.addApp('blog', 3)), 4)
  })

  describe('a transaction', () => {
    it('does all of its work or none, whatever it calls', async () => {
      const failure = new Error('given up')
      const work = store.transaction(async (inner) => {
        await inner.addGroup('ops')
        await inner.transaction((innermost) => innermost.addApp('shop'))
        await inner.replaceDocument('settings', undefined, '{}')
        throw failure
      })
      await assert.rejects(work, failure)
      assert.deepEqual(
        [await store.findGroup('ops'), await store.findApp('shop'), await store.readDocument('settings')],
        [undefined, undefined, undefined],
      )
      await store.transaction(async (inner) => {
        const {id} = await inner.addGroup('ops')
        await inner.updateApp((await inner.addApp('shop')).id, {responsibles: [id]})
      })
      assert.deepEqual((await store.findApp('shop'))?.responsibles, ['ops'])
    })

    it('sees nothing of another one that runs at the same time, and is begun again when that one was in its way', async () => {
      const ann = await addUser('ann')
      await store.replaceDocument('count', undefined, '0')
      const count = () =>
        store.transaction(async (inner) => {
          const before = await inner.readDocument('count')
          await inner.updateUser(ann.id, {email: `${before}@example.com`})
          await inner.replaceDocument('count', before, String(Number(before) + 1))
        })
      await Promise.all([count(), count(), count()])
      assert.equal(await store.readDocument('count'), '3')
    })
  })

  describe('tokens and sessions', () => {
    it('are known by their hashes, until they end or are revoked', async () => {
      const ann = await addUser('ann')
      const token = (tokenHash: string, expiresAt = FAR) =>
        store.addRefreshToken({tokenHash, subject: {kind: 'user', id: ann.id}, service: 's', client: 'docker', expiresAt})
      await token('one')
      await token('two')
      await token('old', PAST)
      const found = await store.findRefreshToken('one')
      assert.partialDeepStrictEqual(found, {subject: {kind: 'user', id: ann.id}, service: 's', client: 'docker'})
      assert.equal(await store.findRefreshToken('old'), undefined)
      await store.touchRefreshToken(found?.id ?? 0)
      assert.equal((await store.listRefreshTokens({kind: 'user', id: ann.id})).length, 3)
      assert.equal((await store.listRefreshTokens({kind: 'service', id: ann.id})).length, 0)
      assert.equal(await store.revokeRefreshTokens({id: found?.id ?? 0}), 1)
      assert.equal(await store.findRefreshToken('one'), undefined)
      await store.removeUser(ann.id)
      assert.equal(await store.findRefreshToken('two'), undefined)
    })

    it('of a session lead to its user', async () => {
      const ann = await addUser('ann')
      await store.addSession({tokenHash: 'new', userId: ann.id, expiresAt: FAR})
      await store.addSession({tokenHash: 'old', userId: ann.id, expiresAt: PAST})
      assert.equal((await store.findSession('new'))?.name, 'ann')
      assert.equal(await store.findSession('old'), undefined)
      assert.equal(await store.removeSession('new'), true)
      assert.equal(await store.findSession('new'), undefined)
    })

    it('of a session end together for a user, and for no other', async () => {
      const [ann, bob] = [await addUser('ann'), await addUser('bob')]
      for (const [tokenHash, userId] of [
        ['one', ann.id],
        ['two', ann.id],
        ['three', bob.id],
      ] as const)
        await store.addSession({tokenHash, userId, expiresAt: FAR})
      await store.removeSessionsOf(ann.id)
      assert.deepEqual([await store.findSession('one'), await store.findSession('two')], [undefined, undefined])
      assert.equal((await store.findSession('three'))?.name, 'bob')
    })
  })

  it('documents are replaced only by who has read the newest', async () => {
    assert.equal(await store.readDocument('keys'), undefined)
    assert.equal(await store.replaceDocument('keys', undefined, 'one'), true)
    assert.equal(await store.replaceDocument('keys', undefined, 'two'), false)
    assert.equal(await store.replaceDocument('keys', 'one', 'two'), true)
    assert.equal(await store.replaceDocument('keys', 'one', 'three'), false)
    assert.equal(await store.readDocument('keys'), 'two')
  })

  it('events are kept once, and are listed by what they are about', async () => {
    const [lab, other] = [await addRegistry('lab'), await addRegistry('other')]
    const event = (eventId: string, action: string, repository: string) => ({eventId, action, repository, occurredAt: PAST, tag: 'v1'})
    const first = [event('1', 'push', 'a'), event('2', 'pull', 'a')]
    assert.deepEqual([...(await store.appendEvents(lab.id, first, new Map()))].sort(), ['1', '2'])
    assert.deepEqual([...(await store.appendEvents(lab.id, [...first, event('3', 'push', 'b')], new Map()))], ['3'])
    assert.deepEqual([...(await store.appendEvents(other.id, [event('1', 'push', 'a')], new Map()))], ['1'])
    assert.equal((await store.appendEvents(lab.id, [], new Map())).size, 0)
    const ids = async (filter: object) =>
      (await store.listEvents({limit: 100, ...filter})).map(({registry, eventId}) => `${registry} ${eventId}`)
    assert.deepEqual(await ids({}), ['lab 1', 'lab 2', 'lab 3', 'other 1'])
    assert.deepEqual(await ids({registry: 'lab', limit: 2}), ['lab 2', 'lab 3'])
    assert.deepEqual(await ids({action: 'push', repository: 'a'}), ['lab 1', 'other 1'])
    assert.deepEqual(await ids({since: FAR}), [])
    const [row] = await store.listEvents({limit: 1, action: 'pull'})
    assert.deepEqual(await ids({after: row?.id}), ['lab 3', 'other 1'])
  })

  it('events of some registries, or of what lies below some namespaces, are listed alone', async () => {
    const [lab, other] = [await addRegistry('lab'), await addRegistry('other')]
    const event = (eventId: string, repository: string) => ({eventId, action: 'push', repository, occurredAt: PAST})
    await store.appendEvents(lab.id, [event('1', 'base'), event('2', 'users/a_b/x')], new Map())
    await store.appendEvents(other.id, [event('3', 'users/a_b/x'), event('4', 'users/a_bc/x'), event('5', 'users/axb/x')], new Map())
    const ids = async (registries: readonly number[], namespaces: readonly string[]) =>
      (await store.listEvents({limit: 100, scope: {registries, namespaces}})).map(({eventId}) => eventId)
    assert.deepEqual(await ids([], ['users/a_b/']), ['2', '3'])
    assert.deepEqual(await ids([lab.id], []), ['1', '2'])
    assert.deepEqual(await ids([lab.id], ['users/axb/']), ['1', '2', '5'])
    assert.deepEqual(await ids([], []), [])
  })

  it('events change the index when they are kept, and not again', async () => {
    const lab = await addRegistry('lab')
    const event = (eventId: string, action: string) => ({eventId, action, repository: WEB, occurredAt: PAST, tag: 'v1'})
    const pulled: IndexChange = {kind: 'pulled', at: PAST, repository: WEB, digest: digestOf(Buffer.from('one'))}
    const changes = new Map<string, IndexChange>([
      ['1', pushed('v1', 'one')],
      ['2', pulled],
    ])
    for (const _ of [1, 2]) await store.appendEvents(lab.id, [event('1', 'push'), event('2', 'pull')], changes)
    assert.equal((await store.findRepository(lab.id, WEB))?.pulls, 1)
  })

  it('the audit log keeps who did what, in its order', async () => {
    const entry = (principal: string, object: string) => ({
      requestId: 'r',
      principal,
      address: '127.0.0.1',
      action: 'pull',
      object,
      outcome: 'granted' as const,
      rule: 'U9',
    })
    await store.appendAudit([entry('ann', 'a'), entry('bob', 'b')])
    await store.appendAudit([entry('ann', 'c')])
    await store.appendAudit([])
    const objects = async (filter: object) => (await store.listAudit({limit: 10, ...filter})).map(({object}) => object)
    assert.deepEqual(await objects({}), ['a', 'b', 'c'])
    assert.deepEqual(await objects({principal: 'ann', limit: 1}), ['c'])
    await store.appendAudit([{...entry('-', 'd'), reason: 'aud: expected a, seen "b"'}, entry('-', 'e')])
    assert.deepEqual(
      (await store.listAudit({principal: '-', limit: 10})).map((row) => ('reason' in row ? row.reason : 'none')),
      ['aud: expected a, seen "b"', 'none'],
    )
  })

  describe('retention', () => {
    const entry = (action: string, object: string, outcome: 'granted' | 'refused' = 'granted') => ({
      requestId: 'r',
      principal: 'ann',
      address: '192.0.2.1',
      action,
      object,
      outcome,
      rule: '-',
    })
    const limits = {auditBefore: PAST, eventsBefore: PAST, tokensBefore: PAST, maxFailedLogins: 10, maxLoginKeys: 10}
    const event = (eventId: string) => ({eventId, occurredAt: PAST, action: 'push', repository: 'web'})

    it('keeps everything that is not older than it says', async () => {
      const lab = await addRegistry('lab')
      await store.appendAudit([entry('pull', 'a'), entry('login', 'b', 'refused')])
      await store.appendEvents(lab.id, [event('1')], new Map())
      assert.deepEqual(await store.purgeRecords(limits), {audit: 0, events: 0, refreshTokens: 0, sessions: 0, loginKeys: 0})
    })

    it('removes what is older, in batches, and tokens that have expired', async () => {
      const lab = await addRegistry('lab')
      const ann = await addUser('ann')
      const subject = {kind: 'user', id: ann.id} as const
      for (let batch = 0; batch < 5; batch++)
        await store.appendAudit(Array.from({length: 500}, (_, count) => entry('pull', `${batch} ${count}`)))
      await store.appendEvents(lab.id, [event('1'), event('2')], new Map())
      for (const [tokenHash, expiresAt] of [
        ['old', PAST],
        ['good', FAR],
      ] as const) {
        await store.addRefreshToken({tokenHash, subject, service: 's', client: 'c', expiresAt})
      }
      await store.addSession({tokenHash: 'session', userId: ann.id, expiresAt: PAST})
      const all = {...limits, auditBefore: FAR, eventsBefore: FAR, tokensBefore: '2020-01-01T00:00:00.000Z'}
      assert.deepEqual(await store.purgeRecords(all), {audit: 2_500, events: 2, refreshTokens: 1, sessions: 1, loginKeys: 0})
      assert.deepEqual([await store.listAudit({limit: 10}), await store.listEvents({limit: 10})], [[], []])
      assert.equal((await store.listRefreshTokens()).length, 1)
    })

    it('keeps the newest of refused logins and of logins by account and address, whatever their age', async () => {
      await store.appendAudit(Array.from({length: 15}, (_, count) => entry('login', `${count}`, 'refused')))
      await store.appendAudit([entry('pull', 'other', 'refused')])
      for (let count = 0; count < 12; count++) {
        await store.addFailure([`key ${count}`], 1_000 + count, 0)
        await store.noteSuccess(`key ${count}`, 1_000 + count, 0)
      }
      assert.partialDeepStrictEqual(await store.purgeRecords(limits), {audit: 5, loginKeys: 4})
      const objects = (await store.listAudit({limit: 20})).map(({object}) => object)
      assert.deepEqual(objects, [...Array.from({length: 10}, (_, count) => `${count + 5}`), 'other'])
      assert.deepEqual([await store.readSuccess('key 1'), await store.readSuccess('key 2')], [undefined, 1_002])
      assert.equal((await store.readFailures(['key 1', 'key 2'])).size, 1)
    })
  })

  describe('the index', () => {
    const tagsOf = async (registryId: number, repository = WEB) => {
      const found = await store.findRepository(registryId, repository)
      const tags = found === undefined ? [] : await store.listIndexedTags(found.id)
      return Object.fromEntries(tags.map(({tag, digest}) => [tag, digest]))
    }
    const one = digestOf(Buffer.from('one'))
    const two = digestOf(Buffer.from('two'))

    it('knows repositories and tags as events told last', async () => {
      const lab = await addRegistry('lab')
      await store.applyIndexChanges(lab.id, [
        pushed('v1', 'one'),
        pushed('latest', 'one'),
        pushed('v1', 'base', BASE),
        pushed('latest', 'two'),
      ])
      const web = await store.findRepository(lab.id, WEB)
      assert.partialDeepStrictEqual(web, {registry: 'lab', name: WEB, stars: 0, pulls: 0, isOfficial: false, description: ''})
      assert.deepEqual(await tagsOf(lab.id), {latest: two, v1: one})
      assert.deepEqual(
        (await store.listRepositories(lab.id)).map(({name}) => name),
        [WEB, BASE],
      )
      assert.deepEqual(
        (await store.listRepositories(lab.id, {after: WEB, limit: 5})).map(({name}) => name),
        [BASE],
      )
      assert.equal((await store.listRepositories(lab.id, {after: '', limit: 1})).length, 1)
      assert.equal(await store.countRepositories(lab.id), 2)
      const deleted = {at: PAST, repository: WEB}
      await store.applyIndexChanges(lab.id, [{...deleted, kind: 'tag-deleted', tag: parseTag('latest')}])
      assert.deepEqual(await tagsOf(lab.id), {v1: one})
      await store.applyIndexChanges(lab.id, [{...deleted, kind: 'manifest-deleted', digest: one}])
      assert.deepEqual(await tagsOf(lab.id), {})
    })

    it('keeps when a tag was pushed, until it names something else, and tells attachments from versions', async () => {
      const lab = await addRegistry('lab')
      const first = async () => (await store.listIndexedTags((await store.findRepository(lab.id, WEB))?.id ?? 0))[0]
      await store.applyIndexChanges(lab.id, [pushed('v1', 'one')])
      const before = await first()
      await new Promise((resolve) => setTimeout(resolve, 5))
      await store.applyIndexChanges(lab.id, [pushed('v1', 'one')])
      assert.equal((await first())?.pushedAt, before?.pushedAt)
      await store.applyIndexChanges(lab.id, [pushed('v1', 'two')])
      assert.notEqual((await first())?.pushedAt, before?.pushedAt)
      assert.equal(before?.attachment, undefined)
      await store.applyIndexChanges(lab.id, [pushed(`sha256-${'a'.repeat(64)}.sig`, 'signature', BASE)])
      const [signature] = await store.listIndexedTags((await store.findRepository(lab.id, BASE))?.id ?? 0)
      assert.equal(signature?.attachment, 'signature')
    })

    it('takes from a sweep what it does not know better', async () => {
      const lab = await addRegistry('lab')
      await store.noteSighting(
        lab.id,
        seen('2026-01-01T00:00:00.000Z', [
          ['v1', 'one'],
          ['v2', 'one'],
        ]),
      )
      assert.deepEqual(await store.knownTags(lab.id, WEB), [
        {tag: 'v1', learntAt: '2026-01-01T00:00:00.000Z'},
        {tag: 'v2', learntAt: '2026-01-01T00:00:00.000Z'},
      ])
      await store.applyIndexChanges(lab.id, [pushed('v1', 'two')])
      await store.noteSighting(
        lab.id,
        seen('2026-01-02T00:00:00.000Z', [
          ['v1', 'one'],
          ['v2', 'two'],
        ]),
      )
      assert.deepEqual(await tagsOf(lab.id), {v1: two, v2: two})
      assert.deepEqual(await store.knownTags(lab.id, BASE), [])
    })

    it('forgets what a complete sweep has not seen, and nothing that is still there', async () => {
      const lab = await addRegistry('lab')
      const other = await addRegistry('other')
      const [before, sweep] = ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z']
      await store.noteSighting(
        lab.id,
        seen(before, [
          ['a', 'one'],
          ['b', 'one'],
        ]),
      )
      await store.noteSighting(lab.id, seen(before, [['v1', 'base']], [], BASE))
      await store.noteSighting(other.id, seen(before, [['a', 'one']]))
      await store.noteSighting(lab.id, seen(sweep, [], ['a', 'never-known']))
      assert.deepEqual(await store.purgeUnseen(lab.id, sweep), {repositories: 1, tags: 2})
      assert.deepEqual(await tagsOf(lab.id), {a: one})
      assert.equal(await store.findRepository(lab.id, BASE), undefined)
      assert.deepEqual(await tagsOf(other.id), {a: one})
    })

    it('lists what users say of repositories, also of those that were not seen yet', async () => {
      const [lab, ann] = [await addRegistry('lab'), await addUser('ann')]
      await store.applyIndexChanges(lab.id, [pushed('v1', 'one')])
      assert.deepEqual(await store.listDescribedRepositories(), [])
      const base = await store.expectRepository(lab.id, BASE)
      assert.equal(await store.expectRepository(lab.id, BASE), base)
      await store.describeRepository(base, {isOfficial: true})
      await store.star((await store.findRepository(lab.id, WEB))?.id ?? 0, ann.id)
      const plain = {registry: 'lab', description: '', isAutomated: false}
      assert.deepEqual(await store.listDescribedRepositories(), [
        {...plain, name: WEB, isOfficial: false, stars: ['ann']},
        {...plain, name: BASE, isOfficial: true, stars: []},
      ])
    })

    it('forgets a repository that was deleted, and does not learn of it again while it has no tags', async () => {
      const lab = await addRegistry('lab')
      const [before, sweep, later] = ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z', '2026-01-03T00:00:00.000Z']
      await store.noteSighting(lab.id, seen(before, [['v1', 'one']]))
      await store.noteSighting(lab.id, seen(before, [['v1', 'base']], [], BASE))
      await store.forgetRepository((await store.findRepository(lab.id, WEB))?.id ?? 0)
      await store.noteSighting(lab.id, seen(sweep, []))
      assert.equal(await store.findRepository(lab.id, WEB), undefined)
      // One that is known and was emptied stays.
      await store.noteSighting(lab.id, seen(sweep, [], [], BASE))
      await store.purgeUnseen(lab.id, sweep)
      assert.deepEqual(await tagsOf(lab.id, BASE), {})
      assert.notEqual(await store.findRepository(lab.id, BASE), undefined)
      await store.noteSighting(lab.id, seen(later, [['v2', 'two']]))
      assert.deepEqual(await tagsOf(lab.id), {v2: two})
    })

    it('counts pulls, and stars once a user', async () => {
      const [lab, ann] = [await addRegistry('lab'), await addUser('ann')]
      const pulled: IndexChange = {kind: 'pulled', at: PAST, repository: WEB, digest: one}
      await store.applyIndexChanges(lab.id, [pulled])
      assert.equal(await store.findRepository(lab.id, WEB), undefined)
      await store.applyIndexChanges(lab.id, [pushed('v1', 'one'), pulled, pulled])
      const web = await store.findRepository(lab.id, WEB)
      assert.equal(await store.star(web?.id ?? 0, ann.id), true)
      assert.equal(await store.star(web?.id ?? 0, ann.id), false)
      await store.describeRepository(web?.id ?? 0, {description: 'the shop', isOfficial: true})
      assert.partialDeepStrictEqual(await store.findRepository(lab.id, WEB), {
        pulls: 2,
        stars: 1,
        description: 'the shop',
        isOfficial: true,
      })
      assert.equal(await store.unstar(web?.id ?? 0, ann.id), true)
      assert.equal((await store.findRepository(lab.id, WEB))?.stars, 0)
    })
  })

  describe('failed logins', () => {
    it('are counted together, whoever counts them, until they are forgiven or forgotten', async () => {
      await Promise.all([1, 2, 3].map((at) => store.addFailure(['a', 'place'], at, 0)))
      await store.addFailure(['b', 'place'], 4, 0)
      const count = async (...keys: readonly string[]) =>
        [...(await store.readFailures(keys))].map(([key, failures]) => [key, failures.count]).sort()
      assert.deepEqual(await count('a', 'b', 'place', 'nobody'), [
        ['a', 3],
        ['b', 1],
        ['place', 4],
      ])
      await store.clearFailures(['a', 'nobody'])
      assert.deepEqual(await count('a', 'place'), [['place', 4]])
      await store.addFailure(['c'], 100, 50)
      assert.deepEqual(await count('b', 'place', 'c'), [['c', 1]])
      assert.equal((await store.readFailures(['c'])).get('c')?.lastAt, 100)
    })
  })

  describe('successful logins', () => {
    it('are known by the last one of a key, until they are forgotten', async () => {
      assert.equal(await store.readSuccess('a'), undefined)
      await store.noteSuccess('a', 1_800_000_000_000, 0)
      await store.noteSuccess('b', 1_800_000_000_005, 0)
      await store.noteSuccess('a', 1_800_000_000_010, 1_800_000_000_006)
      assert.deepEqual([await store.readSuccess('a'), await store.readSuccess('b')], [1_800_000_000_010, undefined])
    })
  })

  describe('several replicas', () => {
    it('slow down who guesses as one, and let his victim in from elsewhere', async () => {
      await store.addUser({name: 'ann', source: 'internal', passwordHash: await hashPassword(new Secret('right'))})
      let time = Date.parse('2026-01-01T00:00:00.000Z')
      const [one, two] = [1, 2].map(() => createAccountAuthenticator(store, [], () => new Date(time)))
      assert.ok(one && two)
      const guess = (replica: typeof one, address: string) =>
        replica.authenticate('ann', new Secret('wrong'), address).then(
          () => 'in',
          (error: unknown) => (error instanceof HoldfastError ? error.code : 'other'),
        )
      for (let attempt = 0; attempt < 10; attempt++)
        assert.equal(await guess(attempt % 2 === 0 ? one : two, '192.0.2.1'), 'UNAUTHENTICATED')
      assert.deepEqual([await guess(one, '192.0.2.1'), await guess(two, '192.0.2.1')], ['RATE_LIMITED', 'RATE_LIMITED'])
      const {kind} = await two.authenticate('ann', new Secret('right'), '198.51.100.1')
      assert.equal(kind, 'user')
      time += 3_600_001
      assert.equal(await guess(two, '192.0.2.1'), 'UNAUTHENTICATED')
    })

    it('refuse a name that no account can have, also one that a database cannot store', async () => {
      const {authenticate} = createAccountAuthenticator(store, [], () => new Date())
      for (const name of ['ann\0', '\0', 'ann\n', '\ud800'])
        await assert.rejects(authenticate(name, new Secret('wrong'), '192.0.2.1'), (error) => hasCode(error, 'UNAUTHENTICATED'))
    })
  })

  describe('cached images', () => {
    const digest = (character: string): string => `sha256:${character.repeat(64)}`
    const note = (change: object = {}) => ({
      registry: 'registry.example.com',
      repository: '8c6a9ca1-de6f-42dd-b20a-a608ad190799',
      source: 'docker.io/library/alpine:3.20',
      sourceDigest: digest('a'),
      digest: digest('b'),
      app: 'shop',
      sizeBytes: 5_000_000_000,
      createdAt: '2026-01-01T00:00:00.000Z',
      principal: 'ann',
      ...change,
    })

    it('are found by each of their names, newest first, and by no wildcard', async () => {
      const other = note({
        repository: '0d5d6b5c-1111-4222-8333-944444444444',
        source: 'docker.io/library/redis:7_beta',
        sourceDigest: digest('c'),
        digest: digest('d'),
        app: undefined,
        platforms: ['linux/amd64'],
        createdAt: '2026-01-02T00:00:00.000Z',
      })
      await store.noteCachedImage(note())
      await store.noteCachedImage(other)
      const find = async (query: string) => (await store.findCachedImages(query)).map(({source}) => source.split('/').at(-1))
      assert.deepEqual(await find(''), ['redis:7_beta', 'alpine:3.20'])
      for (const query of ['alpine', 'ALPINE:3', 'shop', '8c6a9ca1', digest('a'), 'bbbbbb', 'sha256:bbbbbb'])
        assert.deepEqual(await find(query), ['alpine:3.20'], query)
      for (const query of ['%', 'a_pine', '8c6a9', 'aaaaa', 'redis:7%beta', 'sho']) assert.deepEqual(await find(query), [], query)
      assert.deepEqual(await find('7_beta'), ['redis:7_beta'])
      const [found] = await store.findCachedImages('redis')
      assert.deepEqual(found, JSON.parse(JSON.stringify(other)))
    })

    it('that are noted again are brought up to date', async () => {
      await store.noteCachedImage(note())
      await store.noteCachedImage(note({createdAt: '2026-02-01T00:00:00.000Z', principal: 'bob'}))
      const found = await store.findCachedImages('')
      assert.deepEqual(
        found.map(({createdAt, principal}) => [createdAt, principal]),
        [['2026-02-01T00:00:00.000Z', 'bob']],
      )
    })
  })
}
