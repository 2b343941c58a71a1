import assert from 'node:assert/strict'
import {createAddressPolicy} from '../../../src/lib/core/address-policy.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'

describe('an address policy', () => {
  it('never lets anybody be led to where clouds keep secrets, in whatever spelling, or to no machine at all', () => {
    for (const mayConnect of [createAddressPolicy([]), createAddressPolicy(['0.0.0.0/0', '::/0'])]) {
      for (const address of [
        '169.254.169.254',
        '::ffff:169.254.169.254',
        'fe80::1',
        'fd00:ec2::254',
        '0.0.0.0',
        '::',
        '224.0.0.1',
        '255.255.255.255',
      ]) {
        assert.equal(mayConnect(address), false, address)
      }
    }
  })

  it('allows every other address unless networks are named, and those alone then', () => {
    for (const address of ['127.0.0.1', '10.1.2.3', '203.0.113.5', '2001:db8::1'])
      assert.equal(createAddressPolicy([])(address), true, address)
    const mayConnect = createAddressPolicy(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32'])
    const answers = [
      '10.255.0.1',
      '11.0.0.1',
      '192.0.2.7',
      '192.0.2.8',
      '2001:db8:1::1',
      '2001:db9::1',
      '::ffff:10.0.0.1',
      '127.0.0.1',
      'localhost',
      '',
    ].map(mayConnect)
    assert.deepEqual(answers, [true, false, true, false, true, false, true, false, false, false])
  })

  it('is refused when it is none', () => {
    for (const text of ['10.0.0.0/33', '10.0.0/8', 'example.com', '10.0.0.0/', '10.0.0.0/8/9', '::/129', '']) {
      assert.throws(
        () => createAddressPolicy([text]),
        (error) => hasCode(error, 'USAGE'),
        text,
      )
    }
  })
})
