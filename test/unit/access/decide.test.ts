/** The decision table, generated whole and held against formulas that are written down row by row, as the table has them. */
import assert from 'node:assert/strict'
import {decide, type OwnerRelation, type Principal, type Privilege, type ResolvedPath, type Rule} from '../../../src/lib/access/decide.ts'

interface Facts {
  readonly restricted: boolean
  readonly pub: boolean
  readonly resp: boolean
  readonly pusher: boolean
  readonly puller: boolean
  readonly mgr: boolean
  readonly lenient: boolean
}

interface Row {
  readonly rule: Rule
  readonly subject: 'user' | 'service' | 'nobody'
  readonly path: ResolvedPath
  readonly pull: (facts: Facts) => boolean
  readonly push: (facts: Facts) => boolean
}

const V = ({pub, resp, lenient}: Facts): boolean => pub || (lenient && resp)
const G = (facts: Facts): boolean => (facts.restricted ? facts.resp : V(facts))
const never = (): boolean => false
const owned = (type: 'users' | 'groups' | 'apps', relation: OwnerRelation): ResolvedPath => ({kind: 'owned', class: type, relation})
const other: ResolvedPath = {kind: 'other'}
const ownPull = (facts: Facts): boolean => facts.puller && V(facts)
const ownPush = (facts: Facts): boolean => facts.pusher && G(facts)

const TABLE: readonly Row[] = [
  {rule: 'U1', subject: 'user', path: owned('users', 'own'), pull: ownPull, push: ownPush},
  {rule: 'U2', subject: 'user', path: owned('users', 'foreign'), pull: never, push: never},
  {rule: 'U3', subject: 'user', path: owned('groups', 'own'), pull: ownPull, push: ownPush},
  {rule: 'U4', subject: 'user', path: owned('groups', 'foreign'), pull: never, push: never},
  {rule: 'U5', subject: 'user', path: owned('apps', 'published'), pull: ownPull, push: never},
  {rule: 'U6', subject: 'user', path: owned('apps', 'responsible'), pull: (facts) => facts.lenient && ownPull(facts), push: ownPush},
  {rule: 'U7', subject: 'user', path: owned('apps', 'published-and-responsible'), pull: ownPull, push: ownPush},
  {rule: 'U8', subject: 'user', path: owned('apps', 'foreign'), pull: never, push: never},
  {rule: 'U9', subject: 'user', path: other, pull: ownPull, push: ({pusher, resp, mgr}) => pusher && resp && mgr},
  {rule: 'S1', subject: 'service', path: owned('users', 'own'), pull: never, push: never},
  {rule: 'S1', subject: 'service', path: owned('users', 'foreign'), pull: never, push: never},
  {rule: 'S1', subject: 'service', path: owned('groups', 'own'), pull: never, push: never},
  {rule: 'S1', subject: 'service', path: owned('groups', 'foreign'), pull: never, push: never},
  {rule: 'S2', subject: 'service', path: owned('apps', 'own'), pull: ({pub}) => pub, push: never},
  {rule: 'S3', subject: 'service', path: owned('apps', 'foreign'), pull: never, push: never},
  {rule: 'S3', subject: 'service', path: owned('apps', 'published'), pull: never, push: never},
  {rule: 'S4', subject: 'service', path: other, pull: ({pub}) => pub, push: never},
  ...(['users', 'groups', 'apps'] as const).map(
    (type): Row => ({rule: 'N1', subject: 'nobody', path: owned(type, 'own'), pull: never, push: never}),
  ),
  {rule: 'N1', subject: 'nobody', path: other, pull: never, push: never},
]

const BITS = [false, true]

function* allFacts(): Generator<Facts> {
  for (const restricted of BITS)
    for (const pub of BITS)
      for (const resp of BITS)
        for (const pusher of BITS)
          for (const puller of BITS)
            for (const mgr of BITS) for (const lenient of BITS) yield {restricted, pub, resp, pusher, puller, mgr, lenient}
}

function principalOf(subject: Row['subject'], {pusher, puller, mgr}: Facts): Principal {
  if (subject !== 'user') return {kind: subject}
  const privileges: readonly Privilege[] = [
    ...(pusher ? (['Pusher'] as const) : []),
    ...(puller ? (['Puller'] as const) : []),
    ...(mgr ? (['Manager'] as const) : []),
  ]
  return {kind: 'user', privileges: new Set(privileges)}
}

const decideRow = (action: 'pull' | 'push' | 'delete', row: Pick<Row, 'subject' | 'path'>, facts: Facts) =>
  decide(action, principalOf(row.subject, facts), {restricted: facts.restricted, published: facts.pub, responsible: facts.resp}, row.path, {
    responsibleSees: facts.lenient,
  })

describe('the access policy', () => {
  for (const row of TABLE) {
    const place = row.path.kind === 'owned' ? `${row.path.class}/ (${row.path.relation})` : row.path.kind
    it(`is the table's for a ${row.subject} at ${place}: ${row.rule}`, () => {
      for (const facts of allFacts()) {
        for (const action of ['pull', 'push'] as const) {
          const decision = decideRow(action, row, facts)
          assert.deepEqual([decision.granted, decision.rule], [row[action](facts), row.rule], `${action} ${JSON.stringify(facts)}`)
          assert.ok(decision.reason.length > 10)
        }
      }
    })
  }

  it('lets those delete who answer for the registry and manage, in what they see and what is not somebody else’s; services never', () => {
    const foreign: readonly string[] = ['foreign']
    for (const row of TABLE) {
      for (const facts of allFacts()) {
        const {granted, rule} = decideRow('delete', row, facts)
        const isForeign = row.path.kind === 'owned' && foreign.includes(row.path.relation)
        const expected = row.subject === 'user' && !isForeign && facts.resp && facts.mgr && V(facts)
        assert.equal(granted, expected, `${row.rule} ${JSON.stringify(facts)}`)
        assert.equal(rule, row.subject === 'user' ? 'D1' : row.subject === 'service' ? 'D2' : 'N1')
      }
    }
  })

  it('gives nobody anything at a namespace itself, or under a name that no repository has', () => {
    for (const facts of allFacts()) {
      for (const subject of ['user', 'service', 'nobody'] as const) {
        for (const action of ['pull', 'push', 'delete'] as const) {
          assert.equal(decideRow(action, {subject, path: {kind: 'reserved'}}, facts).rule, 'C8')
          assert.equal(decideRow(action, {subject, path: {kind: 'invalid'}}, facts).granted, false)
        }
      }
    }
  })

  it('has the spot rows of the seed', () => {
    const facts = {restricted: true, pub: true, resp: false, pusher: true, puller: true, mgr: false, lenient: true}
    const own = {subject: 'user', path: owned('users', 'own')} as const
    const may = (action: 'pull' | 'push', row: Pick<Row, 'subject' | 'path'>, change: Partial<Facts>) =>
      decideRow(action, row, {...facts, ...change}).granted
    assert.deepEqual([may('pull', own, {}), may('push', own, {})], [true, false])
    assert.deepEqual([may('pull', own, {restricted: false}), may('push', own, {restricted: false})], [true, true])
    const responsible = {pub: false, resp: true}
    assert.deepEqual([may('pull', own, responsible), may('push', own, responsible)], [true, true])
    const elsewhere = {subject: 'user', path: other} as const
    assert.deepEqual([may('pull', elsewhere, responsible), may('push', elsewhere, responsible)], [true, false])
    assert.equal(may('push', elsewhere, {...responsible, mgr: true}), true)
    assert.equal(may('pull', own, {...responsible, lenient: false}), false)
  })
})
