/** The decision table, held against the token endpoint: every combination of facts, for users of every kind and for services, in every place. */
import assert from 'node:assert/strict'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {OwnerRelation} from '../../src/lib/access/decide.ts'
import {hashPassword} from '../../src/lib/accounts/password.ts'
import {openCollectorStore} from '../../src/lib/collector/sql/open.ts'
import type {CollectorStore} from '../../src/lib/collector/store.ts'
import {Secret} from '../../src/lib/core/secret.ts'
import {hashOpaqueToken, makeOpaqueToken} from '../../src/lib/tokens/opaque-token.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {allFacts, type Facts, type Row, TABLE} from '../support/decision-table.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {needs} from '../support/required-program.ts'
import {command, type ServedCollector, serveCollector} from '../support/served-collector.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const PASSWORD = 'correct horse'
const APPS: Readonly<Record<Exclude<OwnerRelation, 'own'>, string>> = {
  published: 'app-published',
  responsible: 'app-responsible',
  'published-and-responsible': 'app-both',
  foreign: 'app-foreign',
}

describe('the token endpoint', function () {
  this.timeout(180_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  let owner: Holdfast
  let collector: ServedCollector
  let store: CollectorStore
  const secrets = new Map<string, string>()
  const registries = new Map<string, DockerRegistry>()

  before(async () => {
    const temporary = await createTemporaryDirectory('decision-table')
    afterwards(temporary.remove)
    owner = await createHoldfast(temporary.path)
    store = await openCollectorStore({file: join(owner.dataDirectory, 'collector.db')})
    afterwards(() => store.close())
    await fill()
    collector = await serveCollector(owner)
    afterwards(collector.stop)
    const rootCertBundle = join(temporary.path, 'authority.pem')
    await writeFile(rootCertBundle, ((await command(owner, ['collector', 'keys', 'export'])) as {authority: string}).authority)
    for (const service of ['restricted', 'unrestricted']) {
      const registry = await startDockerRegistry({token: {realm: `${collector.url}/token`, service, issuer: 'holdfast', rootCertBundle}})
      afterwards(registry.stop)
      registries.set(service, registry)
    }
  })

  const userName = ({pub, resp, pusher, puller, mgr, admin}: Facts): string =>
    `${admin ? 'a' : 'u'}${[pub, resp, pusher, puller, mgr].map((fact) => (fact ? 'y' : 'n')).join('')}`
  const serviceName = ({pub}: Facts): string => (pub ? 'seen' : 'unseen')
  const registryName = ({restricted}: Facts): string => (restricted ? 'restricted' : 'unrestricted')

  /** All users are of one crew, which has nothing to do with the registries. */
  async function fill(): Promise<void> {
    const passwordHash = await hashPassword(new Secret(PASSWORD))
    const [pub, resp, crew, strangers] = await Promise.all(['pub', 'resp', 'crew', 'strangers'].map((name) => store.addGroup(name)))
    assert.ok(pub && resp && crew && strangers)
    for (const restricted of [true, false]) {
      const name = restricted ? 'restricted' : 'unrestricted'
      const facts = {
        name,
        service: name,
        url: `https://${name}.example.com`,
        insecure: false,
        restricted,
        tokenHeader: 'x5c',
        tokenLifeSeconds: 300,
      } as const
      const {id} = await store.addManagedRegistry(facts)
      await store.updateManagedRegistry(id, {publications: [pub.id], responsibles: [resp.id]})
    }
    const groupsOf = {
      [APPS.published]: {publications: [crew.id]},
      [APPS.responsible]: {responsibles: [crew.id]},
      [APPS['published-and-responsible']]: {publications: [crew.id], responsibles: [crew.id]},
      [APPS.foreign]: {publications: [strangers.id], responsibles: [strangers.id]},
      seen: {publications: [pub.id]},
      unseen: {publications: [strangers.id]},
    }
    for (const [code, groups] of Object.entries(groupsOf)) await store.updateApp((await store.addApp(code)).id, groups)
    for (const name of ['seen', 'unseen']) {
      const secret = makeOpaqueToken('service').reveal()
      secrets.set(name, secret)
      await store.addService({name, appId: (await store.findApp(name))?.id ?? 0, secretHash: hashOpaqueToken(secret)})
    }
    await store.addUser({name: 'somebody-else', source: 'internal', passwordHash})
    for (const facts of allFacts()) {
      if (!facts.lenient || facts.restricted) continue
      const user = await store.addUser({name: userName(facts), source: 'internal', passwordHash, isAdministrator: facts.admin})
      const groups = ['crew', ...(facts.pub ? ['pub'] : []), ...(facts.resp ? ['resp'] : [])]
      const privileges = [...(facts.pusher ? ['Pusher'] : []), ...(facts.puller ? ['Puller'] : []), ...(facts.mgr ? ['Manager'] : [])]
      for (const name of [...groups, ...privileges.map((privilege) => `DockerRegistries${privilege}`)]) {
        await store.addMember((await store.findGroup(name))?.id ?? 0, user.id)
      }
    }
  }

  /** A repository that is to the subject what the row says. */
  function repositoryOf({subject, path}: Row, facts: Facts): string | undefined {
    if (path.kind === 'other') return 'base/image'
    if (path.kind !== 'owned') return undefined
    const {class: type, relation} = path
    if (type === 'users') return `users/${relation === 'own' && subject === 'user' ? userName(facts) : 'somebody-else'}/image`
    if (type === 'groups') return `groups/${relation === 'own' ? 'crew' : 'strangers'}/image`
    if (subject === 'service')
      return `apps/${relation === 'own' ? serviceName(facts) : relation === 'published' ? APPS.published : APPS.foreign}/image`
    return relation === 'own' ? undefined : `apps/${APPS[relation]}/image`
  }

  async function tokenOf(name: string, password: string, service: string, repositories: readonly string[]): Promise<string> {
    const scopes = repositories.map((repository) => `scope=repository:${repository}:pull,push,delete`)
    const headers = {authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`}
    const answer = await fetch(`${collector.url}/token?service=${service}&${scopes.join('&')}`, {headers})
    assert.equal(answer.status, 200, name)
    return ((await answer.json()) as {token: string}).token
  }

  async function granted(...asked: Parameters<typeof tokenOf>): Promise<ReadonlyMap<string, readonly string[]>> {
    const token = await tokenOf(...asked)
    const {access} = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      access: readonly {readonly name: string; readonly actions: readonly string[]}[]
    }
    return new Map(access.map(({name: repository, actions}) => [repository, actions]))
  }

  for (const [subject, lenient] of [
    ['user', true],
    ['service', true],
    ['user', false],
  ] as const) {
    it(`grants a ${subject} exactly what the table does${lenient ? '' : ', with publications taken literally'}`, async () => {
      await command(owner, ['collector', 'settings', lenient ? '--responsible-sees' : '--no-responsible-sees'])
      let compared = 0
      const done = new Set<string>()
      for (const facts of allFacts()) {
        const name = subject === 'user' ? userName(facts) : `${serviceName(facts)}@service`
        const key = `${name} ${registryName(facts)}`
        if (facts.lenient !== lenient || done.has(key)) continue
        done.add(key)
        const rows = TABLE.filter((row) => row.subject === subject).map((row) => ({row, repository: repositoryOf(row, facts)}))
        const repositories = [...new Set(rows.flatMap(({repository}) => repository ?? []))]
        const password = subject === 'user' ? PASSWORD : (secrets.get(serviceName(facts)) ?? '')
        const access = await granted(name, password, registryName(facts), repositories)
        for (const {row, repository} of rows) {
          if (repository === undefined) continue
          const expected = [
            ...(row.delete(facts) ? ['delete'] : []),
            ...(row.pull(facts) ? ['pull'] : []),
            ...(row.push(facts) ? ['push'] : []),
          ]
          assert.deepEqual(access.get(repository) ?? [], expected, `${row.rule} ${repository} ${JSON.stringify(facts)}`)
          compared++
        }
      }
      assert.ok(compared > (subject === 'user' ? 500 : 10), `only ${compared} were compared`)
    })
  }

  it('gives tokens with which a genuine registry lets pull, push and delete just that', async () => {
    await command(owner, ['collector', 'settings', '--responsible-sees'])
    const cells = [
      ['uynyyn', 'restricted'],
      ['uynyyn', 'unrestricted'],
      ['unyyyy', 'restricted'],
      ['uyyyyy', 'unrestricted'],
      ['uyynyy', 'restricted'],
      ['unnyyy', 'unrestricted'],
    ] as const
    for (const [code, service] of cells) {
      const name = code.slice(0, 6)
      const repositories = [`users/${name}/image`, 'users/somebody-else/image', 'groups/crew/image', 'apps/app-both/image', 'base/image']
      const actions = await granted(name, PASSWORD, service, repositories)
      const authorization = `Bearer ${await tokenOf(name, PASSWORD, service, repositories)}`
      for (const repository of repositories) {
        const ask = async (method: string, path: string): Promise<number> =>
          (await fetch(`${registries.get(service)?.url}/v2/${repository}/${path}`, {method, headers: {authorization}})).status
        const may = (action: string): boolean => actions.get(repository)?.includes(action) === true
        const what = `${name} ${service} ${repository}`
        // There is nothing in it: who may look is told so.
        assert.equal(await ask('GET', 'manifests/latest'), may('pull') ? 404 : 401, `pull ${what}`)
        assert.equal(await ask('POST', 'blobs/uploads/'), may('push') && may('pull') ? 202 : 401, `push ${what}`)
        assert.equal(await ask('DELETE', `manifests/sha256:${'0'.repeat(64)}`), may('delete') ? 404 : 401, `delete ${what}`)
      }
    }
  })
})
