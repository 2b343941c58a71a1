/** What an account needs is held against the policy: what is named suffices, and nothing less does. */
import assert from 'node:assert/strict'
import {
  ACTIONS,
  decide,
  type PolicyOptions,
  type Principal,
  type RegistryRelation,
  type ResolvedPath,
} from '../../../src/lib/access/decide.ts'
import {type Need, needsFor} from '../../../src/lib/access/needs.ts'
import {allFacts, type Facts, principalOf, TABLE} from '../../support/decision-table.ts'

interface State {
  readonly principal: Principal
  readonly registry: RegistryRelation
  readonly path: ResolvedPath
  readonly options: PolicyOptions
}

function stateOf(row: (typeof TABLE)[number], facts: Facts): State {
  const registry = {restricted: facts.restricted, published: facts.pub, responsible: facts.resp}
  return {principal: principalOf(row.subject, facts), registry, path: row.path, options: {responsibleSees: facts.lenient}}
}

/** The state after an administrator has done what is needed. */
function afterwards(state: State, needs: readonly Need[]): State {
  let {principal, registry, path} = state
  for (const need of needs) {
    if (need.kind === 'privilege' && principal.kind === 'user') {
      principal = {...principal, privileges: new Set([...principal.privileges, need.privilege])}
    }
    if (need.kind === 'publication') registry = {...registry, published: true}
    if (need.kind === 'responsibility') registry = {...registry, responsible: true}
    if (need.kind === 'relation' && path.kind === 'owned') path = {...path, relation: need.relation}
  }
  return {...state, principal, registry, path}
}

describe('what an account needs', () => {
  it('grants the action when all of it is given, and not when any part is missing', () => {
    let refused = 0
    for (const row of TABLE) {
      for (const facts of allFacts()) {
        const state = stateOf(row, facts)
        for (const action of ACTIONS) {
          const granted = ({principal, registry, path, options}: State) => decide(action, principal, registry, path, options).granted
          const needs = needsFor({action, ...state})
          if (granted(state)) assert.deepEqual(needs, [])
          if (needs === undefined || needs.length === 0) continue
          refused++
          assert.ok(granted(afterwards(state, needs)), `${action} ${row.rule} ${JSON.stringify(facts)}`)
          for (const without of needs) {
            const others = needs.filter((need) => need !== without)
            assert.ok(
              !granted(afterwards(state, others)),
              `${action} ${row.rule} ${JSON.stringify(facts)} without ${JSON.stringify(without)}`,
            )
          }
        }
      }
    }
    assert.ok(refused > 1000, String(refused))
  })

  it('is the privilege alone for a member who would push to the root', () => {
    const facts = {restricted: true, pub: true, resp: true, pusher: true, puller: true, mgr: false, lenient: true, admin: false}
    const row = TABLE.find(({rule}) => rule === 'U9')
    assert.ok(row !== undefined)
    assert.deepEqual(needsFor({action: 'push', ...stateOf(row, facts)}), [{kind: 'privilege', privilege: 'Manager'}])
  })

  it('is nothing that can be given in the namespace of another user, and for a disabled account', () => {
    for (const facts of allFacts()) {
      for (const row of TABLE.filter(({rule}) => rule === 'U2' || rule === 'N1')) {
        for (const action of ['pull', 'push'] as const) assert.equal(needsFor({action, ...stateOf(row, facts)}), undefined)
      }
    }
  })
})
