import assert from 'node:assert/strict'
import fc from 'fast-check'
import {basicAuthorization, parseBasic} from '../../../src/lib/auth/basic.ts'

describe('Basic authorization', () => {
  it('gives back what went in: the first colon ends the user name', () => {
    const text = fc.string({unit: 'grapheme'}).filter((value) => !value.includes('\0') && !value.includes('\uFFFD'))
    fc.assert(
      fc.property(
        text.filter((name) => !name.includes(':')),
        text,
        (username, password) => assert.deepEqual(parseBasic(basicAuthorization(username, password)), {username, password}),
      ),
    )
  })

  it('is nothing when it is of another scheme, no base64, without a colon, or not UTF-8', () => {
    for (const header of [
      '',
      'Basic',
      'Bearer YTpi',
      'Basic a:b',
      'Basic YQ',
      `Basic ${Buffer.from([0xff, 0x3a, 0x61]).toString('base64')}`,
    ]) {
      assert.equal(parseBasic(header), undefined, header)
    }
  })
})
