import assert from 'node:assert/strict'
import {type RightsRule, rightsOf} from '../../../src/lib/accounts/rights.ts'

const RULES: readonly RightsRule[] = [
  {group: 'devs', privileges: ['Pusher', 'Puller'], isAdministrator: false},
  {group: 'qa', privileges: ['Puller'], isAdministrator: false},
  {group: 'admins', source: 'corp', privileges: ['Manager'], isAdministrator: true},
]
const rights = (groups: readonly string[], source: string) => {
  const {privileges, isAdministrator} = rightsOf(groups, source, RULES)
  return [Object.fromEntries(privileges), isAdministrator]
}

describe('rights of groups of a directory', () => {
  it('are given to members and taken from others, by any of the rules', () => {
    assert.deepEqual(rights(['qa'], 'corp'), [{Pusher: false, Puller: true, Manager: false}, false])
    assert.deepEqual(rights(['devs', 'admins'], 'corp'), [{Pusher: true, Puller: true, Manager: true}, true])
  })

  it('count for their own source, and groups are compared as they are written', () => {
    assert.deepEqual(rights(['admins', 'Devs'], 'sso'), [{Pusher: false, Puller: false}, undefined])
  })

  it('decide nothing that no rule names', () => {
    assert.deepEqual(rightsOf(['devs'], 'corp', []), {privileges: new Map()})
  })
})
