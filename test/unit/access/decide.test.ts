/** The decision table, generated whole and held against formulas that are written down row by row, as the table has them. */
import assert from 'node:assert/strict'
import {decide, type ResolvedPath} from '../../../src/lib/access/decide.ts'
import {allFacts, type Facts, principalOf, type Row, TABLE} from '../../support/decision-table.ts'

const OWN: ResolvedPath = {kind: 'owned', class: 'users', relation: 'own'}

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

  it('lets owners delete what is theirs, managers what is in registries that they are responsible for, administrators everything, and services nothing', () => {
    for (const row of TABLE) {
      for (const facts of allFacts()) {
        const {granted, rule} = decideRow('delete', row, facts)
        assert.equal(granted, row.delete(facts), `${row.rule} ${JSON.stringify(facts)}`)
        const isOwn = row.path.kind === 'owned' && !['foreign', 'published'].includes(row.path.relation)
        const byUser = isOwn ? 'D3' : facts.admin && !(facts.resp && facts.mgr) ? 'D4' : 'D1'
        assert.equal(rule, row.subject === 'user' ? byUser : row.subject === 'service' ? 'D2' : 'N1')
      }
    }
  })

  it('lets a manager delete below another user’s namespace, which gives no right to pull there', () => {
    const facts = {restricted: true, pub: false, resp: true, pusher: true, puller: true, mgr: true, lenient: true, admin: false}
    const foreign = {subject: 'user', path: {kind: 'owned', class: 'users', relation: 'foreign'}} as const
    assert.deepEqual(
      (['pull', 'push', 'delete'] as const).map((action) => decideRow(action, foreign, facts).granted),
      [false, false, true],
    )
  })

  it('gives nobody anything at a namespace itself, or under a name that no repository has', () => {
    for (const facts of allFacts()) {
      for (const subject of ['user', 'service', 'disabled'] as const) {
        for (const action of ['pull', 'push', 'delete'] as const) {
          assert.equal(decideRow(action, {subject, path: {kind: 'reserved'}}, facts).rule, 'C8')
          assert.equal(decideRow(action, {subject, path: {kind: 'invalid'}}, facts).granted, false)
        }
      }
    }
  })

  it('has the spot rows of the seed', () => {
    const facts = {restricted: true, pub: true, resp: false, pusher: true, puller: true, mgr: false, lenient: true, admin: false}
    const own = {subject: 'user', path: OWN} as const
    const may = (action: 'pull' | 'push', row: Pick<Row, 'subject' | 'path'>, change: Partial<Facts>) =>
      decideRow(action, row, {...facts, ...change}).granted
    assert.deepEqual([may('pull', own, {}), may('push', own, {})], [true, false])
    assert.deepEqual([may('pull', own, {restricted: false}), may('push', own, {restricted: false})], [true, true])
    const responsible = {pub: false, resp: true}
    assert.deepEqual([may('pull', own, responsible), may('push', own, responsible)], [true, true])
    const elsewhere = {subject: 'user', path: {kind: 'other'}} as const
    assert.deepEqual([may('pull', elsewhere, responsible), may('push', elsewhere, responsible)], [true, false])
    assert.equal(may('push', elsewhere, {...responsible, mgr: true}), true)
    assert.equal(may('pull', own, {...responsible, lenient: false}), false)
  })
})
