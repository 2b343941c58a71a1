import assert from 'node:assert/strict'
import type {OwnerRelation, Privilege} from '../../../src/lib/access/decide.ts'
import {classifyPath} from '../../../src/lib/access/repository-path.ts'
import type {ManagedRegistry} from '../../../src/lib/collector/objects.ts'
import {explainRefusal} from '../../../src/lib/collector/refusals.ts'
import type {Account, Standing} from '../../../src/lib/collector/subjects.ts'

const TEAM: ManagedRegistry = {
  id: 1,
  name: 'team',
  service: 'team',
  url: 'https://team.example.com',
  insecure: false,
  restricted: true,
  publications: ['everybody'],
  responsibles: ['ops'],
  tokenHeader: 'x5c',
  tokenLifeSeconds: 900,
  createdAt: '2026-01-01T00:00:00.000Z',
}
const APPS = new Map([
  ['shop', {id: 7, code: 'shop', responsibles: ['shop team'], publications: []}],
  ['bare', {id: 8, code: 'bare', responsibles: [], publications: []}],
])
const STORE = {
  findApp: async (key: string | number) => [...APPS.values()].find(({id, code}) => id === key || code === key),
  findGroup: async (key: string | number) => (key === 5 ? {id: 5, name: 'five', kind: 'organisational' as const, members: []} : undefined),
}
const ANN: Account = {
  kind: 'user',
  user: {
    id: 3,
    name: 'ann',
    source: 'internal',
    isDisabled: false,
    isAdministrator: false,
    groups: ['dev'],
    privileges: [],
    createdAt: '2026-01-01T00:00:00.000Z',
  },
}

interface Facts {
  readonly privileges?: readonly Privilege[]
  readonly published?: boolean
  readonly responsible?: boolean
  readonly relation?: OwnerRelation
  readonly account?: Account
  readonly registry?: ManagedRegistry
  readonly mayNameGroups?: boolean
}

async function explain(action: 'pull' | 'push' | 'delete', repository: string, facts: Facts = {}) {
  const {
    privileges = ['Puller', 'Pusher'],
    published = true,
    responsible = true,
    relation = 'foreign',
    account = ANN,
    registry = TEAM,
  } = facts
  const standing: Standing = {
    principal: account.kind === 'user' ? {kind: 'user', privileges: new Set(privileges)} : {kind: 'service'},
    registry: {restricted: registry.restricted, published, responsible},
    options: {responsibleSees: true},
    groups: new Set(),
    async resolve(name) {
      const path = classifyPath(name)
      return path.kind === 'owned' ? {kind: 'owned', class: path.class, relation} : path
    },
  }
  const {mayNameGroups} = facts
  return await explainRefusal(
    {action, account, registry, standing, repository, ...(mayNameGroups === undefined ? {} : {mayNameGroups})},
    STORE,
  )
}

describe('why something is refused', () => {
  it('is the privilege that is missing, the command that gives it, and where the account may push', async () => {
    assert.deepEqual(await explain('push', 'web'), {
      explanation: 'ann needs the privilege Manager to push at the root of "team", or may push below users/ann/',
      remedies: ['holdfast privilege grant Manager ann'],
      below: 'users/ann',
    })
  })

  it('is all that is missing, with a command for each', async () => {
    const {explanation, remedies, below} = await explain('push', 'web', {privileges: [], responsible: false})
    assert.match(
      explanation,
      /^ann needs the privilege Pusher and the privilege Manager and one of its groups to be responsible for "team" to push /,
    )
    assert.deepEqual(remedies, [
      'holdfast privilege grant Pusher ann',
      'holdfast privilege grant Manager ann',
      'holdfast group add-member ops ann',
    ])
    assert.equal(below, undefined)
  })

  it('names a group of the path, and groups of apps as one word of a shell', async () => {
    const may = {privileges: ['Puller', 'Pusher'] as const}
    assert.deepEqual((await explain('push', 'groups/ops/web', may)).remedies, ['holdfast group add-member ops ann'])
    assert.deepEqual((await explain('push', 'groups/5/web', may)).remedies, ['holdfast group add-member five ann'])
    assert.deepEqual((await explain('push', 'apps/7/web', may)).remedies, ["holdfast group add-member 'shop team' ann"])
    assert.deepEqual((await explain('push', 'apps/bare/web', may)).remedies, ['holdfast app update bare --responsible dev'])
  })

  it('tells an account that does not see the registry no group of it, and an administrator all', async () => {
    const unseen = {published: false, responsible: false}
    for (const [action, repository] of [
      ['pull', 'web'],
      ['pull', 'apps/shop/web'],
      ['push', 'apps/shop/web'],
      ['pull', 'groups/5/web'],
    ] as const) {
      const told = JSON.stringify(await explain(action, repository, unseen))
      assert.doesNotMatch(told, /everybody|ops|shop team|five/, told)
    }
    assert.deepEqual((await explain('pull', 'web', unseen)).remedies, ['holdfast explain ann team/web pull'])
    assert.deepEqual((await explain('pull', 'web', {...unseen, mayNameGroups: true})).remedies, ['holdfast group add-member everybody ann'])
    const bare = {...TEAM, publications: []}
    assert.deepEqual((await explain('pull', 'web', {...unseen, registry: bare, mayNameGroups: true})).remedies, [
      'holdfast registry manage team --publication dev',
    ])
  })

  it('promises nothing in the namespace of another user, but shows the own one', async () => {
    const {explanation, ...rest} = await explain('push', 'users/bob/web')
    assert.match(explanation, /; ann may push below users\/ann\/$/)
    assert.deepEqual(rest, {remedies: ['holdfast explain ann team/users/bob/web push'], below: 'users/ann'})
  })

  it('is said of a service by its name, and shows where it may pull', async () => {
    const service = {id: 1, name: 'web', app: 'shop', isDisabled: false, createdAt: '2026-01-01T00:00:00.000Z'}
    const account: Account = {kind: 'service', service}
    const {explanation, below} = await explain('pull', 'apps/bare/web', {account})
    assert.match(explanation, /; web@service may pull below apps\/shop\/$/)
    assert.equal(below, 'apps/shop')
  })
})
