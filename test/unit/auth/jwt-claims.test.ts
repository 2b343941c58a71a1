import assert from 'node:assert/strict'
import {readJwtExpiry} from '../../../src/lib/auth/jwt-claims.ts'

const jwt = (claims: unknown): string => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`

describe('the end of a token', () => {
  it('is what a JWT says', () => assert.deepEqual(readJwtExpiry(jwt({exp: 1_800_000_000})), new Date('2027-01-15T08:00:00Z')))

  for (const [what, token] of [
    ['without exp', jwt({})],
    ['with an exp that is no number', jwt({exp: '1800000000'})],
    ['with an exp beyond time', jwt({exp: 1e18})],
    ['with claims that are null', jwt(null)],
    ['of two parts', 'a.b'],
    ['of four parts', `${jwt({exp: 1})}.x`],
    ['that is opaque', 'dckr_rt_abc'],
    ['that is no JSON', 'a.b.c'],
  ] as const) {
    it(`is not known of one ${what}`, () => assert.equal(readJwtExpiry(token), undefined))
  }
})
