import assert from 'node:assert/strict'
import {expandServiceAccount, serviceAccount} from '../../../src/lib/credentials/service-account.ts'

describe('the account of a service', () => {
  it('tells it from a user of the same name', () => assert.equal(serviceAccount('web'), 'web@service'))

  it('is taken as it is where a node is named', () => assert.equal(serviceAccount('web@node7'), 'web@node7'))

  for (const name of ['', '@node', 'a@b@c', 'a b', 'a:b', '%as_service%', `${'x'.repeat(129)}`]) {
    it(`is not made of ${JSON.stringify(name.slice(0, 20))}`, () => assert.throws(() => serviceAccount(name), {code: 'USAGE'}))
  }

  it('stands where %as_service% is written', () => {
    assert.equal(expandServiceAccount('%as_service%', 'web'), 'web@service')
    assert.equal(expandServiceAccount('ann', 'web'), 'ann')
    assert.equal(expandServiceAccount('ann', undefined), 'ann')
  })

  it('is missing where no service is named', () => {
    assert.throws(() => expandServiceAccount('%as_service%', undefined), {code: 'INPUT_REQUIRED'})
    assert.throws(() => expandServiceAccount('%as_service%', ''), {code: 'INPUT_REQUIRED'})
  })
})
