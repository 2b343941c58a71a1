import assert from 'node:assert/strict'
import type {CollectorDocument} from '../../../src/lib/collector/document/document.ts'
import {assertFewRemovals, fingerprint, type PlannedChange, planChanges} from '../../../src/lib/collector/document/plan.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'

const GROUPS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']
const CURRENT: CollectorDocument = {
  policy: 'private',
  responsibleSees: true,
  groups: GROUPS,
  users: [{name: 'ann', groups: ['a', 'b'], administrator: false}],
  apps: [{code: 'shop', responsibles: ['a'], publications: []}],
  services: [],
  registries: [{name: 'lab', url: 'https://lab.example.com'}],
  repositories: [{registry: 'lab', name: 'base', description: 'all is built on it', stars: ['ann']}],
}

const plan = (wanted: CollectorDocument, prune = false, removed: readonly string[] = []): readonly PlannedChange[] =>
  planChanges(CURRENT, wanted, {prune, wasRemoved: (kind, name) => removed.includes(`${kind} ${name}`)})
const list = (changes: readonly PlannedChange[]): readonly string[] => changes.map(({action, kind, name}) => `${action} ${kind} ${name}`)

describe('a plan of changes', () => {
  it('removes nothing of a section that is missing, and everything of one that is empty', () => {
    assert.deepEqual(list(plan({}, true)), [])
    assert.deepEqual(list(plan({users: [], repositories: []}, true)), ['remove repository lab/base', 'remove user ann'])
    assert.deepEqual(list(plan({users: []}, false)), [])
  })

  it('names the fields that change, whatever the order of groups', () => {
    assert.deepEqual(list(plan({users: [{name: 'ann', groups: ['b', 'a']}]})), [])
    assert.deepEqual(plan({users: [{name: 'ann', groups: ['b'], administrator: true}]})[0]?.fields, [
      {field: 'groups', from: ['a', 'b'], to: ['b']},
      {field: 'administrator', from: false, to: true},
    ])
    assert.deepEqual(plan({responsibleSees: false, policy: 'private'}), [
      {action: 'change', kind: 'policy', name: 'policy', fields: [{field: 'responsibleSees', from: true, to: false}]},
    ])
    assert.deepEqual(list(plan({repositories: [{registry: 'lab', name: 'base', description: 'else'}]})), ['change repository lab/base'])
  })

  it('restores what was removed, and adds the rest', () => {
    assert.deepEqual(list(plan({users: [{name: 'bob'}, {name: 'eve'}]}, false, ['user bob'])), ['restore user bob', 'add user eve'])
  })

  it('is refused for a document that names an object twice', () => {
    const twice: readonly (readonly [CollectorDocument, RegExp])[] = [
      [{users: [{name: 'ann'}, {name: 'ann', administrator: true}]}, /user "ann" twice/],
      [{apps: [{code: 'x'}, {code: 'x'}]}, /app "x" twice/],
      [
        {
          repositories: [
            {registry: 'lab', name: 'base'},
            {registry: 'lab', name: 'base'},
          ],
        },
        /repository "lab\/base" twice/,
      ],
    ]
    for (const [wanted, word] of twice) {
      assert.throws(
        () => plan(wanted),
        (error) => hasCode(error, 'USAGE') && word.test(error.message),
      )
    }
  })

  it('is refused when more than half of a kind and five objects or more would go, unless so many may', () => {
    const removalsOf = (count: number) => plan({groups: GROUPS.slice(count)}, true)
    const refused = (count: number, max?: number): boolean => {
      try {
        assertFewRemovals(removalsOf(count), CURRENT, max)
        return false
      } catch (error) {
        assert.ok(hasCode(error, 'CONFLICT'))
        assert.ok(error.hints.some((hint) => hint.includes(`--max-removals ${count}`)))
        return true
      }
    }
    assert.deepEqual(
      [0, 4, 5, 9].map((count) => refused(count)),
      [false, false, true, true],
    )
    assert.deepEqual([refused(9, 9), refused(9, 8), refused(1, 0), refused(0, 0), refused(4, 4)], [false, true, true, false, false])
    // Four of four are all of a kind, and few.
    const few = {...CURRENT, groups: GROUPS.slice(0, 4)}
    assertFewRemovals(planChanges(few, {groups: []}, {prune: true, wasRemoved: () => false}), few, undefined)
    const half = {...CURRENT, groups: [...GROUPS, 'j']}
    assertFewRemovals(planChanges(half, {groups: half.groups.slice(5)}, {prune: true, wasRemoved: () => false}), half, undefined)
  })

  it('knows whether what it is about has changed since, and does not care for the rest', () => {
    const wanted: CollectorDocument = {groups: ['a']}
    const before = fingerprint(CURRENT, wanted)
    assert.equal(fingerprint({...CURRENT, users: [], repositories: []}, wanted), before)
    assert.notEqual(fingerprint({...CURRENT, groups: ['a']}, wanted), before)
  })
})
