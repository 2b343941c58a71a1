import assert from 'node:assert/strict'
import {createActiveAccounts} from '../../../src/lib/collector/active-accounts.ts'
import type {Account} from '../../../src/lib/collector/subjects.ts'

const account = (isDisabled: boolean): Account => ({
  kind: 'service',
  service: {id: 1, name: 'web', app: 'shop', isDisabled, createdAt: ''},
})

describe('active accounts', () => {
  it('are there and not disabled, as they were five seconds ago, and asked for once', async () => {
    let time = 0
    let asked = 0
    let found: Account | undefined = account(false)
    const isActive = createActiveAccounts(
      async () => {
        asked++
        return found
      },
      () => new Date(time),
    )
    assert.deepEqual(await Promise.all([isActive('web'), isActive('web')]), [true, true])
    found = account(true)
    time = 4_999
    assert.deepEqual([await isActive('web'), asked], [true, 1])
    time = 5_000
    assert.deepEqual([await isActive('web'), asked], [false, 2])
    found = undefined
    time = 10_000
    assert.equal(await isActive('web'), false)
  })

  it('are all accounts while the database does not answer', async () => {
    const isActive = createActiveAccounts(
      async () => {
        throw new Error('away')
      },
      () => new Date(),
    )
    assert.equal(await isActive('web'), true)
  })
})
